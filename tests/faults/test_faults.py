"""Whatever fails between and below two nodes: nothing acknowledged is lost, nothing wrong is served, and it heals by itself."""

from __future__ import annotations

import os
import secrets
import sys
from pathlib import Path
from typing import Final

import pytest

from conformance.tools import ToolMissing, path_of
from tests.faults.kinds import KINDS
from tests.faults.report import FAULTS, faults, write_section
from tests.faults.rounds import plan, play

ROUNDS: Final = 100


@pytest.fixture(scope="module", autouse=True)
def tools() -> None:
    """Skip where programs aren't built, but not in CI."""
    try:
        for name in ("toxiproxy", "versitygw"):
            path_of(name)
    except ToolMissing as missing:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(str(missing))


def test_faults(tmp_path: Path, pytestconfig: pytest.Config, capsys: pytest.CaptureFixture[str]) -> None:
    is_long = pytestconfig.getoption("--soak", False)
    asked = pytestconfig.getoption("--soak-rounds", None)
    rounds = asked or (ROUNDS if is_long else len(KINDS))
    seed = pytestconfig.getoption("--soak-seed", None) or secrets.token_hex(4)
    is_brief = not is_long and not asked

    def say(line: str) -> None:
        with capsys.disabled():
            sys.stdout.write(f"{line}\n")
            sys.stdout.flush()

    settings = {"database_timeout": 5} if is_brief else {}
    outcome = play(tmp_path, [plan(number, seed, brief=is_brief) for number in range(rounds)], seed, say, **settings)
    for missing in outcome.missing:
        say(f"not played: {missing}")
    if is_long and rounds == ROUNDS:
        write_section(FAULTS, faults(outcome))
    assert outcome.violations == [], f"with --soak-seed {seed}"
    assert outcome.rounds == rounds or outcome.missing
