"""Which logins that were refused are recorded: nobody fills the audit log, or hides in it, by what is no credential."""

from __future__ import annotations

from typing import Final

from registry import metrics
from registry.core.limits import MemoryCounter, RateLimit
from registry.errors import RegistryError

REFUSALS: Final = 60
"""Refusals a minute, from one network and in one process, that say nothing of anybody who exists. More are only counted."""


class Refusals:
    """Wrong passwords are throttled (registry.auth.throttle); wrong keys, tokens and identities cost their sender nothing."""

    def __init__(self) -> None:
        self._of_networks = RateLimit(REFUSALS, MemoryCounter())

    async def is_recorded(self, error: RegistryError, network: str) -> bool:
        """Count a refusal of a network's, and say whether it is to be recorded. Whose account it was about always is."""
        if getattr(error, "principal", None) is not None:
            return True
        if not (await self._of_networks.count(network)).is_refused:
            return True
        metrics.count_audit_dropped()
        return False
