"""Whatever is killed, and whenever: what was acknowledged is served, nothing else is, and nothing is left over."""

from __future__ import annotations

import secrets
import sys
from pathlib import Path
from typing import Final

import pytest

from tests.faults.report import KILLS, kills, write_section
from tests.faults.soak import VICTIMS, soak

ROUNDS: Final = 300


def test_kills(tmp_path: Path, pytestconfig: pytest.Config, capsys: pytest.CaptureFixture[str]) -> None:
    is_long = pytestconfig.getoption("--soak", False)
    rounds = pytestconfig.getoption("--soak-rounds", None) or (ROUNDS if is_long else len(VICTIMS))
    seed = pytestconfig.getoption("--soak-seed", None) or secrets.token_hex(4)

    def say(line: str) -> None:
        with capsys.disabled():
            sys.stdout.write(f"{line}\n")
            sys.stdout.flush()

    outcome = soak(tmp_path, rounds, seed, say)
    if is_long and rounds == ROUNDS:
        write_section(KILLS, kills(outcome))
    assert outcome.violations == [], f"with --soak-seed {seed}"
    assert outcome.rounds == rounds
