"""How fast something may be done."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable


class Pace:
    """Lets `rate` bytes a second through, whoever takes them."""

    def __init__(
        self,
        rate: int,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._rate = rate
        self._clock = clock
        self._sleep = sleep
        self._paid_until = 0.0

    async def take(self, size: int) -> None:
        """Wait until `size` bytes, and all that were taken before, are within the rate."""
        now = self._clock()
        self._paid_until = max(self._paid_until, now) + size / self._rate
        await self._sleep(self._paid_until - now)
