"""The server: everything that is made when it starts, runs beside requests, and is closed when it ends."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

from registry import metrics
from registry.compose.answers import (
    create_admin_listener,
    create_limits,
    create_open_access,
    create_open_router,
    create_redirects,
)
from registry.compose.open_api import add_open_api
from registry.compose.verbs import create_counter, create_redis, create_replicas, create_services, create_store
from registry.config import Auth, JobsMode, Settings, load_settings
from registry.core.audit_buffer import EventBuffer
from registry.core.services import Services
from registry.db.pool import Database
from registry.http.app import create_app
from registry.http.lane import App, Lane
from registry.http.links import Links
from registry.jobs.cleaning import clean_forever
from registry.jobs.sealing import seal_forever, write_until_end
from registry.jobs.watching import watch_forever
from registry.logs import configure_logging
from registry.storage.base import BlobStore


def create_asgi() -> App:
    """Return the ASGI application of one worker, by the settings in its environment."""
    settings = load_settings()
    configure_logging(settings.log_level)
    return create_server(settings)


def create_server(settings: Settings) -> App:
    """Return the ASGI application: Quart, and before it the lane for plain reads unless that is switched off."""
    assert settings.database_url is not None  # the supervisor sets it when PostgreSQL is embedded
    db = Database(
        settings.database_url,
        size=settings.database_pool_size,
        timeout=settings.database_timeout,
        pooled=settings.database_direct_url is not None,
    )
    store = create_store(settings)
    replicas = create_replicas(settings, db)
    redis = create_redis(settings)
    services = create_services(settings, db, store, replicas, redis)
    links = Links(settings.external_url, create_redirects(settings))
    counter = create_counter(redis)
    limits = create_limits(settings, counter)
    events: EventBuffer | None = None
    if settings.auth is Auth.TOKEN:
        from registry.compose import doors, governed  # they take their time and memory: an open registry has none of it

        events = EventBuffer(db)
        known = doors.create_doors(settings, db, counter)
        router = governed.create_router(settings, db, services, links, limits, known, events)
        app = create_app(services, router, None, governed.create_pages(settings, db, known, limits).answer)
        whole = governed.add_admin_api(app, settings, db, router, services, known, limits, links.redirects)
    else:
        router = create_open_router(settings, services, links, limits)
        access = create_open_access(settings)
        app = create_app(services, router, access)
        whole = add_open_api(app, settings, router, services, access, limits, links.redirects)
    admin = create_admin_listener(settings, services)
    closing = contextlib.AsyncExitStack()  # the last that was made is the first that ends, and whatever fails, all do

    @app.before_serving
    async def start() -> None:
        for made in (store, db, replicas, services.judge, services.asked):
            closing.push_async_callback(made.close)
        if redis is not None:
            closing.push_async_callback(redis.close)
        await db.open()
        await replicas.open()
        metrics.watch_pool(lambda: db.usage)
        if events is not None:
            writing = asyncio.create_task(write_until_end(events))
            closing.push_async_callback(_ended, events, writing)
        # Not Quart's background tasks: those are waited for, and these never end by themselves.
        loops = [clean_forever(services.cleanup, is_open=settings.auth is Auth.OPEN)]
        if settings.database_replica_urls:
            loops.append(watch_forever(replicas))
        if events is not None:
            loops.append(seal_forever(doors.create_sealer(settings, db), doors.heads_of(store)))
        closing.push_async_callback(_cancelled, [asyncio.create_task(loop) for loop in loops])
        if settings.jobs is JobsMode.AUTO:
            closing.push_async_callback(_working(settings, db, store, services))
        if admin is not None:
            await admin.start()
            closing.push_async_callback(admin.stop)

    @app.after_serving
    async def stop() -> None:
        await closing.aclose()

    return Lane(router, whole) if settings.fast_lane else whole


def _working(settings: Settings, db: Database, store: BlobStore, services: Services) -> Callable[[], Awaitable[None]]:
    """Begin the background work, and return what ends it."""
    from registry.compose.background import create_background  # the queue takes its time and memory

    background = create_background(settings, db, store, services)
    background.start()
    return background.stop


async def _ended(events: EventBuffer, writing: asyncio.Task[None]) -> None:
    """Wait until what is kept in a buffer has been written."""
    events.end()
    await writing


async def _cancelled(tasks: list[asyncio.Task[None]]) -> None:
    """Cancel tasks, and wait for their ends."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
