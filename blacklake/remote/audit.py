"""The audit log (registry.administration_audit), by the API."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final, NamedTuple

from blacklake.remote.connection import Connection, RemoteFailed, member, path_of
from blacklake.transport import plain

_PAGE: Final = 1000  # events that the API gives at once
_TOGETHER: Final = 100  # heads that go with one request, some 40 KiB


class Pruned(NamedTuple):
    """How much was deleted."""

    batches: int
    events: int


def list_audit(
    server: Connection, *, before: int | None, limit: int, **which: Any
) -> tuple[list[dict[str, Any]], int | None]:
    """Return events that fit `which`, the newest first, and before which number the next page begins. Raise RemoteFailed."""
    waiting: list[dict[str, Any]] = []
    sealed: list[dict[str, Any]] = []
    following = before
    while len(sealed) < limit and len(waiting) < limit:
        page = server.get(
            path_of("audit", "events"),
            **_filter(which),
            before=following,
            limit=min(limit - len(sealed), _PAGE),
        )
        for event in member(page, "items"):
            (waiting if member(event, "sequence") is None else sealed).append(event)
        following = int(after) if (after := member(page, "next")) is not None else None
        if following is None:
            break
    return waiting + sealed, following


def export_audit(server: Connection, *, say: Callable[[str], None], **which: Any) -> int:
    """Tell `say` each sealed event that fits `which`, as JSON, the oldest first; return how many are not sealed yet.

    Those are counted up to a thousand. Raise RemoteFailed.
    """
    for line in server.lines(path_of("audit", "export"), **_filter(which)):
        say(line)
    newest = server.get(path_of("audit", "events"), **_filter(which), limit=_PAGE)
    return sum(member(event, "sequence") is None for event in member(newest, "items"))


def verify_audit(server: Connection, heads: Path | None, *, say: Callable[[str], None]) -> bool:
    """Verify the audit log, and that it still has the exported `heads`; return whether all is well. Raise RemoteFailed.

    A request holds a hundred heads, and the registry verifies all of the log with each.
    """
    given = _heads_in(heads) if heads is not None else []
    found: dict[str, Any] = {}
    compared = {"heads_found": 0, "heads_pruned": 0}
    told: dict[str, None] = {}
    is_intact = True
    for first in range(0, max(len(given), 1), _TOGETHER):
        found = server.post(path_of("audit", "verification"), {"heads": given[first : first + _TOGETHER]})
        is_intact &= member(found, "is_intact") is True
        for name in compared:
            compared[name] += int(member(found, name))
        for finding in member(found, "findings"):
            told.setdefault(plain(f"{member(finding, 'damage').upper():9} {member(finding, 'text')}"))
    for line in told:
        say(line)
    _sum_up(found, len(told), compared if heads is not None else None, say)
    return is_intact


def prune_audit(server: Connection, older_than: timedelta) -> Pruned:
    """Delete what was sealed longer ago than that; return how much it was. Raise RemoteFailed."""
    done = server.post(path_of("audit", "prune"), {"older_than": int(older_than.total_seconds())})
    return Pruned(int(member(done, "batches")), int(member(done, "events")))


def _sum_up(found: dict[str, Any], findings: int, compared: dict[str, int] | None, say: Callable[[str], None]) -> None:
    events, unsealed = int(member(found, "events")), int(member(found, "unsealed_events"))
    batches = f"batches {member(found, 'first_batch')} to {member(found, 'last_batch')}" if events else "no batch"
    findings = max(findings, int(member(found, "findings_total")))
    say(plain(f"{events} sealed events in {batches} were verified, with {findings} findings"))
    if compared is not None:
        say(
            f"{compared['heads_found']} exported heads are in the log;"
            f" {compared['heads_pruned']} are of batches that were pruned"
        )
    if unsealed:
        since = plain(str(member(found, "unsealed_since")))
        say(f"{unsealed} events since {since} are not sealed yet: nobody could tell if they were altered")


def _filter(which: dict[str, Any]) -> dict[str, Any]:
    return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in which.items()}


def _heads_in(path: Path) -> Sequence[dict[str, Any]]:
    """Return the heads in a file: exported objects, one a line, or lines of the server's log. Raise RemoteFailed."""
    try:
        with path.open(encoding="utf-8", errors="replace") as lines:
            found = list(_heads(path, lines))
    except OSError as error:
        raise RemoteFailed(f"{path} can't be read: {error.strerror}") from error
    if not found:
        raise RemoteFailed(
            f"{path} holds no head: those are in the server's log (“audit log sealed”), and in the bucket below audit/heads/"
        )
    return found


def _heads(path: Path, lines: Any) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(lines, 1):
        if '"signature"' not in line:
            continue
        try:
            document = json.loads(line)
            head = document if "signature" in document else document["head"]
            yield {name: head[name] for name in ("batch", "last_sequence", "head", "at", "kid", "signature")}
        except (ValueError, LookupError, TypeError):
            raise RemoteFailed(f"{path}, line {number}: this is no whole head of an audit log") from None
