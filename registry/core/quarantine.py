"""Quarantine: artifacts in which something was found that is as bad as their repository's level, or worse.

An administrator releases one, with a reason: it stays released as long as nothing is found that he did not know.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any, Final

from mediatypes.digest import Digest
from mediatypes.names import RepositoryName
from registry.core.access import EVERYONE, Caller, reach_of
from registry.core.audit import Action, Actor, Event, record, target_of
from registry.core.pages import Page, page_of
from registry.core.subjects import Target, parse_target, target_at
from registry.core.target_pages import Counted, walk
from registry.db import evidence, quarantines, references, scans
from registry.db.pool import Connection, Database
from registry.db.quarantines import ListedRow
from registry.db.scans import ScanRow
from registry.errors import ManifestUnknown, NotQuarantined
from registry.scanners.base import SEVERITIES

LONGEST_REASON: Final = 1000
"""Characters of the reason of a release."""


class Quarantine:
    """The verbs of who decides, releases and looks."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def decide(self, text: str, level: str | None, *, actor: Actor) -> None:
        """Decide from which severity on a target's artifacts are put into quarantine, None: never.

        It holds for what is scanned from now on, and, by `judge`, for what was. Targets are as for grants, and the most
        specific decision holds. Raise IdentityRefused.
        """
        target = parse_target(text)

        async def write(conn: Connection) -> None:
            await quarantines.decide(conn, target.path, is_prefix=target.is_prefix, level=level)
            await record(conn, Event(actor, Action.QUARANTINE_DECIDE, str(target), detail={"level": level or "never"}))

        await self._db.transaction("decide_quarantine", write)

    async def judge(self, target: Target, after: str | None = None) -> Counted:
        """Judge a page of a target's scanned artifacts by what is decided now, and count those for which that changes anything.

        Raise PageInvalid.
        """
        return await walk(self._db, target, after, _judge_page, name="judge_quarantines")

    async def levels(self) -> list[tuple[str, str | None, Any]]:
        """Return all that was decided: target, level, and when."""
        rows = await self._db.read("list_quarantine_levels", quarantines.levels)
        return [(str(target_at(row.target, is_prefix=row.is_prefix)), row.level, row.decided_at) for row in rows]

    async def release(self, name: RepositoryName, digest: Digest, reason: str, *, actor: Actor) -> None:
        """Let an artifact out, with all that is found in it now. Raise ManifestUnknown, NotQuarantined."""

        async def write(conn: Connection) -> None:
            row = await references.find(conn, name, digest, reach=reach_of(EVERYONE))
            if row is None:
                raise ManifestUnknown(name, str(digest))
            await scans.hold(conn, repository_id=row.repository_id, digest=row.digest)
            found = await quarantines.find(conn, repository_id=row.repository_id, digest=row.digest)
            if found is None or found.released_at is not None:
                raise NotQuarantined(name, str(digest))
            known = _identities(await scans.of(conn, repository_id=row.repository_id, digest=row.digest), 0)
            await quarantines.release(
                conn, actor.principal, reason, sorted(known), repository_id=row.repository_id, digest=row.digest
            )
            await evidence.raise_for(conn, [row.digest], repository_id=row.repository_id)
            await record(
                conn, Event(actor, Action.QUARANTINE_RELEASE, target_of(name, digest), detail={"reason": reason})
            )

        await self._db.transaction("release_quarantine", write)

    async def page(
        self, *, before: int | None, limit: int, repository: RepositoryName | None = None, caller: Caller = EVERYONE
    ) -> Page[ListedRow]:
        """Return up to `limit` artifacts in quarantine or released from it, which the caller may pull, the newest first."""
        found = await self._db.read(
            "list_quarantines",
            lambda conn: quarantines.page(
                conn, before=before, repository=repository, limit=limit + 1, reach=reach_of(caller)
            ),
        )
        return page_of(found, limit, key=lambda row: str(row.id))


async def _judge_page(conn: Connection, *, repository_id: int, after: bytes, limit: int) -> tuple[list[bytes], int]:
    found = await quarantines.scanned(conn, repository_id=repository_id, after=after, limit=limit)
    # Of all, since policies are told where there is a level that one is clean; and first, so that each stays as it is read.
    await evidence.raise_for(conn, found, repository_id=repository_id)
    changed = [one for one in found if await judge(conn, repository_id=repository_id, digest=one)]
    return found, len(changed)


async def judge(conn: Connection, *, repository_id: int, digest: bytes) -> bool:
    """Put an artifact into quarantine, or let go of it, by what scanners say now; return whether that has changed."""
    level = await quarantines.level(conn, repository_id=repository_id)
    before = await quarantines.find(conn, repository_id=repository_id, digest=digest)
    rows = await scans.of(conn, repository_id=repository_id, digest=digest)
    worst = worst_from(level, rows) if level is not None else None
    if level is None or worst is None:
        # Who is down or has failed has not taken back what he had found.
        if before is None or (level is not None and any(row.state in ("down", "failed", "pending") for row in rows)):
            return False
        await quarantines.remove(conn, repository_id=repository_id, digest=digest)
        return True
    if before is not None and before.released_at is not None:
        if _identities(rows, SEVERITIES.index(level)) <= set(before.known):
            return False
    elif before is not None and before.worst == worst:
        return False
    await quarantines.put(conn, worst, repository_id=repository_id, digest=digest)
    return True


def worst_from(level: str, rows: Sequence[ScanRow]) -> str | None:
    """Return the worst severity that was found, where it is as bad as a level or worse."""
    worst = max((row.worst for row in rows if row.worst is not None), key=SEVERITIES.index, default=None)
    return worst if worst is not None and SEVERITIES.index(worst) >= SEVERITIES.index(level) else None


def _identities(rows: list[ScanRow], least: int) -> set[bytes]:
    """Return what distinguishes findings from one another, of a severity or worse ones."""
    return {
        hashlib.sha256(
            "\0".join((row.scanner, one["severity"], one["rule"], one["path"], one["message"])).encode()
        ).digest()
        for row in rows
        for one in row.findings
        if SEVERITIES.index(one["severity"]) >= least
    }
