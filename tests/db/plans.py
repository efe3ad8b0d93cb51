"""PostgreSQL's plans, as EXPLAIN (FORMAT JSON) tells them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the nodes of a plan."""
    yield plan
    for inner in plan.get("Plans", []):
        yield from nodes(inner)


def rows_read(node: dict[str, Any]) -> float:
    """Return how many rows a node that was carried out has looked at."""
    rows: float = (node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"]
    return rows
