"""The outcome of a soak, as the last section of docs/soak.md."""

from __future__ import annotations

import datetime
import os
import platform
from pathlib import Path
from typing import Final

from tests.faults.soak import VICTIMS, Outcome

PAGE: Final = Path(__file__).parents[2] / "docs" / "soak.md"
_HEADING: Final = "## The last outcome\n"


def write_outcome(outcome: Outcome, page: Path = PAGE) -> None:
    """Replace the page's last section."""
    kept = page.read_text(encoding="utf-8").partition(_HEADING)[0]
    page.write_text(f"{kept}{_HEADING}\n{rendered(outcome)}", encoding="utf-8")


def rendered(outcome: Outcome) -> str:
    """Return the table, and the violations below it."""
    rows = [
        ("Date", f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d %H:%M} UTC"),
        ("Machine", f"{os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}"),
        ("Seed", f"`{outcome.seed}`"),
        (
            "Rounds",
            f"{outcome.rounds} in {outcome.seconds / 60:.0f} minutes, on {outcome.directories} data directories",
        ),
        *((f"`kill -9` of {victim}", str(outcome.kills[victim])) for victim in VICTIMS),
        ("Acknowledged changes", str(outcome.acknowledged)),
        ("Operations answered with 503", str(outcome.unavailable)),
        ("Connections that broke before an answer", str(outcome.broken)),
        ("Violations", str(len(outcome.violations))),
    ]
    table = ["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows)]
    found = [f"\n```\n{violation[:500]}\n```" for violation in outcome.violations[:20]]
    return "\n".join([*table, *found, ""])
