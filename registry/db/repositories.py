"""Repositories: names and ids."""

from __future__ import annotations

from datetime import datetime
from typing import Final, NamedTuple

from mediatypes.names import RepositoryName
from registry.db.pool import Connection
from registry.db.reaching import Reach, within
from registry.db.rights import on, path_of, reach


class SummaryRow(NamedTuple):
    """A repository and how much it holds; `size` are the bytes of its manifests and of its blobs, each once."""

    name: str
    created_at: datetime
    pushed_at: datetime | None
    artifacts: int
    tags: int
    size: int


_ID: Final = "SELECT id FROM repositories WHERE name = $1"
_ID_AND_EPOCH: Final = """
SELECT (SELECT id FROM repositories WHERE name = $1),
    coalesce((SELECT policy_epoch FROM organisations WHERE name = $2), 0)
"""
_CREATE: Final = "INSERT INTO repositories (name) VALUES ($1) ON CONFLICT (name) DO NOTHING RETURNING id"
_LAST: Final = r"U&'\+10FFFF'"  # sorts behind whatever a name may hold


def _of_target(target: str, more: str = "true") -> str:
    """Return a query of the page's names that a target of `h` names, each step a lookup by index; both are SQL."""
    return f"""
    SELECT n.name FROM reach h, LATERAL (
        SELECT name FROM repositories r
        WHERE name > $1 AND name >= {target} AND name <= {target} || CASE WHEN h.is_prefix THEN {_LAST} ELSE '' END AND {more}
            AND EXISTS (SELECT FROM manifests m WHERE m.repository_id = r.id)
        ORDER BY name LIMIT $2
    ) n
    """


# The cost is that of what is found, not of all names that somebody else may see.
_PAGE: Final = f"""
WITH reach AS ({reach("$3::bigint")})
SELECT name FROM (
    {_of_target("h.target")}
    UNION
    {_of_target("substr(h.target, 9)", "strpos(name, '/') = 0 AND starts_with(h.target, 'library/')")}
) AS named
ORDER BY name LIMIT $2
"""
_MATCHING: Final = f"""
SELECT r.id FROM repositories r, (SELECT $1::text AS target, $2::boolean AS is_prefix) e
WHERE {on(path_of("r.name"))} ORDER BY r.id
"""

_SUMMARY: Final = """
SELECT r.name, r.created_at, held.pushed_at, held.manifests,
    (SELECT count(*) FROM tags t WHERE t.repository_id = r.id),
    (held.bytes + (
        SELECT coalesce(sum(b.size), 0) FROM repository_blobs l JOIN blobs b ON b.digest = l.digest
        WHERE l.repository_id = r.id))::bigint
FROM repositories r, LATERAL (
    SELECT count(*) AS manifests, coalesce(sum(size), 0) AS bytes, max(pushed_at) AS pushed_at
    FROM manifests m WHERE m.repository_id = r.id
) held
"""
_SUMMARIES: Final = f"""
WITH reach AS ({reach("$3::bigint")})
{_SUMMARY} WHERE r.name IN (
    SELECT name FROM (
        {_of_target("h.target", within("name", "$4", "$5"))}
        UNION
        {
    _of_target(
        "substr(h.target, 9)",
        f"strpos(name, '/') = 0 AND starts_with(h.target, 'library/') AND {within('name', '$4', '$5')}",
    )
}
    ) AS named
    ORDER BY name LIMIT $2)
ORDER BY r.name
"""
_ONE: Final = f"{_SUMMARY} WHERE r.id = $1"


async def find(conn: Connection, name: RepositoryName) -> int | None:
    """Return the repository's id; None where no push has made it yet."""
    found: int | None = await conn.fetchval(_ID, name)
    return found


async def find_or_create(conn: Connection, name: RepositoryName) -> int:
    """Return the repository's id, making it where it is new."""
    found = await find(conn, name)
    if found is None:
        found = await conn.fetchval(_CREATE, name)
    # Another transaction made it in between: it is visible now, since the insert waited for that to end.
    found = found if found is not None else await find(conn, name)
    assert found is not None
    return found


async def find_with_epoch(conn: Connection, name: RepositoryName, organisation: str) -> tuple[int | None, int]:
    """Return what `find` does, and the epoch of its organisation's policies; 0 where there are none."""
    row = await conn.fetchrow(_ID_AND_EPOCH, name, organisation)
    assert row is not None
    return row[0], row[1]


async def page(conn: Connection, *, after: str, limit: int, principal_id: int | None) -> list[str]:
    """Return up to `limit` names of repositories that hold a manifest, in byte order, those after `after`.

    Of those only that a principal may pull from; None stands for whoever may see all.
    """
    return [row["name"] for row in await conn.fetch(_PAGE, after, limit, principal_id)]


async def summaries(conn: Connection, *, after: str, limit: int, reach: Reach) -> list[SummaryRow]:
    """Return up to `limit` repositories that hold a manifest, in the byte order of their names, those after `after`.

    Of those only what the asker may see.
    """
    rows = await conn.fetch(_SUMMARIES, after, limit, *reach)
    return [SummaryRow(*row) for row in rows]


async def summary(conn: Connection, *, repository_id: int) -> SummaryRow | None:
    """Return a repository; None where it is gone."""
    row = await conn.fetchrow(_ONE, repository_id)
    return SummaryRow(*row) if row is not None else None


async def matching(conn: Connection, target: str, *, is_prefix: bool) -> list[int]:
    """Return the ids of the repositories that a target names, as of grants; all begin with the prefix ""."""
    return [row["id"] for row in await conn.fetch(_MATCHING, target, is_prefix)]
