"""The loop that removes expired uploads and sessions, and dead objects. It runs in every worker: none is special."""

from __future__ import annotations

import asyncio
import random
from typing import Final

import structlog

from registry import metrics
from registry.core.cleanup import Cleanup
from registry.errors import RegistryError
from registry.storage.base import StorageError

_INTERVAL: Final = 15.0  # seconds between rounds that found nothing, with jitter so that nodes don't meet

_log = structlog.get_logger("registry.jobs")


async def clean_forever(cleanup: Cleanup) -> None:
    """Clean until cancelled; what fails is tried again in the next round."""
    while True:
        found = 0
        try:
            expired = await cleanup.expire_uploads()
            forgotten = await cleanup.forget_sessions()
            nonces = await cleanup.forget_nonces()
            deleted = await cleanup.delete_dead_objects()
            metrics.set_uploads_open(await cleanup.count_uploads())
            found = expired + forgotten + nonces + deleted
            if found:
                _log.info("cleaned", expired_uploads=expired, forgotten_sessions=forgotten, deleted_objects=deleted)
        except (RegistryError, StorageError) as error:
            _log.warning("cleaning failed", error=str(error))
        except Exception:  # noqa: BLE001 - the top of a task: one that ended unseen would leave everything uncleaned
            _log.exception("cleaning failed")
        if not found:
            await asyncio.sleep(_INTERVAL * random.uniform(0.5, 1.5))
