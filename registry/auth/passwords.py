"""Passwords: argon2id (RFC 9106), a few at a time, and as long for a user who doesn't exist."""

from __future__ import annotations

import asyncio
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerifyMismatchError

LONGEST: Final = 1024
"""Characters of a password."""

SHORTEST: Final = 8

_AT_ONCE: Final = 2  # each takes 64 MiB and a core for some 50 ms
_HASHER: Final = PasswordHasher(time_cost=3, memory_cost=64 << 10, parallelism=1)
# Of a password that nobody knows: compared with where a user has none.
_NOBODYS: Final = "$argon2id$v=19$m=65536,t=3,p=1$Ymxha2VsYWtlLW5vYm9keQ$K0xk0a0Ff4H5cV9V5u2f0n1oQpW7m8q3x5r6t7y8u9E"


class PasswordUnfit(ValueError):
    """A password that can't be taken; the message says why."""


class Passwords:
    """Hashes and verifies, in threads of its own room: who logs in waits, nobody else does."""

    def __init__(self) -> None:
        self._room = asyncio.Semaphore(_AT_ONCE)

    async def hashed(self, password: str) -> str:
        """Return what is kept of a password. Raise PasswordUnfit."""
        if not SHORTEST <= len(password) <= LONGEST:
            raise PasswordUnfit(f"a password has {SHORTEST} to {LONGEST} characters")
        async with self._room:
            return await asyncio.to_thread(_HASHER.hash, password)

    async def match(self, kept: str | None, password: str) -> bool:
        """Say whether a password is the one that is kept; it takes as long where none is."""
        async with self._room:
            return await asyncio.to_thread(_matches, kept or _NOBODYS, password[:LONGEST]) and kept is not None


def _matches(kept: str, password: str) -> bool:
    try:
        return _HASHER.verify(kept, password)
    except (VerifyMismatchError, InvalidHashError):
        return False
