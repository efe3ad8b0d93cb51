"""Which schema this code works with, and which one a database has (DESIGN, decision 16)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import asyncpg
from asyncpg.connect_utils import SessionAttribute

from registry.db.pool import Connection

SCHEMA_VERSION: Final = 13
"""The schema that this code was written for."""

HEAD: Final = f"{SCHEMA_VERSION:04}"
"""The revision that makes it."""

STATE: Final = "SELECT version_num, version, oldest_code FROM schema_revision, schema_state"

# A pooler refuses to start such a session: it could not keep the lock, and the limits, to this session.
_SESSION: Final = {
    "application_name": "blacklake migrate",
    "idle_in_transaction_session_timeout": "10min",
    "lock_timeout": "5s",
    "statement_timeout": "10min",
}


class SchemaUnusable(Exception):
    """The schema and this code don't fit, or the database can't be reached; the message says what to do."""


class SchemaState(NamedTuple):
    """The revision in the database ("" before the first), its version (0 likewise) and the oldest code it permits."""

    revision: str
    version: int
    oldest_code: int


class Revision(NamedTuple):
    """A step of the schema: its name, its title, and what undoing it loses (None: nothing)."""

    id: str
    title: str
    loses: str | None


class DataAtStake(SchemaUnusable):
    """Going back would lose data, and nobody has said that it may."""

    def __init__(self, revisions: Sequence[Revision]) -> None:
        listed = "; ".join(f"undoing {revision.id} loses {revision.loses}" for revision in revisions)
        super().__init__(f"{listed}. Back up first, then repeat the command with --lose-data")


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


async def state_of(conn: Connection | asyncpg.Connection[asyncpg.Record]) -> SchemaState:
    """Return the state of the database's schema."""
    try:
        row = await conn.fetchrow(STATE)
    except asyncpg.UndefinedTableError:
        row = None
    return SchemaState(*row) if row else SchemaState("", 0, 0)


async def problem(conn: Connection) -> str | None:
    """Return what is wrong with the database's schema; None where nothing is."""
    state = await state_of(conn)
    return misfit(state.version, state.oldest_code)


async def session(url: str) -> asyncpg.Connection[asyncpg.Record]:
    """Return a connection to the primary, on which the schema may be read and changed. Raise SchemaUnusable."""
    try:
        return await asyncpg.connect(url, server_settings=_SESSION, target_session_attrs=SessionAttribute.primary)
    except asyncpg.ProtocolViolationError as error:
        raise SchemaUnusable(
            f"the database's schema could not be read or changed: {error}; if this is pgbouncer, name the database behind it in"
            " BLACKLAKE_DATABASE_DIRECT_URL"
        ) from error
    except asyncpg.TargetServerAttributeNotMatched as error:
        raise SchemaUnusable(
            "the database's schema could not be read or changed: BLACKLAKE_DATABASE_URL (or BLACKLAKE_DATABASE_DIRECT_URL)"
            " leads to a replica; name the primary"
        ) from error
    except (asyncpg.PostgresError, OSError, ValueError) as error:
        raise SchemaUnusable(
            f"the database's schema could not be read or changed: {error}; check BLACKLAKE_DATABASE_URL (or"
            " BLACKLAKE_DATABASE_DIRECT_URL), and that its PostgreSQL runs and lets this user in"
        ) from error
