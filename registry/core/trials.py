"""What a policy would have decided of the artifacts that are or were in use. Nothing of it is kept, and nobody is refused."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

from mediatypes.digest import Digest
from registry.core.decisions import reasons
from registry.core.delegation import oversee
from registry.core.evidence import Gathered, Gathering
from registry.core.judge import Judge
from registry.core.pages import Page, after_of, place_of
from registry.core.subjects import parse_target
from registry.db import trials, trust_roots
from registry.db.pool import Connection, Database
from registry.db.trials import TriedRow
from registry.errors import IdentityRefused, PageInvalid
from signing.limits import LARGEST_POLICY
from signing.policy.verdict import Verdict

MOST: Final = 100
"""Artifacts of one page."""

_SECONDS: Final = 20.0  # after which a page ends, with what was tried until then


class Tried(NamedTuple):
    """An artifact, and whether it would have passed; `reasons` are why not."""

    repository: str
    digest: str
    tags: list[str]
    passes: bool
    reasons: list[str]


class Trials:
    """The verb of `blacklake admin policy try`."""

    def __init__(self, db: Database, gathering: Gathering, judge: Judge) -> None:
        self._db = db
        self._gathering = gathering
        self._judge = judge

    async def page(
        self, target: str, content: bytes, *, since: timedelta | None, after: str, limit: int, by: int | None
    ) -> Page[Tried]:
        """Try a policy on up to `limit` artifacts of a target that tags name, or have named `since`; None: ever.

        A page that takes long ends before it is full. Raise PolicyRefused, IdentityRefused, IdentityUnknown, DelegationDenied,
        PageInvalid, Unavailable.
        """
        where, until, limit = parse_target(target), time.monotonic() + _SECONDS, min(limit, MOST)
        if len(content) > LARGEST_POLICY:
            raise IdentityRefused(f"the policy has {len(content)} bytes; {LARGEST_POLICY} are the most")
        place = _place(after)
        begin = datetime.now(UTC) - since if since is not None else None

        async def find(conn: Connection) -> tuple[list[TriedRow], dict[str, bytes]]:
            await oversee(conn, where.organisation, by=by)
            rows = await trials.page(conn, (where.path, where.is_prefix), since=begin, after=place, limit=limit + 1)
            return rows, await trust_roots.contents(conn, where.organisation)

        rows, roots = await self._db.read("find_tried", find)
        await self._judge.read_policy(content)
        found: list[Tried] = []
        for number, row in enumerate(rows, 1):
            verdict = await self._verdict(row, content, roots)
            if verdict is not None:
                found.append(_tried(row, verdict))
            if number < len(rows) and (number == limit or time.monotonic() > until):
                return Page(found, after_of(row.repository, row.digest.hex()))
        return Page(found, None)

    async def _verdict(self, row: TriedRow, content: bytes, roots: Mapping[str, bytes]) -> Verdict | None:
        """Return what the policy says of a manifest, if need be with an index that contains it; None where it is gone."""
        digest = Digest.from_bytes(row.digest)
        gathered = await self._gathering.of(row.repository_id, digest)
        if gathered is None:
            return None
        own = await self._judged(content, roots, gathered)
        if own.passes:
            return own
        for container, _ in await self._gathering.indexes(row.repository_id, digest):
            index = await self._gathering.of(row.repository_id, container)
            if index is None:
                continue
            other = await self._judged(content, roots, gathered, index)
            if other.passes:
                return other
        return own

    async def _judged(
        self, content: bytes, roots: Mapping[str, bytes], gathered: Gathered, index: Gathered | None = None
    ) -> Verdict:
        (verdict,) = await self._judge.verdicts(
            [(None, content)],
            roots,
            gathered.evidence,
            now=(index or gathered).now,
            index=index.evidence if index is not None else None,
        )
        return verdict


def _tried(row: TriedRow, verdict: Verdict) -> Tried:
    digest = str(Digest.from_bytes(row.digest))
    return Tried(row.repository, digest, row.tags, verdict.passes, [] if verdict.passes else reasons(verdict))


def _place(after: str) -> tuple[str, bytes]:
    if not after:
        return "", b""
    name, digest = place_of(after, tuple[str, str])
    try:
        return name.replace("\0", ""), bytes.fromhex(digest)
    except ValueError:
        raise PageInvalid("after", after, "is no place in this list") from None
