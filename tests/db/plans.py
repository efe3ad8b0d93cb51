"""Plans of PostgreSQL's, as EXPLAIN (FORMAT JSON) tells them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


def steps(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the steps of a plan."""
    yield plan
    for inner in plan.get("Plans", []):
        yield from steps(inner)


def looked_at(step: dict[str, Any]) -> float:
    """Return how many rows a step that was carried out has looked at."""
    rows: float = (step["Actual Rows"] + step.get("Rows Removed by Filter", 0)) * step["Actual Loops"]
    return rows
