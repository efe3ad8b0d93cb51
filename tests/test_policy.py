"""`blacklake policy check` and `test`: what they print, and their exit codes."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tests.command import blacklake
from tests.http.client import image_of
from tests.oci.layouts import Laid
from tests.signing_keys import key_pair


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    signers = {"release": {"keys": [key_pair(tmp_path).public.read_text()]}}
    document = {
        "version": 1,
        "name": "p",
        "mode": "warn",
        "signers": signers,
        "require": {"signature": {"by": "release"}},
    }
    path = tmp_path / "policy.yaml"
    path.write_text(yaml.safe_dump(document))
    return path


def cases(directory: Path, *items: dict[str, object], **more: object) -> Path:
    path = directory / "cases.yaml"
    path.write_text(yaml.safe_dump({"version": 1, "policy": "policy.yaml", "cases": list(items)} | more))
    return path


def test_a_policy_that_can_be_read_is_said_to_be_one(policy: Path) -> None:
    assert blacklake("policy", "check", policy) == (0, f"{policy} is a policy\n", "")
    found = blacklake("policy", "check", policy, "--output", "json")
    assert (found.code, found.document) == (0, {"file": str(policy), "isValid": True, "problems": []})


def test_all_that_is_wrong_with_a_policy_is_said_with_its_place(policy: Path) -> None:
    policy.write_text(policy.read_text().replace("mode: warn", "mode: maybe") + "extra: 1\n")
    found = blacklake("policy", "check", policy)
    assert (found.code, found.err) == (1, "")
    assert f"{policy}: line " in found.out
    document = blacklake("policy", "check", policy, "--output", "json").document
    assert not document["isValid"]
    assert "/mode" in {one["pointer"] for one in document["problems"]}
    assert all(isinstance(one["line"], int | None) and one["message"] for one in document["problems"])


def test_a_policy_that_is_not_there_exits_with_2() -> None:
    found = blacklake("policy", "check", "/nowhere.yaml")
    assert (found.code, found.out) == (2, "")
    assert "can't be read" in found.err


def test_cases_are_judged_by_layouts_beside_them_or_as_they_stand(policy: Path, tmp_path: Path) -> None:
    Laid(tmp_path / "layout").manifest(image_of(b"weights"), "v1")
    file = cases(
        tmp_path,
        {"name": "in a layout", "artifact": "layout:v1", "expect": "deny", "because": "signature"},
        {"name": "as it stands", "manifest": {"schemaVersion": 2}, "expect": "deny"},
    )
    found = blacklake("policy", "test", file)
    assert (found.code, found.err) == (0, "")
    assert found.out == "✓ in a layout\n✓ as it stands\n2 of 2 cases are as expected\n"


def test_a_verdict_that_is_not_as_expected_is_told_branch_by_branch(policy: Path, tmp_path: Path) -> None:
    file = cases(
        tmp_path,
        {"name": "good", "manifest": {"schemaVersion": 2}, "expect": "deny"},
        {"name": "bad", "manifest": {"schemaVersion": 2}, "expect": "pass"},
    )
    found = blacklake("policy", "test", file)
    assert found.code == 1
    assert "✗ bad: it is expected to pass, and does not" in found.out
    assert found.out.endswith("1 of 2 cases are as expected\n")
    document = blacklake("policy", "test", file, "--output", "json").document
    assert (document["passed"], document["failed"]) == (1, 1)
    good, bad = document["cases"]
    assert (good["isAsExpected"], good["wrong"], bad["isAsExpected"]) == (True, None, False)
    assert bad["verdict"]["branch"]["passes"] is False


def test_another_policy_may_be_tried_on_the_same_cases(policy: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.yaml"
    other.write_text(policy.read_text().replace("signature:", "attestation:\n    type: spdx"))
    file = cases(
        tmp_path, {"name": "one", "manifest": {"schemaVersion": 2}, "expect": "deny", "because": "attestation"}
    )
    assert blacklake("policy", "test", file).code == 1
    assert blacklake("policy", "test", file, "--policy", other).code == 0


@pytest.mark.parametrize(
    ("case", "more", "said"),
    [
        ({"name": "a", "artifact": "nowhere:v1", "expect": "deny"}, {}, "case a: "),
        ({"name": "a", "artifact": "../../etc:v1", "expect": "deny"}, {}, "case a: "),
        ({"name": "a", "expect": "deny"}, {}, "holds no cases"),
        ({"name": "a", "manifest": {}, "expect": "deny"}, {"policy": "nowhere.yaml"}, "can't be read"),
        ({"name": "a", "manifest": {}, "expect": "deny"}, {"policy": "cases.yaml"}, "is no policy"),
        ({"name": "a", "manifest": {}, "expect": "deny"}, {"trustedRoots": {"x": "y"}}, "no trust root x"),
    ],
)
def test_cases_that_can_not_be_judged_exit_with_2(
    policy: Path, tmp_path: Path, case: dict[str, object], more: dict[str, object], said: str
) -> None:
    found = blacklake("policy", "test", cases(tmp_path, case, **more))
    assert (found.code, found.out) == (2, "")
    assert said in found.err
