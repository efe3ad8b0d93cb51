"""Walks over the artifacts of a target's repositories, a page at a time, so that no request does work without bounds."""

from __future__ import annotations

import functools
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Final, Protocol

from mediatypes.names import RepositoryName
from registry.core.pages import after_of, place_of
from registry.core.subjects import Target
from registry.db import repositories
from registry.db.pool import Connection, Database
from registry.errors import NameUnknown

_ARTIFACTS: Final = 200  # of a page
_LOCKED: Final = 50  # of those, in one transaction: others wait for it
_REPOSITORIES: Final = 100  # likewise


class Step(Protocol):
    """What is done, in a transaction."""

    def __call__(
        self, conn: Connection, *, repository_id: int, after: bytes, limit: int
    ) -> Awaitable[tuple[list[bytes], int]]:
        """Do it with up to `limit` artifacts of a repository behind a digest; return these in order, and how many count."""


@dataclass(frozen=True, slots=True)
class Counted:
    """With how many artifacts of a page something was done, and the key after which the next page begins; None: the last."""

    artifacts: int
    next_after: str | None


async def walk(
    db: Database, target: Target, after: str | None, step: Step, *, name: str, is_named: bool = False
) -> Counted:
    """Walk over a page, in transactions of a name. Raise PageInvalid, and NameUnknown where a repository `is_named` in vain."""
    found = await db.read(
        "find_repositories", lambda conn: repositories.matching(conn, target.path, is_prefix=target.is_prefix)
    )
    if is_named and not found:
        raise NameUnknown(RepositoryName(target.path))
    first, behind = place_of(after, tuple[int, bytes]) if after is not None else (0, b"")
    left, done = _ARTIFACTS, 0
    visited = 0
    for repository_id in found:
        if repository_id < first:
            continue
        if repository_id != first:
            behind = b""
        if left == 0 or visited == _REPOSITORIES:
            return Counted(done, after_of(repository_id, behind))
        visited += 1
        while left:
            limit = min(left, _LOCKED)
            page, count = await db.transaction(
                name, functools.partial(step, repository_id=repository_id, after=behind, limit=limit)
            )
            done += count
            left -= len(page)
            if len(page) < limit:
                break
            behind = page[-1]
        else:
            return Counted(done, after_of(repository_id, behind))
    return Counted(done, None)
