"""How jobs tell how far they are."""

from __future__ import annotations

import time
from typing import Final

from registry.core.jobs import Jobs
from registry.core.layer_readings import Tell
from registry.db.jobs import BegunJob

_INTERVAL: Final = 1.0  # seconds between words of progress


def telling(jobs: Jobs, begun: BegunJob) -> Tell:
    """Return what a job's verb tells, however often; a word of it in a second is passed on."""
    told = time.monotonic()

    async def tell(total: int, progress: int) -> None:
        nonlocal told
        if time.monotonic() - told >= _INTERVAL:
            told = time.monotonic()
            await jobs.tell(begun, total=total, progress=progress)

    return tell
