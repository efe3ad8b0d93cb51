"""All of the background work together, in a process that can't write where the processes of a node take turns."""

from __future__ import annotations

from pathlib import Path

import asyncpg

from registry.compose.background import Background
from registry.core.services import Services
from registry.db.pool import Database
from registry.storage.base import BlobStore
from tests.core.support import image, push_blob, push_manifest
from tests.jobs.support import eventually


async def test_where_the_data_directory_cannot_be_written_the_work_is_done_all_the_same(
    services: Services, database: Database, store: BlobStore, sql: asyncpg.Connection, tmp_path: Path
) -> None:
    (tmp_path / "run").write_bytes(b"no directory")

    async def is_done() -> bool:
        return bool(await sql.fetchval("SELECT count(*) = 1 FROM jobs WHERE state = 'done'"))

    await push_manifest(services, image(await push_blob(services, b"{}")))
    place = tmp_path / "run" / "jobs.lock"
    background = Background(database, store, services, digest_rate=1 << 30, place=place, at_once=2)
    background.start()
    try:
        await eventually(is_done)
    finally:
        await background.stop()


async def test_what_an_older_version_has_described_is_described_again_though_nobody_asks(
    services: Services, database: Database, store: BlobStore, sql: asyncpg.Connection
) -> None:
    async def is_described() -> bool:
        return bool(await sql.fetchval("SELECT count(*) = 1 FROM artifacts WHERE record_version > 0"))

    await push_manifest(services, image(await push_blob(services, b"{}")))
    for _ in ("pushed", "outdated"):
        background = Background(database, store, services, digest_rate=1 << 30, place=None, at_once=2)
        background.start()
        try:
            await eventually(is_described)
        finally:
            await background.stop()
        await sql.execute("UPDATE artifacts SET record_version = 0")
