"""What the official suite leaves behind is read strictly: nothing missing, off, skipped or failed passes unseen."""

from __future__ import annotations

from pathlib import Path

import pytest

from conformance.results import Results, ResultsUnusable, read
from conformance.suite import ALL, DEFAULT, REDIRECTED, Profile, problems

SUMMARY = """\
config:
  registry: 127.0.0.1:5000
  apis: {ping: true, blobs: {delete: true, uploadCancel: true}}
  data: {image: true, sparse: true}
apis: {Blob get: Pass, Ping: Pass}
data: {Image: Pass, Sparse Manifests: Pass}
"""
JUNIT = """\
<testsuites tests="3"><testsuite name="OCI Conformance Test" tests="3" failures="0" errors="0">
<testcase name="OCI Conformance Test/ping" status="passed"/>
<testcase name="OCI Conformance Test/image/pull/blob-get" status="passed"/>
<testcase name="OCI Conformance Test/image/pull/blob-get" status="passed"/>
</testsuite></testsuites>
"""
CHECKS = frozenset({"ping", "image/pull/blob-get"})


def left(directory: Path, summary: str = SUMMARY, junit: str = JUNIT) -> Results:
    (directory / "results.yaml").write_text(summary)
    (directory / "junit.xml").write_text(junit)
    return read(directory)


def small(profile: Profile) -> Profile:
    return Profile(profile.name, {}, {}, profile.disabled, profile.switched_off, minimum=3)


def found(results: Results, profile: Profile = ALL, checks: frozenset[str] = CHECKS) -> list[str]:
    return list(problems(small(profile), results, checks))


def test_a_run_in_which_everything_passed_has_no_problems(tmp_path: Path) -> None:
    results = left(tmp_path)
    assert (results.passed, results.failed, results.skipped, results.disabled) == (3, 0, 0, ())
    assert found(results) == []


def test_a_failure_and_an_error_of_the_suite_are_told_with_their_messages(tmp_path: Path) -> None:
    junit = JUNIT.replace('failures="0" errors="0"', 'failures="1" errors="1"')
    junit = junit.replace(
        'ping" status="passed"/>', 'ping" status="failure"><system-out>is 500</system-out></testcase>'
    )
    junit = junit.replace('blob-get" status="passed"/>', 'blob-get" status="error"/>', 1)
    results = left(tmp_path, SUMMARY.replace("Ping: Pass", "Ping: FAIL"), junit)
    assert (results.passed, results.failed) == (1, 2)
    assert found(results) == ["failed: ping: is 500", "failed: image/pull/blob-get: "]


def test_a_skipped_check_is_a_problem(tmp_path: Path) -> None:
    results = left(
        tmp_path,
        SUMMARY.replace("Blob get: Pass", "Blob get: Skip"),
        JUNIT.replace('errors="0"', 'errors="0" skipped="1"'),
    )
    assert results.passed == 2
    assert found(results, checks=frozenset()) == ["1 checks were skipped: Blob get"]


def test_sparse_manifests_are_the_only_thing_that_the_default_leaves_out(tmp_path: Path) -> None:
    summary = SUMMARY.replace("sparse: true", "sparse: false").replace("Manifests: Pass", "Manifests: Disabled")
    results = left(tmp_path, summary)
    assert found(results, DEFAULT) == []
    assert found(results, ALL) == [
        "disabled: Sparse Manifests; expected: nothing",
        "switched off: data.sparse; expected: nothing",
    ]
    assert found(left(tmp_path), DEFAULT)


def test_a_header_of_blobs_is_the_only_thing_that_redirects_leave_out(tmp_path: Path) -> None:
    results = left(tmp_path, SUMMARY.replace("delete: true", "delete: true, digestHeader: false"))
    assert found(results, REDIRECTED) == []
    assert found(results) == ["switched off: apis.blobs.digestHeader; expected: nothing"]
    assert found(left(tmp_path), REDIRECTED) == ["switched off: nothing; expected: apis.blobs.digestHeader"]


def test_a_flag_that_is_off_is_seen_however_deep_it_lies(tmp_path: Path) -> None:
    results = left(tmp_path, SUMMARY.replace("uploadCancel: true", "uploadCancel: false"))
    assert found(results) == ["switched off: apis.blobs.uploadCancel; expected: nothing"]


def test_a_run_of_too_few_checks_is_a_problem(tmp_path: Path) -> None:
    junit = JUNIT.replace('name="OCI Conformance Test" tests="3"', 'name="OCI Conformance Test" tests="2"')
    assert found(left(tmp_path, junit=junit)) == ["only 2 checks ran, of 3"]


def test_a_check_that_did_not_run_is_named(tmp_path: Path) -> None:
    assert found(left(tmp_path), checks=CHECKS | {"ping/of/death"}) == ["did not run: ping/of/death"]


@pytest.mark.parametrize("missing", ["results.yaml", "junit.xml"])
def test_without_its_files_a_run_counts_for_nothing(tmp_path: Path, missing: str) -> None:
    left(tmp_path)
    (tmp_path / missing).unlink()
    with pytest.raises(ResultsUnusable, match="left no results"):
        read(tmp_path)


@pytest.mark.parametrize(
    ("summary", "junit"),
    [("", JUNIT), ("config: {}", JUNIT), (SUMMARY, "<testsuites/>"), (SUMMARY, "<testsuites>"), ("{", JUNIT)],
)
def test_results_that_are_cut_off_count_for_nothing(tmp_path: Path, summary: str, junit: str) -> None:
    with pytest.raises(ResultsUnusable):
        left(tmp_path, summary, junit)


def test_failures_that_are_counted_but_not_named_count_for_nothing(tmp_path: Path) -> None:
    with pytest.raises(ResultsUnusable, match="counts 1 failures and names 0"):
        left(tmp_path, junit=JUNIT.replace('failures="0"', 'failures="1"'))
