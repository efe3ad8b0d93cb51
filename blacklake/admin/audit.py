"""`blacklake admin audit`."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from cyclopts import App, Parameter

from blacklake.admin.door import Where, opened
from blacklake.admin.words import Json, duration
from blacklake.settings import USAGE, Refused

audit = App(name="audit", help="The log of who did what.")

_LONGEST_PAGE: Final = 10_000
# Also JSON without spaces, which what is recorded as detail is.
_PLAIN: Final = re.compile(r"[!#-~][!-~]*", re.ASCII)


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Which:
    """Which events; all that fit everything that is given."""

    principal: Annotated[str | None, Parameter(help="Who did it, such as alice or local:root.")] = None
    action: Annotated[str | None, Parameter(help="What was done, such as grant.add.")] = None
    target: Annotated[str | None, Parameter(help="What the target's name begins with.")] = None
    outcome: Annotated[Literal["done", "denied", "failed"] | None, Parameter(help="What came of it.")] = None
    since: Annotated[datetime | None, Parameter(help="From when on, in UTC unless it says otherwise.")] = None
    until: Annotated[datetime | None, Parameter(help="Before when.")] = None

    @property
    def filter(self) -> dict[str, Any]:
        """What is asked for, by name; a time that doesn't say where it is meant is in UTC."""
        return {
            name: value.replace(tzinfo=UTC) if isinstance(value, datetime) and value.tzinfo is None else value
            for name, value in vars(self).items()
        }


@audit.command(name="list")
def list_audit(
    *,
    which: Which | None = None,
    limit: Annotated[int, Parameter(help="Events of a page.")] = 100,
    before: Annotated[
        int | None, Parameter(help="Only events that were numbered below, or what the page before said.")
    ] = None,
    as_json: Json = False,
    where: Where | None = None,
) -> None:
    """List events, the newest first; those without a number are not sealed yet."""
    if not 1 <= limit <= _LONGEST_PAGE:
        raise Refused(f"a page has 1 to {_LONGEST_PAGE} events", USAGE)
    which = which or Which()
    with opened(where) as door:
        events, following = door.list_audit(**which.filter, before=before, limit=limit)
        for event in events:
            print(json.dumps(event, separators=(",", ":")) if as_json else line_of(event))
    if following is not None:
        print(f"more: --before {following}", file=sys.stderr)


@audit.command(name="export")
def export_audit(*, which: Which | None = None, where: Where | None = None) -> None:
    """Print the sealed events as JSON, one a line, the oldest first."""
    which = which or Which()
    with opened(where) as door:
        unsealed = door.export_audit(**which.filter, say=print)
    if unsealed:
        print(f"{unsealed} events are not sealed yet, and were left out", file=sys.stderr)


@audit.command(name="verify")
def verify_audit(
    *,
    head: Annotated[
        Path | None, Parameter(help="File with heads that were exported: the server's log will do.")
    ] = None,
    where: Where | None = None,
) -> int:
    """Verify that no event was altered, dropped or inserted; with --head, that none of the newest is missing either."""
    with opened(where) as door:
        return 0 if door.verify_audit(head, say=print) else 1


@audit.command(name="prune")
def prune_audit(
    *,
    older_than: Annotated[str, Parameter(help="How long ago they were sealed: 400d.")],
    where: Where | None = None,
) -> None:
    """Delete old events. What remains still verifies."""
    age = duration(older_than)
    with opened(where) as door:
        pruned = door.prune_audit(age)
    print(f"{pruned.events} events in {pruned.batches} batches were deleted")


def line_of(event: Mapping[str, Any]) -> str:
    """Return an event as a line for people. What is no plain word in it stands in quotes, as in JSON."""
    number = "-" if event["sequence"] is None else str(event["sequence"])
    detail = event["detail"]
    words = (
        *(event[name] for name in ("principal", "action", "target", "outcome")),
        event["address"] or "-",
        detail if isinstance(detail, str) else json.dumps(detail, separators=(",", ":"), sort_keys=True),
    )
    return f"{number:>8}  {_shown(event['at'])}  {'  '.join(map(_shown, words))}"


def _shown(word: str) -> str:
    return word if _PLAIN.fullmatch(word) else json.dumps(word)
