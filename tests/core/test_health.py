"""Whether a node can do its work, and which part of it can't."""

from __future__ import annotations

import threading
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest

from registry.compose.verbs import create_services
from registry.config import Settings
from registry.core import health
from registry.core.services import Services
from registry.db.pool import Database
from registry.storage import filesystem
from registry.storage.base import StorageError
from registry.storage.memory import MemoryStore
from tests.core.support import WrappedStore

Sql = asyncpg.Connection
OK = {"database": "ok", "schema": "ok", "storage": "ok"}


@pytest.mark.parametrize("store", ["memory", "filesystem"], indirect=True)
async def test_a_node_that_can_work_says_ok_of_each_part(services: Services) -> None:
    assert await services.health.check() == OK


async def test_a_schema_that_does_not_fit_is_said(services: Services, sql: Sql) -> None:
    await sql.execute("UPDATE schema_state SET version = 0")
    assert "run `blacklake migrate up`" in (await services.health.check())["schema"]
    await sql.execute("UPDATE schema_state SET version = 99, oldest_code = 99")
    assert "needs newer code" in (await services.health.check())["schema"]
    await sql.execute("UPDATE schema_state SET oldest_code = 1")
    assert await services.health.check() == OK
    await sql.execute("DROP TABLE schema_state")
    assert "is of version 0" in (await services.health.check())["schema"]


async def test_a_database_that_is_not_there_is_said(settings: Settings, store: MemoryStore) -> None:
    nowhere = urlunsplit(urlsplit(settings.database_url or "")._replace(path="/nowhere"))
    database = Database(nowhere, size=2, timeout=5)
    await database.open()
    services = create_services(settings, database, store)
    assert await services.health.check() == OK | {"database": "does not answer", "schema": "unknown"}
    await database.close()


async def test_a_storage_that_fails_says_how(settings: Settings, database: Database, store: MemoryStore) -> None:
    async def fail(moment: str, call: str) -> None:
        raise StorageError("the disk is full")

    services = create_services(settings, database, WrappedStore(store, fail))
    assert await services.health.check() == OK | {"storage": "the disk is full"}


@pytest.mark.parametrize("store", ["filesystem"], indirect=True)
async def test_a_disk_that_hangs_is_not_waited_for_and_not_asked_twice(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "_TIMEOUT", 0.1)
    asked, answers = [], threading.Event()

    def hang(*_: object) -> None:
        asked.append(None)
        assert answers.wait(30)

    with monkeypatch.context() as patch:
        patch.setattr(filesystem, "_probe", hang)
        for _ in range(3):
            assert (await services.health.check())["storage"] == "does not answer"
        assert len(asked) == 1
        answers.set()
    monkeypatch.setattr(health, "_TIMEOUT", 5.0)
    assert (await services.health.check())["storage"] == "ok"
