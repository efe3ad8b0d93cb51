"""Promotions: what became of stages. The states of a stage are a tree, and its newest row says in which of them it is."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final, NamedTuple

from mediatypes.digest import Digest
from mediatypes.names import Tag
from registry.db.pool import Connection
from registry.db.reaching import Reach, seen


class StageKey(NamedTuple):
    """A stage of a repository, and its tag, in the repository `place_id`."""

    repository_id: int
    stage: str
    place_id: int
    tag: Tag


class State(NamedTuple):
    """A state of a stage: its row, and which manifest the stage named there."""

    id: int
    digest: Digest


class NewPromotion(NamedTuple):
    """What is kept of a promotion.

    `state` is the one that a rollback or a roll-forward goes to; `parent` that which was before.
    `before` is what the tag named, None where that was nothing.
    """

    kind: str
    digest: Digest
    before: Digest | None
    state: int | None
    parent: int | None
    reason: str
    is_forced: bool
    by: str


class PromotionRow(NamedTuple):
    """A promotion as lists tell it; `digest` and `before` as Digest.to_bytes."""

    id: int
    stage: str
    repository: str
    tag: str
    kind: str
    digest: bytes
    before: bytes | None
    reason: str
    is_forced: bool
    promoted_by: str
    promoted_at: datetime


_KEY: Final = "repository_id = $1 AND stage = $2 AND place_id = $3 AND tag = $4"
_LOCK: Final = "SELECT id FROM repositories WHERE id = $1 FOR NO KEY UPDATE"
_NAMED: Final = "SELECT digest FROM tags WHERE repository_id = $1 AND name = $2"
_STATE: Final = f"""
SELECT s.id, s.digest FROM (
    SELECT coalesce(state, id) AS state FROM promotions WHERE {_KEY} ORDER BY id DESC LIMIT 1
) newest JOIN promotions s ON s.id = newest.state
"""
# Each state's parent is older: the way ends.
_ANCESTOR: Final = """
WITH RECURSIVE way AS (
    SELECT id, digest, parent, 0 AS steps FROM promotions WHERE id = $1
    UNION ALL
    SELECT p.id, p.digest, p.parent, way.steps + 1 FROM way JOIN promotions p ON p.id = way.parent WHERE way.steps < $2
)
SELECT id, digest FROM way WHERE steps = $2
"""
# Of the states that came after one, the newest: what a rollback has left.
_DESCENDANT: Final = """
WITH RECURSIVE way AS (
    SELECT id, digest, 0 AS steps FROM promotions WHERE id = $1
    UNION ALL
    SELECT p.id, p.digest, way.steps + 1 FROM way, LATERAL (
        SELECT id, digest FROM promotions WHERE parent = way.id AND state IS NULL ORDER BY id DESC LIMIT 1
    ) p WHERE way.steps < $2
)
SELECT id, digest FROM way WHERE steps = $2
"""
_ADD: Final = """
INSERT INTO promotions
    (repository_id, stage, place_id, tag, kind, digest, before, state, parent, reason, is_forced, promoted_by)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) RETURNING id
"""
_WAS_PROMOTED: Final = """
SELECT EXISTS (SELECT FROM promotions WHERE repository_id = $1 AND digest = $2 AND stage = $3)
"""
_WAS_NAMED: Final = """
SELECT EXISTS (SELECT FROM tags WHERE repository_id = $1 AND name = $2 AND digest = $3)
    OR EXISTS (SELECT FROM tag_moves WHERE repository_id = $1 AND tag = $2 AND after = $3)
"""
_PAGE: Final = f"""
SELECT p.id, p.stage, r.name, p.tag, p.kind, p.digest, p.before, p.reason, p.is_forced, p.promoted_by, p.promoted_at
FROM promotions p JOIN repositories r ON r.id = p.place_id
WHERE p.repository_id = $4 AND p.id < $5 AND ($6::text IS NULL OR p.stage = $6) AND {seen("r.name")}
ORDER BY p.id DESC LIMIT $7
"""


async def lock(conn: Connection, repository_id: int) -> None:
    """Let nobody else promote into a repository until the transaction ends; pushes go on."""
    await conn.execute(_LOCK, repository_id)


async def named(conn: Connection, tag: str, *, repository_id: int) -> Digest | None:
    """Return what a tag names, None where that is nothing."""
    packed = await conn.fetchval(_NAMED, repository_id, tag)
    return Digest.from_bytes(packed) if packed is not None else None


async def state(conn: Connection, key: StageKey) -> State | None:
    """Return the state in which a stage is; None where nothing was promoted into it."""
    return _state(await conn.fetchrow(_STATE, *key))


async def ancestor(conn: Connection, state_id: int, steps: int) -> State | None:
    """Return the state that was so many steps before another one; None where there is none."""
    return _state(await conn.fetchrow(_ANCESTOR, state_id, steps))


async def descendant(conn: Connection, state_id: int, steps: int) -> State | None:
    """Return the state that came so many steps after another one, each time the newest; None where there is none."""
    return _state(await conn.fetchrow(_DESCENDANT, state_id, steps))


async def add(conn: Connection, key: StageKey, new: NewPromotion) -> int:
    """Keep a promotion; return its number."""
    before = new.before.to_bytes() if new.before is not None else None
    made: int = await conn.fetchval(
        _ADD,
        *key,
        new.kind,
        new.digest.to_bytes(),
        before,
        new.state,
        new.parent,
        new.reason,
        new.is_forced,
        new.by,
    )
    return made


async def was_promoted(conn: Connection, digest: Digest, stage: str, *, repository_id: int) -> bool:
    """Say whether a manifest of a repository was promoted into a stage, whatever its tag was."""
    return bool(await conn.fetchval(_WAS_PROMOTED, repository_id, digest.to_bytes(), stage))


async def was_named(conn: Connection, digest: Digest, tag: str, *, repository_id: int) -> bool:
    """Say whether a tag names a manifest, or did."""
    return bool(await conn.fetchval(_WAS_NAMED, repository_id, tag, digest.to_bytes()))


async def page(
    conn: Connection, *, repository_id: int, stage: str | None, before: int, limit: int, reach: Reach
) -> list[PromotionRow]:
    """Return up to `limit` promotions of a repository, the newest first, those before `before`; of where one may pull from."""
    rows = await conn.fetch(_PAGE, *reach, repository_id, before, stage, limit)
    return [PromotionRow(*row) for row in rows]


def _state(row: Any) -> State | None:
    return State(row[0], Digest.from_bytes(row[1])) if row is not None else None
