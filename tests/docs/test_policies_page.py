"""The page about policies: its examples are policies and cases, and what it says of them is so."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from signing.limits import LARGEST_POLICY
from signing.policy.checking import schema
from signing.policy.conditions import MOST_COST, VARIABLES
from signing.policy.document import read_policy
from signing.policy.predicates import SHORT
from signing.policy.problems import MOST
from signing.policy.testing import read_cases, run
from tests.docs.commands import ROOT, blocks

PAGE = ROOT / "docs" / "policies.md"
POLICIES = [read_policy(block.text.encode()) for block in blocks("yaml policy", [PAGE])]


def test_every_example_is_a_policy() -> None:
    assert [policy.name for policy in POLICIES] == ["production", "not-recalled", "no-critical-findings", "models"]


def test_the_cases_are_as_expected() -> None:
    (block,) = blocks("yaml cases", [PAGE])
    read = read_cases(block.text.encode())
    (policy,) = (policy for policy in POLICIES if f"{policy.name}.yaml" == read.policy)
    wrong = {case.name: run(case, policy, {}, None, now=datetime.now(UTC)).wrong for case in read.cases}
    assert wrong == dict.fromkeys(wrong)
    assert len(wrong) == 3


def test_every_member_is_told() -> None:
    text = PAGE.read_text()
    requirements = text.partition("## Requirements")[2].partition("## ")[0]
    first = {
        word for line in requirements.splitlines() if line.startswith("| `") for word in re.findall(r"`(\w+)", line)
    }
    assert set(schema("policy")["$defs"]["requirement"]["properties"]) <= first
    members = {name for one in schema("policy")["$defs"].values() for name in one.get("properties", ())}
    missing = {name for name in members | set(schema("cases")["$defs"]["case"]["properties"]) if name not in text}
    assert missing == set()
    conditions = text.partition("## Conditions")[2].partition("## ")[0]
    assert all(f"`{name}`" in conditions for name in VARIABLES)


def test_the_page_says_the_bounds_and_words_that_there_are() -> None:
    text = " ".join(PAGE.read_text().split())
    assert f"up to {LARGEST_POLICY >> 10} KiB" in text
    assert f"of up to {MOST} problems" in text
    assert f"more than {MOST_COST:,} steps" in text
    words = set(SHORT) - {"slsaprovenance02", "slsaprovenance1"}  # told as `…02` and `…1`
    assert all(f"`{word}`" in text for word in words)
