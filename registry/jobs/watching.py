"""The loop that looks at the replicas of the database. It runs in every worker: each has connections of its own."""

from __future__ import annotations

import asyncio
from typing import Final

import structlog

from registry.db.replicas import Replicas

_INTERVAL: Final = 1.0  # seconds: what a replica knows is told to be that much older than it may be

_log = structlog.get_logger("registry.jobs")


async def watch_forever(replicas: Replicas) -> None:
    """Look until cancelled."""
    while True:
        try:
            await replicas.look()
        except Exception:  # noqa: BLE001 - the top of a task: one that ended unseen would leave a healed replica unused
            _log.exception("looking at the replicas failed")
        await asyncio.sleep(_INTERVAL)
