"""What repositories ask for that isn't done of itself: switches, each for one repository or for all whose names begin so."""

from __future__ import annotations

from typing import Final

from registry.db.pool import Connection

_DECIDE: Final = """
INSERT INTO repository_switches (switch, target, is_prefix, is_on) VALUES ($1, $2, $3, $4)
ON CONFLICT (switch, target, is_prefix) DO UPDATE SET is_on = EXCLUDED.is_on, decided_at = now()
"""
_IS_ON: Final = """
SELECT s.is_on FROM repositories r, repository_switches s
WHERE r.id = $2 AND s.switch = $1 AND (s.target = r.name OR (s.is_prefix AND starts_with(r.name, s.target)))
ORDER BY s.is_prefix, length(s.target) DESC LIMIT 1
"""


async def decide(conn: Connection, switch: str, target: str, *, is_prefix: bool, is_on: bool) -> None:
    """Switch on or off for a repository's name, or for all that begin so, instead of what was decided before."""
    await conn.execute(_DECIDE, switch, target, is_prefix, is_on)


async def is_on(conn: Connection, switch: str, *, repository_id: int) -> bool:
    """Say whether a switch is on for a repository: what is decided for its name, else for the longest prefix, else off."""
    return bool(await conn.fetchval(_IS_ON, switch, repository_id))
