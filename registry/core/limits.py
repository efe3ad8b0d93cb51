"""How many requests a client may make: a debt that grows by each request and falls with time (a leaky bucket, or GCRA)."""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

WINDOW: Final = 60
"""Seconds in which a client that has used up all its requests gets all of them back, one by one."""

_MICRO: Final = 1_000_000
_CLIENTS: Final = 65_536


class Counter(Protocol):
    """Counts what clients owe, in microseconds: a debt falls by itself as time passes."""

    async def add(self, key: str, cost: int, most: int) -> int | None:
        """Add `cost` to what `key` owes, unless it would owe more than `most` then; return what it owes, or would owe.

        A negative cost gives back, down to a debt of nothing. Of many that add at once none is lost. Return None where it can't
        be said now.
        """


class MemoryCounter:
    """A `Counter` of this process, for up to `clients` keys: those that were not heard of for longest are forgotten first."""

    def __init__(self, *, clients: int = _CLIENTS, clock: Callable[[], float] = time.monotonic) -> None:
        self._clients = clients
        self._clock = clock
        self._paid: OrderedDict[str, int] = OrderedDict()  # when each key will owe nothing any more

    def __len__(self) -> int:
        return len(self._paid)

    async def add(self, key: str, cost: int, most: int) -> int:
        """See Counter; it can always be said."""
        now = int(self._clock() * _MICRO)
        paid = max(self._paid.pop(key, now), now)
        owed = max(paid - now + cost, 0)
        self._paid[key] = now + owed if owed <= most else paid
        while len(self._paid) > self._clients or next(iter(self._paid.values()), math.inf) <= now:
            self._paid.popitem(last=False)
        return owed


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a client stands: the requests it has left of `limit`, and the seconds until it has one more."""

    limit: int
    remaining: int
    next_in: int
    is_refused: bool


class RateLimit:
    """Permits each client `limit` requests at once, and as many in each `window` of seconds.

    `shared` counts for all nodes, `local` for this process where that can't say.
    """

    def __init__(
        self, limit: int, local: MemoryCounter, shared: Counter | None = None, *, window: int = WINDOW
    ) -> None:
        self._limit = limit
        self._cost = window * _MICRO // limit
        self._most = self._cost * limit  # a rounded window, or many small costs would leave room for more than `limit`
        self._local = local
        self._shared = shared

    async def count(self, client: str) -> Standing:
        """Count a request of a client."""
        owed = await self._add(client, self._cost)
        if owed > self._most:
            return Standing(self._limit, 0, math.ceil((owed - self._most) / _MICRO), is_refused=True)
        remaining = (self._most - owed) // self._cost
        next_at = self._most - (remaining + 1) * self._cost  # who owes no more than this has one more
        return Standing(self._limit, remaining, math.ceil((owed - next_at) / _MICRO), is_refused=False)

    async def give_back(self, client: str) -> None:
        """Let a request of a client that was counted count no longer."""
        await self._add(client, -self._cost)

    async def _add(self, client: str, cost: int) -> int:
        owed = await self._shared.add(client, cost, self._most) if self._shared is not None else None
        return owed if owed is not None else await self._local.add(client, cost, self._most)
