"""Policies: what is asked of artifacts, where, in which versions. None of these ever changes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final, NamedTuple

from registry.db.pool import Connection


class PolicyKey(NamedTuple):
    """Which policy: its name on a target, which is as of grants."""

    target: str
    is_prefix: bool
    name: str


class Scope(NamedTuple):
    """When a policy decides: on pulls, on moves of tags, and of those only of tags that a pattern fits; none: of all."""

    on_pull: bool
    on_tag: bool
    tags: tuple[str, ...] = ()


class PolicyRow(NamedTuple):
    """The version of a policy that counts."""

    id: int
    target: str
    is_prefix: bool
    name: str
    version: int
    mode: str
    on_pull: bool
    on_tag: bool
    tags: list[str]


class VersionRow(NamedTuple):
    """A version of a policy; `content` is None of the one that removed it."""

    version: int
    content: bytes | None
    mode: str
    on_pull: bool
    on_tag: bool
    tags: list[str]
    created_at: datetime
    created_by: str


class ListedPolicyRow(NamedTuple):
    """The version of a policy that counts, as lists tell it."""

    target: str
    is_prefix: bool
    name: str
    version: int
    mode: str
    on_pull: bool
    on_tag: bool
    tags: list[str]
    created_at: datetime
    created_by: str


class StandingPolicies(NamedTuple):
    """The policies of an organisation that count, and while which epoch they do; 0: there are none, and it stays so while."""

    epoch: int
    policies: list[PolicyRow]


_SET: Final = """
WITH policy AS (
    INSERT INTO policies AS p (organisation_id, target, is_prefix, name, version, is_removed)
    VALUES ($1, $2, $3, $4, 1, $5::bytea IS NULL)
    ON CONFLICT (organisation_id, target, is_prefix, name) DO UPDATE
    SET version = p.version + 1, is_removed = excluded.is_removed
    RETURNING id, version
)
INSERT INTO policy_versions (policy_id, version, content, mode, on_pull, on_tag, tags, created_by)
SELECT id, version, $5, $6, $7, $8, $9::text[], $10 FROM policy RETURNING version
"""
_RAISE: Final = """
UPDATE organisations SET policy_epoch = CASE
    WHEN EXISTS (SELECT FROM policies WHERE organisation_id = $1 AND NOT is_removed) THEN nextval('policy_epochs') ELSE 0 END
WHERE id = $1
"""
_COUNT: Final = "SELECT count(*) FROM policies WHERE organisation_id = $1 AND NOT is_removed"
_VERSION: Final = "v.version, v.content, v.mode, v.on_pull, v.on_tag, v.tags, v.created_at, v.created_by"
_OF_KEY: Final = """
FROM policies p JOIN policy_versions v ON v.policy_id = p.id
WHERE p.organisation_id = $1 AND p.target = $2 AND p.is_prefix = $3 AND p.name = $4
"""
_FIND: Final = f"SELECT {_VERSION} {_OF_KEY} AND v.version = coalesce($5::integer, p.version)"
_HISTORY: Final = f"SELECT {_VERSION} {_OF_KEY} ORDER BY v.version DESC LIMIT $5"
_LISTED: Final = """
SELECT p.target, p.is_prefix, p.name, v.version, v.mode, v.on_pull, v.on_tag, v.tags, v.created_at, v.created_by
FROM policies p JOIN policy_versions v ON v.policy_id = p.id AND v.version = p.version
WHERE p.organisation_id = $1 AND NOT p.is_removed
ORDER BY p.target, p.is_prefix, p.name
"""
# Of one organisation all, since they are few: which of them cover a repository is found out without asking again.
_STANDING: Final = """
SELECT o.policy_epoch, p.id, p.target, p.is_prefix, p.name, p.version, p.mode, p.on_pull, p.on_tag, p.tags
FROM organisations o LEFT JOIN LATERAL (
    SELECT p.id, p.target, p.is_prefix, p.name, p.version, v.mode, v.on_pull, v.on_tag, v.tags
    FROM policies p JOIN policy_versions v ON v.policy_id = p.id AND v.version = p.version
    WHERE p.organisation_id = o.id AND NOT p.is_removed
) p ON o.policy_epoch > 0
WHERE o.name = $1
ORDER BY p.target, p.is_prefix, p.name
"""
_CONTENTS: Final = """
SELECT v.policy_id, v.content
FROM unnest($1::bigint[], $2::integer[]) AS wanted(id, version)
JOIN policy_versions v ON v.policy_id = wanted.id AND v.version = wanted.version
WHERE v.content IS NOT NULL
"""
_EPOCH: Final = "SELECT policy_epoch FROM organisations WHERE name = $1"


async def put(
    conn: Connection,
    key: PolicyKey,
    content: bytes | None,
    *,
    mode: str,
    scope: Scope,
    organisation_id: int,
    created_by: str,
) -> int:
    """Add a version of a policy, which counts from now on, and return its number; without content the policy is removed."""
    number: int = await conn.fetchval(
        _SET, organisation_id, *key, content, mode, scope.on_pull, scope.on_tag, list(scope.tags), created_by
    )
    await raise_epoch(conn, organisation_id=organisation_id)
    return number


async def raise_epoch(conn: Connection, *, organisation_id: int) -> None:
    """Let no verdict of an organisation's stand any more."""
    await conn.execute(_RAISE, organisation_id)


async def count(conn: Connection, *, organisation_id: int) -> int:
    """Return how many policies of an organisation count."""
    found: int = await conn.fetchval(_COUNT, organisation_id)
    return found


async def find(conn: Connection, key: PolicyKey, version: int | None, *, organisation_id: int) -> VersionRow | None:
    """Return a version of a policy, the one that counts where none is given; None where there is none such."""
    row = await conn.fetchrow(_FIND, organisation_id, *key, version)
    return VersionRow(*row) if row is not None else None


async def history(conn: Connection, key: PolicyKey, *, organisation_id: int, limit: int) -> list[VersionRow]:
    """Return up to `limit` versions of a policy, the newest first."""
    return [VersionRow(*row) for row in await conn.fetch(_HISTORY, organisation_id, *key, limit)]


async def listed(conn: Connection, *, organisation_id: int) -> list[ListedPolicyRow]:
    """Return the policies of an organisation that count, by target."""
    return [ListedPolicyRow(*row) for row in await conn.fetch(_LISTED, organisation_id)]


async def standing(conn: Connection, organisation: str) -> StandingPolicies:
    """Return the policies of an organisation that count; one that is not there has none."""
    rows = await conn.fetch(_STANDING, organisation)
    if not rows:
        return StandingPolicies(0, [])
    return StandingPolicies(rows[0][0], [PolicyRow(*row[1:]) for row in rows if row[1] is not None])


async def contents(conn: Connection, wanted: Sequence[tuple[int, int]]) -> dict[int, bytes]:
    """Return the contents of (policy, version), by the policy."""
    rows = await conn.fetch(_CONTENTS, [one[0] for one in wanted], [one[1] for one in wanted])
    return {row[0]: row[1] for row in rows}


async def epoch(conn: Connection, organisation: str) -> int:
    """Return an organisation's epoch; 0 where there is none such, or no policy."""
    found: int | None = await conn.fetchval(_EPOCH, organisation)
    return found or 0
