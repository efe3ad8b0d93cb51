"""Bring the database's schema up or down, safely when many nodes start at once.

Expand, then contract (DESIGN, decision 16): `schema_state` holds the schema's version and the oldest code that can work
with it. What runs revisions is imported where one has to be run only: most starts find the schema as it should be.
"""

from __future__ import annotations

import asyncio
from functools import partial

import asyncpg

from registry.db.schema import (
    HEAD,
    SCHEMA_VERSION,
    DataAtStake,
    Revision,
    SchemaState,
    SchemaUnusable,
    misfit,
    session,
    state_of,
)

__all__ = [
    "DataAtStake",
    "Revision",
    "SchemaState",
    "SchemaUnusable",
    "check",
    "downgrade",
    "pending",
    "status",
    "undone_by",
    "upgrade",
]


def upgrade(url: str) -> SchemaState:
    """Run the revisions that are missing and return the state. Waits while another node migrates.

    A schema that newer code has migrated stays as it is: `check` says whether this code can work with it.
    """
    state = status(url)
    if state.revision == HEAD or state.version > SCHEMA_VERSION:
        return state
    from registry.db import revisions

    return revisions.run(url, revisions.up)


def downgrade(url: str, revision: str, *, lose_data: bool = False) -> SchemaState:
    """Undo revisions down to `revision` (`base` undoes all) and return the state.

    Raise DataAtStake where that would lose data and `lose_data` is false; nothing is undone then.
    """
    from registry.db import revisions

    return revisions.run(url, partial(revisions.down, to=revision, lose_data=lose_data))


def pending(state: SchemaState) -> list[Revision]:
    """Return the revisions that `upgrade` would run, in its order; none where newer code has migrated."""
    if state.revision == HEAD or state.version > SCHEMA_VERSION:
        return []
    from registry.db import revisions

    return revisions.pending(state)


def undone_by(state: SchemaState, revision: str) -> list[Revision]:
    """Return the revisions that `downgrade` to `revision` would undo, in its order.

    Raise SchemaUnusable where `revision` is none, is above the schema's, or where newer code has migrated.
    """
    from registry.db import revisions

    return revisions.undone_by(state, revision)


def status(url: str) -> SchemaState:
    """Return the database's state without changing it. Raise SchemaUnusable where it can't be read."""

    async def read() -> SchemaState:
        conn = await session(url)
        try:
            return await state_of(conn)
        finally:
            await conn.close()

    try:
        return asyncio.run(read())
    except (asyncpg.PostgresError, OSError) as error:
        raise SchemaUnusable(f"the database's schema could not be read or changed: {error}") from error


def check(state: SchemaState) -> None:
    """Raise SchemaUnusable where this code can't work with a schema in `state`."""
    problem = misfit(state.version, state.oldest_code)
    if problem:
        raise SchemaUnusable(problem)
