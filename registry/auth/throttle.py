"""Logins by password, so many and no more, and yet nobody can lock others out (after OWASP's device cookies).

A user is known from the networks that he has logged in from. Who tries from one of those uses up what this user may try from
there; everybody else uses up what his own network may try, and what all unknown networks together may try of the user. So
whoever guesses, from however many networks, locks out strangers of the user only: who has logged in from somewhere before still
can. A user who doesn't exist has no known network, and is treated the same in all else.

A try is counted before the password is looked at, and given back where that was right: many at once are no way around. They
take turns, so that many who are right at once, as the nodes of a cluster that begins, don't count as many who are wrong.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Final, NamedTuple
from weakref import WeakValueDictionary

from registry.auth.sealing import SecretKey
from registry.core.access import Caller
from registry.core.limits import Counter, MemoryCounter, RateLimit
from registry.db import networks
from registry.db.pool import Connection, Database
from registry.errors import TooManyLogins


class Budget(NamedTuple):
    """So many failures at once, and as many in each `window` of seconds."""

    failures: int
    window: int


OF_A_NETWORK: Final = Budget(60, 600)
"""Of whomever it tries, unless that one is known from there."""

OF_A_USER_KNOWN_THERE: Final = Budget(30, 1800)
"""From each of the networks that he is known from."""

OF_A_USER_ELSEWHERE: Final = Budget(20, 3600)
"""From all networks together that he is not known from."""

_KNOWN: Final = timedelta(days=90)  # without a login
_FRESH: Final = timedelta(days=1)  # for which a login more needs no writing down
_DIGITS: Final = 32  # of a code: as many bits as nobody meets twice


class LoginThrottle:
    """Admits logins. `shared` counts for all nodes, `local` for this process where that can't say."""

    def __init__(self, db: Database, secret: SecretKey, local: MemoryCounter, shared: Counter | None = None) -> None:
        self._db = db
        self._secret = secret
        self._of_network, self._of_known, self._of_unknown = (
            RateLimit(budget.failures, local, shared, window=budget.window)
            for budget in (OF_A_NETWORK, OF_A_USER_KNOWN_THERE, OF_A_USER_ELSEWHERE)
        )
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def attempt(self, user: str, network: str, login: Callable[[], Awaitable[Caller]]) -> Caller:
        """Return whom `login` finds by the password of `user`, tried from a network (IPv4 /32, IPv6 /64, as text).

        Raise TooManyLogins without having tried, and what `login` raises: each such try has failed, whatever the reason. Keys
        and tokens can't be guessed: they are no matter for this.
        """
        place = self._code("network", f"{user}\0{network}")
        unused = await self._db.read("find_network", lambda conn: networks.last_used(conn, place))
        if unused is not None and unused < _KNOWN:
            budgets = [(self._of_known, f"login:{_short(place)}")]
        else:
            account = self._code("user", user)
            budgets = [(self._of_network, f"login:{network}"), (self._of_unknown, f"login:{_short(account)}")]
        caller = await self._within(budgets, login)
        if caller.principal_id is not None and (unused is None or unused > _FRESH):
            await self._remember(place, caller.principal_id)
        return caller

    async def _within(self, budgets: list[tuple[RateLimit, str]], login: Callable[[], Awaitable[Caller]]) -> Caller:
        turn = self._turns.setdefault(budgets[-1][1], asyncio.Lock())
        async with turn:
            for rate, client in budgets:
                standing = await rate.count(client)
                if standing.is_refused:
                    raise TooManyLogins(standing.next_in)
            caller = await login()
            for rate, client in budgets:
                await rate.give_back(client)
            return caller

    async def _remember(self, place: bytes, principal_id: int) -> None:
        async def add(conn: Connection) -> None:
            await networks.add(conn, place, principal_id=principal_id)

        await self._db.transaction("remember_network", add)

    def _code(self, purpose: str, text: str) -> bytes:
        return self._secret.code(f"login {purpose}\0{text}".encode())


def _short(code: bytes) -> str:
    return code.hex()[:_DIGITS]
