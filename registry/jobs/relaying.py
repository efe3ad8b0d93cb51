"""The loop that makes jobs of what the outbox holds. It runs beside every worker of the queue: none is special."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from registry import metrics
from registry.core.jobs import Jobs
from registry.core.outbox import BATCH, Outbox
from registry.core.outdated import Outdated
from registry.core.rescans import Rescans
from registry.errors import RegistryError

_INTERVAL: Final = 0.8  # seconds, with jitter less than the one that is promised
_CARE: Final = 60.0  # seconds between looks at what the queue has lost and at what may be forgotten

_PAGES: Final = 10  # of manifests that are looked through at a look, as long as none of them is outdated

_log = structlog.get_logger("registry.jobs")


async def relay_forever(outbox: Outbox, wake: Callable[[], Awaitable[None]]) -> None:
    """Relay until cancelled, and wake this process's worker where there is something to do; what fails is tried again."""
    while True:
        moved = 0
        try:
            moved = await outbox.relay()
            if moved:
                await wake()
        except RegistryError as error:
            _log.warning("relaying the outbox failed", error=str(error))
        except Exception:  # noqa: BLE001 - the top of a task: one that ended unseen would leave everything undone
            _log.exception("relaying the outbox failed")
        if moved < BATCH:
            await asyncio.sleep(_INTERVAL * random.uniform(0.75, 1.25))


async def care_forever(
    outbox: Outbox, jobs: Jobs, outdated: Outdated, rescans: Rescans, forget_log: Callable[[], Awaitable[int]]
) -> None:
    """Until cancelled, put back what the queue has lost, count what is to be done, and forget what was done long ago.

    And ask for what an older version has described or scanned: a batch of those at a time, so that no queue becomes long by it.
    """
    while True:
        try:
            restored = await outbox.restore()
            if restored:
                _log.warning("jobs were not in the queue any more and are put back", jobs=restored)
            for (kind, state), count in (await jobs.unfinished()).items():
                metrics.set_jobs_unfinished(kind, state, count)
            for _ in range(_PAGES):
                if await outdated.ask() != 0:
                    break
            await _rescan(rescans)
            while await jobs.forget():
                pass
            while await forget_log():
                pass
        except RegistryError as error:
            _log.warning("looking after the jobs failed", error=str(error))
        except Exception:  # noqa: BLE001 - likewise
            _log.exception("looking after the jobs failed")
        await asyncio.sleep(_CARE * random.uniform(0.5, 1.0))


async def _rescan(rescans: Rescans) -> None:
    for _ in range(_PAGES):
        if await rescans.ask() != 0:
            break
    for name, is_up in rescans.up.items():
        metrics.set_scanner_up(name, is_up=is_up)
