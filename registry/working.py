"""The process that `blacklake work` becomes: it does the background work of servers that have the same database and storage."""

from __future__ import annotations

import asyncio
import signal

import structlog

from registry.compose.answers import create_admin_listener
from registry.compose.background import AT_ONCE, Background, create_scan_signer
from registry.compose.verbs import create_scanners, create_services, create_store
from registry.config import Settings
from registry.db import migrate
from registry.db.pool import Database
from registry.logs import configure_logging
from registry.storage.base import StorageError
from registry.storage_url import MemoryLocation
from registry.supervisor import StartFailed, bring_schema_up

_log = structlog.get_logger("registry.working")


def run(settings: Settings) -> int:
    """Work until SIGTERM or SIGINT, then end what is under way, for `drain_timeout` seconds; return the exit code.

    Raise StartFailed.
    """
    configure_logging(settings.log_level)
    if settings.database_url is None or settings.session_url is None:
        raise StartFailed(
            "`blacklake work` works for servers on the same database: set BLACKLAKE_DATABASE_URL to theirs. A server with"
            " its own PostgreSQL does this work itself"
        )
    if isinstance(settings.storage_location, MemoryLocation):
        raise StartFailed("the storage memory: is of one server's process, which does this work itself")
    try:
        bring_schema_up(settings.session_url, settings.migrate)
        return asyncio.run(_work(settings, settings.database_url))
    except (migrate.SchemaUnusable, StorageError, OSError) as error:
        raise StartFailed(str(error)) from error


async def _work(settings: Settings, url: str) -> int:
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    db = Database(
        url,
        size=settings.database_pool_size,
        timeout=settings.database_timeout,
        pooled=settings.database_direct_url is not None,
    )
    store = create_store(settings)
    # Of several nodes on a machine each has its own loops: they may have been started because one is not enough.
    services = create_services(settings, db, store)
    background = Background(
        db,
        store,
        services,
        digest_rate=settings.digest_bytes_per_second,
        place=None,
        at_once=AT_ONCE,
        scanners=create_scanners(settings),
        signer=create_scan_signer(settings, db),
    )
    admin = create_admin_listener(settings, services) if settings.admin_listen is not None else None
    await db.open()
    try:
        if admin is not None:
            await admin.start()
        background.start()
        _log.info("working")
        await ended.wait()
        _log.info("draining", seconds=settings.drain_timeout)
        await background.stop(settings.drain_timeout)
        if admin is not None:
            await admin.stop()
    finally:
        await db.close()
        await store.close()
    return 0
