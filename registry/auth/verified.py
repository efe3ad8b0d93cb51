"""Tokens whose signature was verified: remembered until they end, in bounded memory."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Final, NamedTuple

from registry.core.access import Caller
from registry.errors import TokenInvalid

_KEPT: Final = 8192  # tokens, and
_KEPT_LENGTH: Final = 2048  # characters of one: whoever asks for long ones, again and again, fills no memory


class Verified(NamedTuple):
    """Whose token it is, which key has signed it, and until when it is valid (Unix time)."""

    caller: Caller
    kid: str
    until: float


class VerifiedTokens:
    """Has each token read once, by `read`; each time its key must still be there, as `key` finds it by its name."""

    def __init__(
        self, read: Callable[[str], Awaitable[Verified]], key: Callable[[str], Awaitable[object | None]]
    ) -> None:
        self._read = read
        self._key = key
        self._verified: OrderedDict[str, Verified] = OrderedDict()

    async def caller(self, token: str) -> Caller:
        """Return whose token this is. Raise TokenInvalid, and what `read` raises."""
        found = self._verified.get(token)
        if found is None:
            found = await self._read(token)
            if len(token) <= _KEPT_LENGTH:
                self._verified[token] = found
            while len(self._verified) > _KEPT:
                self._verified.popitem(last=False)
        elif await self._key(found.kid) is None:
            self._verified.pop(token, None)  # another request with it may have been here first
            raise TokenInvalid("is signed by a key that is no longer valid")
        if found.until <= time.time():
            self._verified.pop(token, None)
            raise TokenInvalid("has expired")
        return found.caller
