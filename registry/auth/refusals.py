"""Logins that were refused, in the audit log: so many of them and no more, so that strangers fill neither it nor the database.

Only what is recorded is bounded. Whoever comes with a right key, token or identity is let in, however many wrong ones others
have sent from his network: none of those can be guessed. Guessed passwords are the throttle's affair (registry.auth.throttle).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from registry import metrics
from registry.core.audit import Event, record
from registry.core.limits import MemoryCounter, RateLimit
from registry.db.pool import Database

SOMEBODY: Final = "somebody"
"""Who has named nobody that there is."""

OF_A_NETWORK: Final = 60
"""Events a minute of what is refused to such at one network, and"""

OF_ALL: Final = 600
"""of what is refused to such at all of them, in one process."""


class Refusals:
    """Records refusals. How many were left out is told by the next one that is recorded."""

    def __init__(self, db: Database, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._db = db
        counter = MemoryCounter(clock=clock)
        self._of_network, self._of_all = RateLimit(OF_A_NETWORK, counter), RateLimit(OF_ALL, counter)
        self._left_out = 0

    async def note(self, event: Event) -> None:
        """Record an event of somebody at an address. Raise Unavailable.

        Whose account was tried is always recorded: the throttle has let it through.
        """
        if event.actor.principal == SOMEBODY and await self._is_left_out(event):
            self._left_out += 1
            metrics.count_audit_dropped()
            return
        left_out, self._left_out = self._left_out, 0
        told = replace(event, detail={**event.detail, "left_out": left_out}) if left_out else event
        await self._db.statement("audit", lambda conn: record(conn, told))

    async def _is_left_out(self, event: Event) -> bool:
        for rate, client in ((self._of_network, f"network {event.actor.address}"), (self._of_all, "all")):
            if (await rate.count(client)).is_refused:
                return True
        return False
