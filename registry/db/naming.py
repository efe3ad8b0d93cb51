"""Who is named by something other than a grant: principals and teams, by their ids, so that no later namesake is meant."""

from __future__ import annotations

from typing import Final

NAMES: Final = """
LEFT JOIN principals p ON p.id = n.principal_id
LEFT JOIN teams t ON t.id = n.team_id
LEFT JOIN organisations o ON o.id = t.organisation_id
"""
"""What a query of those who are named, `n`, joins to tell them by"""

SUBJECT: Final = "CASE WHEN n.team_id IS NOT NULL THEN 'team:' || o.name || '/' || t.name ELSE 'user:' || p.name END"
"""this, as people write them."""


def is_named(table: str, column: str, of: str, principal_id: str) -> str:
    """Return the condition that a principal, or a team that it is of, stands in a table beside `of`; all is SQL."""
    return f"""
    EXISTS (
        SELECT FROM {table} n
        WHERE n.{column} = {of} AND (n.principal_id = {principal_id} OR EXISTS (
            SELECT FROM team_members m WHERE m.principal_id = {principal_id} AND m.team_id = n.team_id)))
    """
