"""The outcomes of the soak, as the last sections of docs/soak.md."""

from __future__ import annotations

import datetime
import os
import platform
import statistics
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from tests.faults import rounds, soak

PAGE: Final = Path(__file__).parents[2] / "docs" / "soak.md"
KILLS: Final = "## The last outcome of the kills"
FAULTS: Final = "## The last outcome of the faults"


def write_section(heading: str, text: str, page: Path = PAGE) -> None:
    """Replace what stands below a heading of the page, up to the next one."""
    before, _, rest = page.read_text(encoding="utf-8").partition(f"{heading}\n")
    _, found, after = rest.partition("\n## ")
    page.write_text(f"{before}{heading}\n\n{text}{found}{after}", encoding="utf-8")


def kills(outcome: soak.Outcome) -> str:
    """Return the table, and the violations below it."""
    rows = [
        *_circumstances(outcome.seed),
        (
            "Rounds",
            f"{outcome.rounds} in {outcome.seconds / 60:.0f} minutes, on {outcome.directories} data directories",
        ),
        *((f"`kill -9` of {victim}", str(outcome.kills[victim])) for victim in soak.VICTIMS),
        *_counts(outcome),
    ]
    return _page(_table(("", ""), rows), outcome.violations)


def faults(outcome: rounds.Outcome) -> str:
    """Return two tables, what could not be played, and the violations below them."""
    all_of_it = [seconds for found in outcome.recoveries.values() for seconds in found]
    rows = [
        *_circumstances(outcome.seed),
        (
            "Rounds",
            f"{outcome.rounds} in {outcome.seconds / 60:.0f} minutes, on {outcome.installations} installations",
        ),
        *((f"Not played: {missing}", "") for missing in outcome.missing),
        *_counts(outcome),
    ]
    recoveries = [
        (kind, str(len(found)), f"{statistics.median(found):.1f} s", f"{max(found):.1f} s")
        for kind, found in [*outcome.recoveries.items(), ("all", all_of_it)]
        if found
    ]
    return _page(
        [
            *_table(("", ""), rows),
            "",
            *_table(("What failed", "Rounds", "Everything worked again after (median)", "at worst"), recoveries),
        ],
        outcome.violations,
    )


def _circumstances(seed: str) -> list[tuple[str, str]]:
    return [
        ("Date", f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d %H:%M} UTC"),
        ("Machine", f"{os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}"),
        ("Seed", f"`{seed}`"),
    ]


def _counts(outcome: soak.Outcome | rounds.Outcome) -> list[tuple[str, str]]:
    return [
        ("Acknowledged changes", str(outcome.acknowledged)),
        ("Operations answered with 503", str(outcome.unavailable)),
        ("Connections that broke before an answer", str(outcome.broken)),
        ("Violations", str(len(outcome.violations))),
    ]


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    return [f"| {' | '.join(row)} |" for row in (heads, ["---"] * len(heads), *rows)]


def _page(lines: Sequence[str], violations: Sequence[str]) -> str:
    found = [f"\n```\n{violation[:500]}\n```" for violation in violations[:20]]
    return "\n".join([*lines, *found, ""])
