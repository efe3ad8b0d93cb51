"""The loop that removes expired uploads and sessions, and dead objects. It runs in every worker: none is special."""

from __future__ import annotations

import asyncio
import random
from typing import Final

import structlog

from registry import metrics
from registry.core.cleanup import BATCH, Cleanup
from registry.errors import RegistryError
from registry.storage.base import StorageError

_INTERVAL: Final = 15.0  # seconds after a round that left nothing, with jitter so that nodes don't meet

_log = structlog.get_logger("registry.jobs")


async def clean_forever(cleanup: Cleanup, *, is_open: bool) -> None:
    """Clean until cancelled; what fails is tried again in the next round. An open registry has neither sessions nor nonces."""
    while True:
        is_more = False
        try:
            found = {}
            found["expired_uploads"] = await cleanup.expire_uploads()
            if not is_open:
                found["forgotten_sessions"] = await cleanup.forget_sessions()
                found["forgotten_nonces"] = await cleanup.forget_nonces()
            found["deleted_objects"] = await cleanup.delete_dead_objects()
            metrics.set_uploads_open(await cleanup.count_uploads())
            if any(found.values()):
                _log.info("cleaned", **found)
            is_more = BATCH in found.values()
        except (RegistryError, StorageError) as error:
            _log.warning("cleaning failed", error=str(error))
        except Exception:  # noqa: BLE001 - the top of a task: one that ended unseen would leave everything uncleaned
            _log.exception("cleaning failed")
        if not is_more:
            await asyncio.sleep(_INTERVAL * random.uniform(0.5, 1.5))
