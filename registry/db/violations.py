"""Where stored manifests do not conform to schemas, in the order in which that was found out."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any, Final, NamedTuple

from registry.db.pool import Connection
from registry.db.reaching import REACHED, SEEN_BY_REACHED, Reach


class NonconformingRow(NamedTuple):
    """Where a manifest doesn't conform to a schema; `digest` as Digest.to_bytes, `violations` with pointer, rule, message."""

    id: int
    repository: str
    digest: bytes
    applies_to: str
    schema: str
    mode: str
    violations: list[dict[str, Any]]
    judged_at: datetime


def _page(condition: str = "") -> str:
    return f"""
    WITH {REACHED}
    SELECT v.id, r.name, v.digest, v.applies_to, v.schema, v.mode, v.violations, v.judged_at FROM schema_violations v
    JOIN LATERAL (SELECT name FROM repositories WHERE id = v.repository_id OFFSET 0) r ON {SEEN_BY_REACHED}
    WHERE v.id < coalesce($4::bigint, 9223372036854775807) AND v.digest = coalesce($5::bytea, v.digest){condition}
    ORDER BY v.id DESC LIMIT $6
    """


_PAGE: Final = _page()
# A statement of its own: a plan that serves both can't go by the index of a repository's.
_PAGE_OF_REPOSITORY: Final = _page(" AND v.repository_id = (SELECT id FROM repositories WHERE name = $7)")


async def page(
    conn: Connection, *, before: int | None, repository: str | None, digest: bytes | None, limit: int, reach: Reach
) -> list[NonconformingRow]:
    """Return up to `limit` rows, the newest first, those before the id `before`, of a repository and a manifest if given."""
    if repository is None:
        rows = await conn.fetch(_PAGE, *reach, before, digest, limit)
    else:
        rows = await conn.fetch(_PAGE_OF_REPOSITORY, *reach, before, digest, limit, repository)
    return [NonconformingRow(*row)._replace(violations=json.loads(row["violations"])) for row in rows]
