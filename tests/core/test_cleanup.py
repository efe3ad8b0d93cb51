"""What the cleaning loop deletes, while others write."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import asyncpg
import pytest

from registry.compose.verbs import create_services
from registry.config import Settings
from registry.core.services import Services
from registry.db import objects
from registry.db.pool import Connection, Database
from registry.jobs.cleaning import clean_forever
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


class Slept(BaseException):
    """The loop has nothing more to do for now."""


@pytest.fixture
def transactions(database: Database, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the names of all transactions, in their order; the loop ends where it would sleep."""
    named: list[str] = []
    original = database.transaction

    async def noted(name: str, work: Callable[[Connection], Awaitable[object]]) -> object:
        named.append(name)
        return await original(name, work)

    async def end(_seconds: float) -> None:
        raise Slept

    monkeypatch.setattr(database, "transaction", noted)
    monkeypatch.setattr(asyncio, "sleep", end)
    return named


ROUND = ["expire_uploads", "forget_sessions", "forget_nonces", "claim_dead_objects"]


@pytest.mark.parametrize(("nonces", "rounds"), [(0, 1), (1, 1), (99, 1), (100, 2), (130, 2)])
async def test_the_loop_goes_on_at_once_only_where_there_may_be_more(
    services: Services, sql: asyncpg.Connection, transactions: list[str], nonces: int, rounds: int
) -> None:
    """With every signed request a nonce is used up, hence one expires: that alone is no reason to run without rest."""
    service = await sql.fetchval("INSERT INTO principals (kind, name) VALUES ('service', 'ci') RETURNING id")
    await sql.execute(
        "INSERT INTO service_keys (id, principal_id, algorithm, public_key) VALUES ('k', $1, 'ed25519', '')", service
    )
    await sql.execute("INSERT INTO used_nonces SELECT 'k', n::text, now() FROM generate_series(1, $1) n", nonces)
    with pytest.raises(Slept):
        await clean_forever(services.cleanup, is_open=False)
    assert transactions == ROUND * rounds
    assert await sql.fetchval("SELECT count(*) FROM used_nonces") == 0


async def test_an_open_registry_looks_for_neither_sessions_nor_nonces(
    services: Services, transactions: list[str]
) -> None:
    with pytest.raises(Slept):
        await clean_forever(services.cleanup, is_open=True)
    assert transactions == ["expire_uploads", "claim_dead_objects"]
