"""How many requests a principal may make, by what they are for. It adds to what an address may make (registry.http.limits)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from enum import StrEnum
from typing import Final

from registry.core.access import ANONYMOUS_ID, Caller
from registry.core.limits import Counter, MemoryCounter, RateLimit, Standing


class RequestClass(StrEnum):
    """What a request is for, as far as its limit goes."""

    READ = "read"
    WRITE = "write"
    LOGIN = "login"
    ADMIN = "admin"


_READS: Final = ("GET", "HEAD", "OPTIONS")


def class_of(method: str, path: str) -> RequestClass:
    """Return what a request is for, by its method and its path as the routes see it."""
    if path.startswith("/auth/"):
        return RequestClass.LOGIN
    if path.startswith("/api/v1/admin/"):
        return RequestClass.ADMIN
    return RequestClass.READ if method in _READS else RequestClass.WRITE


class RequestLimits:
    """Counts requests, by limits a minute; a class without one is not limited."""

    def __init__(self, limits: Mapping[RequestClass, int], local: MemoryCounter, shared: Counter | None = None) -> None:
        self._rates = {of: RateLimit(limit, local, shared) for of, limit in limits.items() if limit}

    @property
    def limited(self) -> Collection[RequestClass]:
        """The classes that have a limit."""
        return self._rates.keys()

    async def count(self, of: RequestClass, caller: Caller, network: str) -> Standing:
        """Count a request of a class that is limited.

        Whoever logs in, or is nobody in particular, is counted by his network: nobody uses up what others may do.
        """
        rate = self._rates[of]
        is_known = of is not RequestClass.LOGIN and caller.principal_id not in (None, ANONYMOUS_ID)
        return await rate.count(f"{of}:principal {caller.principal_id}" if is_known else f"{of}:network {network}")
