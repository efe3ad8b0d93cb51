"""Cases by which policies are tested."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
import yaml

from signing.evidence import Evidence, Scan
from signing.policy.problems import InvalidPolicy
from signing.policy.testing import read_cases, run
from tests.signing.policy.making import DIGEST, IMAGE, NOW, policy

FILE = b"""
version: 1
policy: production.yaml
trustedRoots:
  ours: roots/ours.json
cases:
  - name: a new model waits
    manifest: {schemaVersion: 2, artifactType: application/x.model}
    known:
      pushedAt: 2026-03-01T11:30:00Z
      record: {kind: model}
      violations: []
      scans: [{scanner: pickle, state: found, worst: low}]
    at: 2026-03-01T12:00:00Z
    expect: deny
    because: not at least 1h ago
  - name: an hour later
    artifact: layouts/model:v1
    known: {pushedAt: 2026-03-01T11:30:00Z}
    at: 2026-03-01T13:00:00Z
    expect: pass
"""
AGED = policy({"age": {"least": "1h"}})
LAYOUT = Evidence(DIGEST, IMAGE, b"{}")


def test_cases_are_read_and_run() -> None:
    read = read_cases(FILE)
    assert (read.policy, dict(read.trusted_roots)) == ("production.yaml", {"ours": "roots/ours.json"})
    waits, later = read.cases
    assert waits.inline is not None
    assert waits.inline.media_type == IMAGE
    assert waits.known.scans == (Scan("pickle", "found", "low"),)
    assert waits.known.pushed_at == datetime(2026, 3, 1, 11, 30, tzinfo=UTC)
    assert later.artifact == "layouts/model:v1"
    assert run(waits, AGED, {}, None, now=NOW).wrong is None
    assert run(later, AGED, {}, LAYOUT, now=NOW).wrong is None
    with pytest.raises(ValueError, match="was not gathered"):
        run(later, AGED, {}, None, now=NOW)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"expect": "pass", "because": None},
            "it is expected to pass, and does not: pushed at least 1h ago: it was pushed",
        ),
        ({"because": "not signed"}, "no reason says “not signed”: pushed at least 1h ago: "),
        ({"at": "2026-03-01T13:00:00Z"}, "it passes, and is expected not to"),
        (
            {"known": None},
            "no reason says “not at least 1h ago”: pushed at least 1h ago: when it was pushed is not known",
        ),
    ],
)
def test_a_case_that_is_not_as_expected_says_why(changes: dict[str, Any], words: str) -> None:
    wrong = run(read_cases(changed(**changes)).cases[0], AGED, {}, None, now=NOW).wrong
    assert wrong is not None
    assert wrong.startswith(words)


@pytest.mark.parametrize(
    ("changes", "pointer", "words"),
    [
        ({"artifact": "layout"}, "/cases/0", "must have one of artifact and manifest"),
        ({"manifest": None}, "/cases/0", "must have one of artifact and manifest"),
        ({"expect": "pass"}, "/cases/0/because", "has no meaning where it is expected to pass"),
        ({"expect": "fail"}, "/cases/0/expect", "must be one of pass, deny"),
        ({"at": "2026-02-30T12:00:00Z"}, "/cases/0/at", "is no time"),
        ({"at": "tomorrow"}, "/cases/0/at", "must be a time in UTC"),
        ({"known": {"pushed": "x"}}, "/cases/0/known/pushed", "is not known here; there are record"),
        ({"name": "an hour later"}, "/cases/1/name", "is another case's name, too"),
    ],
)
def test_cases_are_refused(changes: dict[str, Any], pointer: str, words: str) -> None:
    with pytest.raises(InvalidPolicy) as raised:
        read_cases(changed(**changes))
    (problem,) = raised.value.problems
    assert problem.pointer == pointer
    assert words in problem.message


def changed(**changes: Any) -> bytes:
    """Return the file with another first case; None takes a member away."""
    document = yaml.load(FILE, yaml.BaseLoader)  # which knows texts only
    document["version"] = 1
    first = document["cases"][0] | changes
    document["cases"][0] = {name: value for name, value in first.items() if value is not None}
    return yaml.safe_dump(document, sort_keys=False, default_flow_style=None).replace("'", '"').encode()
