"""The options of the soak; pytest knows them when this directory is named on its command line."""

from __future__ import annotations

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("soak")
    group.addoption("--soak", action="store_true", help="run all rounds and write the outcome into docs/soak.md")
    group.addoption("--soak-rounds", type=int, default=None, help="how many rounds")
    group.addoption("--soak-seed", default=None, help="repeat the schedule of an earlier run")
