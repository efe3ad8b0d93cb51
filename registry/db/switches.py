"""What repositories ask for that isn't done of itself: switches, each for a target as of grants (registry.core.subjects)."""

from __future__ import annotations

from datetime import datetime
from typing import Final, NamedTuple

from registry.db.pool import Connection
from registry.db.rights import on, path_of


class SwitchRow(NamedTuple):
    """What was decided for a target, and when."""

    switch: str
    target: str
    is_prefix: bool
    is_on: bool
    decided_at: datetime


_DECIDE: Final = """
INSERT INTO repository_switches (switch, target, is_prefix, is_on) VALUES ($1, $2, $3, $4)
ON CONFLICT (switch, target, is_prefix) DO UPDATE SET is_on = EXCLUDED.is_on, decided_at = now()
"""
_IS_ON: Final = f"""
SELECT e.is_on FROM repositories r, repository_switches e
WHERE r.id = $2 AND e.switch = $1 AND {on(path_of("r.name"))}
ORDER BY e.is_prefix, length(e.target) DESC LIMIT 1
"""
_LISTED: Final = """
SELECT switch, target, is_prefix, is_on, decided_at FROM repository_switches ORDER BY switch, target, is_prefix
"""


async def decide(conn: Connection, switch: str, target: str, *, is_prefix: bool, is_on: bool) -> None:
    """Switch on or off for a target, instead of what was decided for it before."""
    await conn.execute(_DECIDE, switch, target, is_prefix, is_on)


async def is_on(conn: Connection, switch: str, *, repository_id: int) -> bool:
    """Say whether a switch is on for a repository: what is decided for its path, else for the longest prefix, else off."""
    return bool(await conn.fetchval(_IS_ON, switch, repository_id))


async def listed(conn: Connection) -> list[SwitchRow]:
    """Return all that was decided, by switch and target."""
    return [SwitchRow(*row) for row in await conn.fetch(_LISTED)]
