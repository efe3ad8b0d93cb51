"""Replicas of the database, for what never changes and for what may be stale (docs/decisions/0004).

Each is looked at again and again, beside the requests: whether it is a replica of the primary, of a schema that fits, and
which of the primary's commits it has replayed. A request asks one replica that is well, and the primary where that has no
answer: so a replica makes no answer wrong, lets no request fail, and is waited for by those only that find it silent first.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Final, NamedTuple, TypeVar

import asyncpg
import structlog

from registry import metrics
from registry.db import schema
from registry.db.pool import Connection, Database
from registry.errors import Unavailable

T = TypeVar("T")
Work = Callable[[Connection], Awaitable[T]]

PATIENCE: Final = 1.0
"""Seconds that a request waits for a replica, at most."""

_REMEMBERED: Final = 3600  # looks at the primary
_NEVER: Final = float("-inf")
# What it replays is at odds with this one statement, which says nothing of the next.
_CONFLICT: Final = (asyncpg.SerializationError, asyncpg.DeadlockDetectedError)

# A failover begins another timeline: positions of two timelines say nothing of each other.
_DATABASE: Final = "(SELECT oid FROM pg_database WHERE datname = current_database())::bigint AS database"
_PRIMARY: Final = f"""
SELECT system_identifier, {_DATABASE}, ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::int AS timeline,
    pg_current_wal_lsn() - '0/0' AS position
FROM pg_control_system()
"""
_REPLICA: Final = f"""
SELECT system_identifier, {_DATABASE}, timeline_id AS timeline, pg_last_wal_replay_lsn() - '0/0' AS position,
    pg_is_in_recovery() AS is_replica
FROM pg_control_system(), pg_control_checkpoint()
"""

_log = structlog.get_logger("registry.db.replicas")


class _History(NamedTuple):
    """Whose log it is: that of a PostgreSQL since initdb, and since its last failover; and which of its databases is ours."""

    system: int
    database: int
    timeline: int


class _Replica:
    """One replica: why it is not asked (None: it is), and how old what it knows may be."""

    def __init__(self, number: int, db: Database) -> None:
        self.db = db
        self.number = number
        self.as_of = _NEVER  # what was committed before this time of our clock is there
        self.misfit: str | None = "was not looked at yet"

    def judge(self, misfit: str | None) -> None:
        """Note whether it may be asked, and tell where that has changed."""
        if misfit == self.misfit:
            return
        self.misfit = misfit
        if misfit is None:
            _log.info("a replica is used", replica=self.number)
        else:
            _log.warning("a replica is not used; the primary answers", replica=self.number, reason=misfit)


class Replicas:
    """The primary and its replicas. Without any, everything is read on the primary."""

    def __init__(
        self, primary: Database, replicas: Sequence[Database] = (), *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._primary = primary
        self._replicas = [_Replica(number, db) for number, db in enumerate(replicas, 1)]
        self._clock = clock
        self._turn = 0
        self._given_up: set[asyncio.Task[object]] = set()  # reads that are ending, without anybody who waits for that
        self._history: _History | None = None
        self._ends: deque[tuple[float, int]] = deque(maxlen=_REMEMBERED)  # when, and where the primary's log ended then

    async def open(self) -> None:
        """Make the pools; connections are made when they are needed."""
        for replica in self._replicas:
            await replica.db.open()

    async def close(self) -> None:
        """Close every connection to a replica."""
        for replica in self._replicas:
            await replica.db.close()

    async def immutable(self, name: str, work: Work[T | None], *, is_right: Callable[[T], Awaitable[bool]]) -> T | None:
        """Return what `work` finds. It reads what never changes once it is there, and the primary has said that it is.

        A replica that finds nothing, or what is not right, lags or is none of ours: then the primary is asked, whose word
        counts. Raise Unavailable where that doesn't answer.
        """
        replica = next(self._usable(), None)
        if replica is not None:
            found = await self._asked(replica, name, work)
            if found is not None and await is_right(found):
                metrics.count_replica_read("replica")
                return found
        self._count_primary(replica)
        return await self._primary.read(name, work)

    async def stale(self, name: str, work: Work[T], *, within: float) -> tuple[T, float]:
        """Return what `work` reads, and how many seconds old that may be: `within` at most, 0 where the primary answered.

        Not for tags, links and rights, of which every answer must be true (DESIGN, decision 4). Raise Unavailable as
        `immutable` does.
        """
        replica = next((one for one in self._usable() if one.as_of > _NEVER and self._age(one) <= within), None)
        if replica is not None:
            answer = await self._asked(replica, name, lambda conn: self._dated(conn, work))
            if answer is not None and (age := self._clock() - answer[1]) <= within:
                metrics.count_replica_read("replica")
                return answer[0], age
        self._count_primary(replica)
        return await self._primary.read(name, work), 0.0

    async def look(self) -> None:
        """Look at the primary and then at every replica: what a replica has is compared with what the primary had before."""
        now = self._clock()
        try:
            row = await self._primary.read("look_at_primary", lambda conn: conn.fetchrow(_PRIMARY))
        except (Unavailable, asyncpg.PostgresError) as error:
            _log.debug("where the primary's log ends is not known", error=str(error))
        else:
            assert row is not None
            history = _History(row["system_identifier"], row["database"], row["timeline"])
            if history != self._history:
                self._history = history
                self._ends.clear()
            self._ends.append((now, int(row["position"])))
        await asyncio.gather(*map(self._look_at, self._replicas))

    async def _look_at(self, replica: _Replica) -> None:
        try:
            misfit, position = await replica.db.read("look_at_replica", self._state)
        except Unavailable:
            misfit, position = "does not answer", None
        except asyncpg.PostgresError as error:
            misfit, position = f"refuses: {error}", None
        if position is not None:
            replica.as_of = max(replica.as_of, self._passed(position))
        replica.judge(misfit)
        metrics.set_replica_lag(replica.number, self._age(replica))

    async def _state(self, conn: Connection) -> tuple[str | None, int | None]:
        """Return why a replica can't be used, and up to where it has replayed the primary's log."""
        row = await conn.fetchrow(_REPLICA)
        assert row is not None
        if self._history is None:
            return "is of a primary that was not seen yet", None
        if (row["system_identifier"], row["database"]) != (self._history.system, self._history.database):
            return "belongs to another database than BLACKLAKE_DATABASE_URL", None
        if not row["is_replica"]:
            return "is no replica but a primary", None
        known = row["position"] is not None and row["timeline"] == self._history.timeline
        return await schema.problem(conn), int(row["position"]) if known else None

    async def _dated(self, conn: Connection, work: Work[T]) -> tuple[T, float]:
        """Return what `work` reads, and a time of which all earlier commits are in it.

        That of this very connection: behind the URL may be several servers, of which another was looked at.
        """
        misfit, position = await self._state(conn)
        as_of = self._passed(position) if misfit is None and position is not None else _NEVER
        return await work(conn), as_of

    def _passed(self, position: int) -> float:
        """Return when the primary's log ended at `position` or before it."""
        return next((when for when, end in reversed(self._ends) if end <= position), _NEVER)

    def _age(self, replica: _Replica) -> float:
        return self._clock() - replica.as_of

    def _usable(self) -> Iterator[_Replica]:
        """Yield the replicas that may be asked, beginning with the next one each time."""
        self._turn += 1
        for number in range(self._turn, self._turn + len(self._replicas)):
            replica = self._replicas[number % len(self._replicas)]
            if replica.misfit is None:
                yield replica

    def _count_primary(self, asked: _Replica | None) -> None:
        if self._replicas:
            metrics.count_replica_read("fallback" if asked else "primary")

    async def _asked(self, replica: _Replica, name: str, work: Work[T]) -> T | None:
        waits = replica.db.is_busy  # for what others hold: they will judge
        reading = asyncio.create_task(replica.db.read(name, work))
        try:
            await asyncio.wait([reading], timeout=PATIENCE)
        finally:
            self._give_up(reading)
        if not reading.done():
            if not waits:
                replica.judge("did not answer in time")  # until it does at the next look
            return None
        try:
            return reading.result()
        except Unavailable as error:
            if not waits and not isinstance(error.__cause__, _CONFLICT):
                replica.judge(f"did not answer: {error}")
        except asyncpg.PostgresError as error:
            replica.judge(f"refuses: {error}")
        return None

    def _give_up(self, reading: asyncio.Task[T]) -> None:
        """Cancel a read that hasn't ended: a connection on which nobody answers takes its time for that."""
        if reading.cancel():
            self._given_up.add(reading)
            reading.add_done_callback(self._ended)

    def _ended(self, reading: asyncio.Task[T]) -> None:
        self._given_up.discard(reading)
        if not reading.cancelled():
            reading.exception()  # or asyncio would tell it as one that nobody has seen
