"""Work on the database while no server runs: the schema's revisions and PostgreSQL's version."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence

from registry.config import Settings
from registry.datadir import DataDirectory, DataDirectoryUnusable
from registry.db import migrate
from registry.db.embedded import EmbeddedPostgres, EmbeddedPostgresFailed
from registry.db.major_upgrade import migrate_postgres
from registry.db.schema import SCHEMA_VERSION
from registry.logs import configure_logging


class UpkeepFailed(Exception):
    """The work could not be done; the message says why and what to do."""


class DecisionNeeded(UpkeepFailed):
    """Nobody can be asked whether to go on; the message says how to say so beforehand."""


def schema_status(settings: Settings) -> str:
    """Return the schema's state, and what is pending, in words. Raise UpkeepFailed."""
    with translated(), database(settings) as url:
        return _described(migrate.status(url))


def bring_schema_up(settings: Settings) -> str:
    """Run the revisions that are missing; return the schema's state in words. Raise UpkeepFailed."""
    with translated(), database(settings) as url:
        return _described(migrate.upgrade(url))


def bring_schema_down(settings: Settings, revision: str, *, lose_data: bool, agree: Callable[[str], bool]) -> str:
    """Go back to `revision`; return the schema's state in words.

    `agree` gets a question that names what will be undone, and may raise DecisionNeeded. Raise UpkeepFailed also where that
    would lose data and `lose_data` is false.
    """
    with translated(), database(settings) as url:
        state = migrate.status(url)
        undone = migrate.undone_by(state, revision)
        at_stake = [one for one in undone if one.loses]
        if at_stake and not lose_data:
            raise migrate.DataAtStake(at_stake)
        if undone and not agree(_question(undone)):
            return f"nothing was changed\n{_described(state)}"
        return _described(migrate.downgrade(url, revision, lose_data=lose_data))


def move_postgres(settings: Settings, *, say: Callable[[str], None]) -> None:
    """Move the embedded database to the newest embedded PostgreSQL; `say` gets each step. Raise UpkeepFailed."""
    with translated(), _data_directory(settings) as data:
        migrate_postgres(data, say=say)


@contextlib.contextmanager
def database(settings: Settings) -> Iterator[str]:
    """Yield the database's URL; the embedded one runs for so long, which it can't beside a server."""
    configure_logging(settings.log_level)
    if settings.session_url is not None:
        yield settings.session_url
        return
    with _data_directory(settings) as data:
        embedded = EmbeddedPostgres(data.postgres, lock_fd=data.lock_fd)
        try:
            embedded.start()
            data.record("postgres", embedded.pid)
            yield embedded.url
        finally:
            embedded.stop()


@contextlib.contextmanager
def _data_directory(settings: Settings) -> Iterator[DataDirectory]:
    """Hold the data directory, so that no server runs on it meanwhile."""
    data = DataDirectory(settings.data_dir)
    data.acquire()
    try:
        yield data
    finally:
        data.release()


@contextlib.contextmanager
def translated() -> Iterator[None]:
    """Raise UpkeepFailed where a database can't be reached, started or used."""
    try:
        yield
    except (DataDirectoryUnusable, EmbeddedPostgresFailed, migrate.SchemaUnusable) as error:
        raise UpkeepFailed(str(error)) from error


def _described(state: migrate.SchemaState) -> str:
    """Return the schema's version, the oldest code that fits it, and what is pending."""
    lines = [
        f"revision {state.revision}, version {state.version}, for code written for version {state.oldest_code} or later"
        if state.revision
        else "the database has no schema yet"
    ]
    if state.version > SCHEMA_VERSION:
        lines.append(f"newer code has migrated it; this code was written for version {SCHEMA_VERSION}")
    elif steps := migrate.pending(state):
        lines += [f"pending: {step.id} {step.title}" for step in steps]
    else:
        lines.append("nothing is pending")
    return "\n".join(lines)


def _question(undone: Sequence[migrate.Revision]) -> str:
    lost = [f"; {one.loses} will be lost" for one in undone if one.loses]
    return f"This undoes {', '.join(one.id for one in undone)}{''.join(lost)}. Go on?"
