"""What others publish, kept for a while: nobody who asks us can make us ask them often."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final, Generic, TypeVar

import structlog

from registry.auth.outgoing_errors import OutgoingFailed
from registry.errors import Unavailable

T = TypeVar("T")

FRESH: Final = 600.0
"""Seconds for which a document is taken as it is."""

STALE: Final = 3600.0
"""Seconds for which it is used when no newer one can be had."""

PATIENCE: Final = 10.0
"""Seconds between two fetches, whatever is asked for."""

_LONGEST_BACKOFF: Final = 300.0

_log = structlog.get_logger("registry.auth")


class DocumentUnfit(ValueError):
    """A document can't be used; the message says why."""


class Remote(Generic[T]):
    """A document that `fetch` returns, or raises OutgoingFailed or DocumentUnfit; `what` it is for errors and logs."""

    def __init__(
        self, what: str, fetch: Callable[[], Awaitable[T]], *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._what = what
        self._fetch = fetch
        self._clock = clock
        self._value: T | None = None
        self._fetched_at = float("-inf")
        self._next_at = float("-inf")
        self._failures = 0
        self._look: asyncio.Task[None] | None = None

    async def value(self, suffices: Callable[[T], bool] = lambda _: True) -> T:
        """Return the document: a newer one where this one has grown old or doesn't suffice, at most one every PATIENCE seconds.

        Raise Unavailable where none can be had, or the last one is older than STALE.
        """
        now = self._clock()
        if self._value is not None and now - self._fetched_at < FRESH and suffices(self._value):
            return self._value
        if self._look is not None or now >= self._next_at:
            await self._looked()
        if self._value is None or self._clock() - self._fetched_at >= STALE:
            raise Unavailable(self._what, retry_after=int(PATIENCE))
        return self._value

    async def _looked(self) -> None:
        """Wait for one fetch, the same for all. An asker that leaves doesn't end it: it could begin another otherwise."""
        look = self._look = self._look or asyncio.create_task(self._fetched())
        await asyncio.wait([look])
        look.result()  # a defect is raised; what can be expected to fail has been noted

    async def _fetched(self) -> None:
        try:
            self._value = await self._fetch()
            self._failures = 0
            self._fetched_at = self._clock()
            self._next_at = self._fetched_at + PATIENCE
        except (OutgoingFailed, DocumentUnfit, Unavailable) as error:
            self._failures += 1
            self._next_at = self._clock() + min(PATIENCE * 2 ** (self._failures - 1), _LONGEST_BACKOFF)
            _log.warning("a document of somebody else can't be had", what=self._what, error=str(error))
        finally:
            self._look = None
