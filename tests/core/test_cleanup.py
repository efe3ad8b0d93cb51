"""What the cleaning loop deletes, while others write."""

from __future__ import annotations

import asyncpg
import pytest

from registry.compose.verbs import create_services
from registry.config import Settings
from registry.core.services import Services
from registry.db import objects
from registry.db.pool import Database
from registry.storage.base import StorageKey, new_key
from registry.storage.memory import MemoryStore
from tests.core.support import WrappedStore, clean


@pytest.fixture
async def listed(sql: asyncpg.Connection) -> StorageKey:
    """Return the key of an object that is to be deleted."""
    key = new_key()
    await sql.execute("INSERT INTO dead_objects (storage_key, due_at) VALUES ($1, now())", key)
    return key


async def put(store: MemoryStore, key: StorageKey) -> None:
    writer = await store.open_writer(key)
    await writer.write(b"late")
    await writer.commit()


async def test_an_object_that_is_made_anew_while_it_is_struck_off_stays_listed(
    settings: Settings, database: Database, store: MemoryStore, sql: asyncpg.Connection, listed: StorageKey
) -> None:
    """An overtaken writer makes it between the deletion of what was there and the end of its row."""

    async def late(moment: str, call: str) -> None:
        if (moment, call) == ("after", "delete"):
            await put(store, listed)
            assert await database.transaction("disown_object", lambda conn: objects.add_unnamed(conn, listed))

    services = create_services(settings, database, WrappedStore(store, late))
    assert await services.cleanup.delete_dead_objects() == 1
    assert await sql.fetchval("SELECT storage_key FROM dead_objects") == listed
    await clean(create_services(settings, database, store))
    assert await sql.fetchval("SELECT count(*) FROM dead_objects") == 0
    assert not await store.holds(listed, 4)


async def test_what_was_claimed_is_not_claimed_again_at_once(services: Services, listed: StorageKey) -> None:
    assert await services.cleanup.delete_dead_objects() == 1
    assert await services.cleanup.delete_dead_objects() == 0
