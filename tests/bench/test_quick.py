"""Benchmarks run: a smoke run of each that needs no other server. What they measure is told by `make bench`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "benchmarks.md"


@pytest.mark.parametrize(
    ("command", "rows"),
    [
        ("validation", ["| nothing bound", "| annotations (", "| annotations and config ("]),
        ("descriptions", ["| pushed, background work off", "| described, "]),
        ("search", ["| items  | admin", "| facets | anonymous", "The plans of the slowest:", "Execution Time: "]),
    ],
)
def test_a_smoke_run_tells_its_figures_and_writes_nothing(command: str, rows: list[str]) -> None:
    before = PAGE.read_bytes()
    run = [sys.executable, "-m", "bench", "--quick", command]
    done = subprocess.run(run, cwd=PAGE.parents[1], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert [row for row in rows if row not in done.stdout] == []
    assert PAGE.read_bytes() == before
