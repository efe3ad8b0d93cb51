"""Work on the database while no server runs: the schema's revisions and PostgreSQL's version."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Literal

from registry.config import Settings
from registry.datadir import DataDirectory, DataDirectoryUnusable
from registry.db import migrate
from registry.db.embedded import EmbeddedPostgres, EmbeddedPostgresFailed
from registry.db.major_upgrade import migrate_postgres


class UpkeepFailed(Exception):
    """The work could not be done; the message says why and what to do."""


def change_schema(settings: Settings, act: Literal["up", "down", "status"], revision: str = "") -> str:
    """Bring the schema up, or down to `revision`, or leave it; return its state in words. Raise UpkeepFailed."""
    with _translated(), _database(settings) as url:
        if act == "up":
            state = migrate.upgrade(url)
        elif act == "down":
            state = migrate.downgrade(url, revision)
        else:
            state = migrate.status(url)
    if not state.revision:
        return "the database has no schema yet"
    return (
        f"revision {state.revision}, version {state.version}, for code written for version {state.oldest_code} or later"
    )


def move_postgres(settings: Settings, *, say: Callable[[str], None]) -> None:
    """Move the embedded database to the newest embedded PostgreSQL; `say` gets each step. Raise UpkeepFailed."""
    with _translated(), _data_directory(settings) as data:
        migrate_postgres(data, say=say)


@contextlib.contextmanager
def _database(settings: Settings) -> Iterator[str]:
    """Yield the database's URL; the embedded one runs for so long, which it can't beside a server."""
    if settings.database_url is not None:
        yield settings.database_url
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
def _translated() -> Iterator[None]:
    try:
        yield
    except (DataDirectoryUnusable, EmbeddedPostgresFailed, migrate.SchemaUnusable) as error:
        raise UpkeepFailed(str(error)) from error
