"""Run the schema's revisions, one node at a time; `registry.db.migrate` decides which.

alembic and SQLAlchemy, which it needs, take a second and fifty megabytes.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final

import asyncpg
import sqlalchemy as sa
import structlog
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import Script, ScriptDirectory
from alembic.util import CommandError
from sqlalchemy.engine import Connection
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from registry.db import schema
from registry.db.schema import SCHEMA_VERSION, DataAtStake, Revision, SchemaState, SchemaUnusable, session

_LOCK: Final = 0x626C61636B6C  # "blackl": the advisory lock under which one node migrates while the others wait.
_REVISIONS: Final = Path(__file__).with_name("migrations")
_POLL: Final = 0.1  # seconds between looks whether the lock is free

_log = structlog.get_logger("registry.db.migrate")


def up(config: Config, state: SchemaState) -> None:
    """Run the revisions that are missing, unless newer code has migrated meanwhile."""
    if state.version <= SCHEMA_VERSION:
        command.upgrade(config, "head")


def down(config: Config, state: SchemaState, *, to: str, lose_data: bool) -> None:
    """Undo revisions down to one. Raise DataAtStake as `registry.db.migrate.downgrade` does."""
    # Asked again under the lock: another node may have migrated since the caller looked.
    at_stake = [undone for undone in undone_by(state, to) if undone.loses]
    if at_stake and not lose_data:
        raise DataAtStake(at_stake)
    command.downgrade(config, to)


def pending(state: SchemaState) -> list[Revision]:
    """Return the revisions that `up` would run, in its order."""
    scripts = ScriptDirectory(str(_REVISIONS))
    return [_described(script) for script in scripts.iterate_revisions("heads", state.revision or "base")][::-1]


def undone_by(state: SchemaState, revision: str) -> list[Revision]:
    """Return the revisions that `down` to `revision` would undo, in its order.

    Raise SchemaUnusable where `revision` is none, is above the schema's, or where newer code has migrated.
    """
    scripts = ScriptDirectory(str(_REVISIONS))
    known = [script.revision for script in scripts.walk_revisions()]
    if state.revision and state.revision not in known:
        raise SchemaUnusable(
            f"revision {state.revision} is of newer code than this, which can't undo it; use the Blacklake that made it"
        )
    below = known[known.index(state.revision) :] if state.revision else []
    if revision != "base" and revision not in below:
        choices = ", ".join(["base", *reversed(below)])
        raise SchemaUnusable(f"{revision!r} is no revision that the schema can go back to; those are {choices}")
    return [_described(script) for script in scripts.iterate_revisions(state.revision or "base", revision)]


def run(url: str, act: Callable[[Config, SchemaState], None]) -> SchemaState:
    """Run revisions by `act`, which gets the state before, under the lock; return the state after. Raise SchemaUnusable."""

    async def connected() -> SchemaState:
        # asyncpg reads the URL, as for the pool: SQLAlchemy knows other parameters, and no `sslmode`.
        engine = create_async_engine("postgresql+asyncpg://", async_creator=partial(session, url), poolclass=NullPool)
        try:
            async with engine.connect() as connection:
                return await connection.run_sync(_locked, act)
        finally:
            await engine.dispose()

    try:
        return asyncio.run(connected())
    except (SQLAlchemyError, CommandError, asyncpg.PostgresError, OSError, ValueError) as error:
        reason = getattr(error, "orig", None) or error
        raise SchemaUnusable(f"the database's schema could not be read or changed: {reason}") from error


def _locked(connection: Connection, act: Callable[[Config, SchemaState], None]) -> SchemaState:
    # Asked for again and again: a statement that waits has a snapshot, and CREATE INDEX CONCURRENTLY waits for its end.
    is_told = False
    while not connection.scalar(sa.text("SELECT pg_try_advisory_lock(:key)"), {"key": _LOCK}):
        connection.commit()
        if not is_told:
            _log.info("another node is migrating the database; waiting for its end")
            is_told = True
        time.sleep(_POLL)
    connection.commit()
    try:
        state = _state(connection)
        connection.commit()
        config = Config()
        config.set_main_option("script_location", str(_REVISIONS))
        config.attributes["connection"] = connection
        act(config, state)
        connection.commit()
        return _state(connection)
    finally:
        connection.rollback()
        connection.execute(sa.text("SELECT pg_advisory_unlock(:key)"), {"key": _LOCK})
        connection.commit()


def _state(connection: Connection) -> SchemaState:
    revision = MigrationContext.configure(connection, opts={"version_table": "schema_revision"}).get_current_revision()
    if revision is None:
        return SchemaState("", 0, 0)
    row = connection.execute(sa.text(schema.STATE)).one()
    return SchemaState(row.version_num, row.version, row.oldest_code)


def _described(script: Script) -> Revision:
    loses: str | None = script.module.LOSES
    return Revision(script.revision, script.doc, loses)
