"""Which schema this code works with (DESIGN, decision 16)."""

from __future__ import annotations

from typing import Final

import asyncpg

from registry.db.pool import Connection

SCHEMA_VERSION: Final = 13
"""The schema that this code was written for."""

_STATE: Final = "SELECT version, oldest_code FROM schema_state"


def misfit(version: int, oldest_code: int) -> str | None:
    """Return why this code can't work with a schema, and what to do; None where it can."""
    if oldest_code > SCHEMA_VERSION:
        return (
            f"the schema (version {version}) needs newer code than this (written for version {SCHEMA_VERSION});"
            " upgrade Blacklake on this node"
        )
    if version < SCHEMA_VERSION:
        return (
            f"the schema is of version {version} and this code needs {SCHEMA_VERSION};"
            " run `blacklake migrate up`, or start with BLACKLAKE_MIGRATE=auto"
        )
    return None


async def problem(conn: Connection) -> str | None:
    """Return what is wrong with the database's schema; None where nothing is."""
    try:
        row = await conn.fetchrow(_STATE)
    except asyncpg.UndefinedTableError:
        row = None
    return misfit(row["version"], row["oldest_code"]) if row else misfit(0, 0)
