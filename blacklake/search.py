"""`blacklake search`: artifacts by what they are, asked of a running registry (docs/search.md)."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Annotated, Any, Final

from cyclopts import Parameter

from blacklake.admin.tables import show
from blacklake.admin.words import Json
from blacklake.references import ConnectionOptions, connecting
from blacklake.settings import USAGE, Refused

_COLUMNS: Final = ("repository", "tags", "kind", "format", "parameters", "precision", "license", "size", "pushed")
_LONGEST: Final = 1000
_UNITS: Final = ("", "k", "M", "B", "T")
_BYTES: Final = ("B", "kB", "MB", "GB", "TB", "PB")


def search(
    query: Annotated[
        str, Parameter(allow_leading_hyphen=True, help="What to look for, such as 'license:mit params:<8B'.")
    ],
    *,
    limit: Annotated[int, Parameter(help="Artifacts to list, at most.")] = 20,
    as_json: Json = False,
    options: ConnectionOptions | None = None,
) -> None:
    """List artifacts: the newest first, or the best where the query has words. Log in by `blacklake login`."""
    if not 1 <= limit <= _LONGEST:
        raise Refused(f"a list has 1 to {_LONGEST} artifacts", USAGE)
    if options is None or options.server is None:
        raise Refused("no registry is named: say --server URL", USAGE)
    with connecting(options.server, options) as connection:
        from blacklake.remote.connection import member

        page = connection.get("/api/v1/artifacts", q=query, limit=limit)
        items, following = member(page, "items"), member(page, "next")
        show(items if as_json else map(_row, items), _COLUMNS, as_json=as_json)
    if following is not None:
        print(f"there are more than these {limit}: say more in the query, or --limit", file=sys.stderr)


def _row(item: Mapping[str, Any]) -> dict[str, Any]:
    """Return an artifact as the table shows it. `format` is that of its weights, where it has such."""
    known = item["metadata"]
    return {
        "repository": item["repository"],
        "tags": item["tags"],
        "kind": item["kind"],
        "format": known.get("format") or item["format"],
        "parameters": _short(known.get("parameters"), _UNITS),
        "precision": known.get("precision"),
        "license": known.get("licenses"),
        "size": _short(item["size"], _BYTES),
        "pushed": item["pushed_at"][:10],
    }


def _short(number: float | None, units: tuple[str, ...]) -> str | None:
    """Return a number by three digits and a unit."""
    if number is None:
        return None
    power = 0
    while number >= 999.5 and power < len(units) - 1:
        number, power = number / 1000, power + 1
    return f"{number:.3g}{units[power]}"
