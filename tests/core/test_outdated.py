"""What an older version has described, or none, is asked for again; what is up to date is not."""

from __future__ import annotations

from collections.abc import AsyncIterator

import asyncpg
import pytest

from registry.core import outdated as outdated_module
from registry.core.extraction import Extraction
from registry.core.outbox import Outbox
from registry.core.outdated import Outdated
from registry.core.services import Services
from registry.db.pool import Database
from registry.db.queue import enqueue
from registry.sandbox import Sandbox
from registry.storage.base import BlobStore
from tests.core.test_extraction import asked_for, describe, push

Sql = asyncpg.Connection


@pytest.fixture
async def extraction(database: Database, store: BlobStore, services: Services) -> AsyncIterator[Extraction]:
    sandbox = Sandbox("registry.reading:answer")
    yield Extraction(database, store, sandbox, services.conformance, services.blobs)
    await sandbox.close()


async def test_what_an_older_version_or_none_has_described_is_asked_for_a_batch_at_a_time(
    extraction: Extraction, services: Services, database: Database, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outdated_module, "_BATCH", 2)
    names = ("fresh", "record", "readers", "newer", "undescribed", "published")
    pushed = {name: await push(services, {"a.txt": name.encode()}, tag=name) for name in names}
    for name in names[:4]:
        await describe(extraction, sql, pushed[name])
    for name, change in {
        "record": "UPDATE artifacts SET record_version = record_version - 1",
        "readers": "UPDATE artifacts SET readers_version = readers_version - 1",
        "newer": "UPDATE artifacts SET record_version = record_version + 1, readers_version = readers_version + 1",
        "published": "INSERT INTO publications SELECT repository_id, digest, digest FROM manifests",
    }.items():
        await sql.execute(f"{change} WHERE digest = $1", pushed[name].to_bytes())
    await sql.execute("DELETE FROM outbox")
    outdated = Outdated(database)
    asked = [await outdated.ask() for _ in range(len(names) // 2)]
    assert sum(count for count in asked if count is not None) == 3
    assert (await outdated.ask(), await outdated.ask()) == (None, None)
    expected = {pushed[name].to_bytes() for name in ("record", "readers", "undescribed")}
    assert set(await asked_for(sql)) == expected


async def test_what_an_older_version_describes_while_a_release_is_rolled_out_is_asked_for_a_day_later(
    extraction: Extraction, services: Services, database: Database, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    await describe(extraction, sql, await push(services, {"a.txt": b"a"}))
    outdated = Outdated(database)
    assert [await outdated.ask() for _ in range(2)] == [0, None]
    await sql.execute("UPDATE artifacts SET readers_version = 0")
    assert await outdated.ask() is None
    monkeypatch.setattr(outdated, "_pause_ends", 0.0)
    assert [await outdated.ask() for _ in range(2)] == [1, None]


async def test_what_is_outdated_is_done_after_what_was_pushed(
    extraction: Extraction, services: Services, database: Database, sql: Sql
) -> None:
    old = await push(services, {"a.txt": b"old"}, tag="old")
    await describe(extraction, sql, old)
    await sql.execute("UPDATE artifacts SET record_version = 0")
    await sql.execute("DELETE FROM outbox")
    assert await Outdated(database).ask() == 1
    await push(services, {"a.txt": b"new"}, tag="new")
    await Outbox(database, enqueue).relay()
    rows = await sql.fetch(
        "SELECT j.digest FROM pgqueuer q JOIN jobs j ON j.id = convert_from(q.payload, 'UTF8')::bigint"
        " ORDER BY q.priority DESC, q.id"
    )
    assert [row["digest"] == old.to_bytes() for row in rows] == [False, True]
