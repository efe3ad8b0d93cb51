"""Whose turn it is: of all workers of a node one has the loops that each node needs once."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

_INTERVAL: Final = 1.0  # seconds between attempts, and hence for which nobody has the turn of one that was killed


@contextlib.asynccontextmanager
async def turn(place: Path) -> AsyncIterator[None]:
    """Hold the lock of a file, as soon as nobody else does. The kernel gives it back when its holder ends, however that is."""
    place.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(place, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                await asyncio.sleep(_INTERVAL)
        yield
    finally:
        os.close(descriptor)
