"""Bring the database's schema up or down, safely when many nodes start at once.

Expand, then contract (DESIGN, decision 16): `schema_state` holds the schema's version and the oldest code that can work
with it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

import asyncpg
import sqlalchemy as sa
import structlog
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import Script, ScriptDirectory
from alembic.util import CommandError
from asyncpg.connect_utils import SessionAttribute
from sqlalchemy.engine import Connection
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from registry.db.schema import SCHEMA_VERSION, misfit

_LOCK: Final = 0x626C61636B6C  # "blackl": the advisory lock under which one node migrates while the others wait.
_REVISIONS: Final = Path(__file__).with_name("migrations")
_POLL: Final = 0.1  # seconds between looks whether the lock is free
# A pooler refuses to start such a session: it could not keep the lock, and the limits, to this session.
_SESSION: Final = {
    "application_name": "blacklake migrate",
    "idle_in_transaction_session_timeout": "10min",
    "lock_timeout": "5s",
    "statement_timeout": "10min",
}

_log = structlog.get_logger("registry.db.migrate")


class SchemaUnusable(Exception):
    """The schema and this code don't fit, or the database can't be reached; the message says what to do."""


class SchemaState(NamedTuple):
    """The revision in the database ("" before the first), its version (0 likewise) and the oldest code it permits."""

    revision: str
    version: int
    oldest_code: int


class DataAtStake(SchemaUnusable):
    """Going back would lose data, and nobody has said that it may."""

    def __init__(self, revisions: Sequence[Revision]) -> None:
        listed = "; ".join(f"undoing {revision.id} loses {revision.loses}" for revision in revisions)
        super().__init__(f"{listed}. Back up first, then repeat the command with --lose-data")


class Revision(NamedTuple):
    """A step of the schema: its name, its title, and what undoing it loses (None: nothing)."""

    id: str
    title: str
    loses: str | None


def upgrade(url: str) -> SchemaState:
    """Run the revisions that are missing and return the state. Waits while another node migrates.

    A schema that newer code has migrated stays as it is: `check` says whether this code can work with it.
    """

    def up(config: Config, state: SchemaState) -> None:
        if state.version <= SCHEMA_VERSION:
            command.upgrade(config, "head")

    return _run(url, lambda connection: _migrate(connection, up))


def downgrade(url: str, revision: str, *, lose_data: bool = False) -> SchemaState:
    """Undo revisions down to `revision` (`base` undoes all) and return the state.

    Raise DataAtStake where that would lose data and `lose_data` is false; nothing is undone then.
    """

    def down(config: Config, state: SchemaState) -> None:
        # Asked again under the lock: another node may have migrated since the caller looked.
        at_stake = [undone for undone in undone_by(state, revision) if undone.loses]
        if at_stake and not lose_data:
            raise DataAtStake(at_stake)
        command.downgrade(config, revision)

    return _run(url, lambda connection: _migrate(connection, down))


def pending(state: SchemaState) -> list[Revision]:
    """Return the revisions that `upgrade` would run, in its order; none where newer code has migrated."""
    if state.version > SCHEMA_VERSION:
        return []
    scripts = ScriptDirectory(str(_REVISIONS))
    return [_described(script) for script in scripts.iterate_revisions("heads", state.revision or "base")][::-1]


def undone_by(state: SchemaState, revision: str) -> list[Revision]:
    """Return the revisions that `downgrade` to `revision` would undo, in its order.

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


def status(url: str) -> SchemaState:
    """Return the database's state without changing it."""
    return _run(url, _state)


def check(state: SchemaState) -> None:
    """Raise SchemaUnusable where this code can't work with a schema in `state`."""
    problem = misfit(state.version, state.oldest_code)
    if problem:
        raise SchemaUnusable(problem)


def _run(url: str, work: Callable[[Connection], SchemaState]) -> SchemaState:
    async def connected() -> SchemaState:
        # asyncpg reads the URL, as for the pool: SQLAlchemy knows other parameters, and no `sslmode`.
        engine = create_async_engine("postgresql+asyncpg://", async_creator=partial(_connect, url), poolclass=NullPool)
        try:
            async with engine.connect() as connection:
                return await connection.run_sync(work)
        finally:
            await engine.dispose()

    try:
        return asyncio.run(connected())
    except (SQLAlchemyError, CommandError, asyncpg.PostgresError, OSError, ValueError) as error:
        reason = getattr(error, "orig", None) or error
        raise SchemaUnusable(f"the database's schema could not be read or changed: {reason}") from error


async def _connect(url: str) -> asyncpg.Connection[asyncpg.Record]:
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


def _migrate(connection: Connection, act: Callable[[Config, SchemaState], None]) -> SchemaState:
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
    row = connection.execute(sa.text("SELECT version, oldest_code FROM schema_state")).one()
    return SchemaState(revision, row.version, row.oldest_code)


def _described(script: Script) -> Revision:
    loses: str | None = script.module.LOSES
    return Revision(script.revision, script.doc, loses)
