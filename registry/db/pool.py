"""Connections to PostgreSQL and named units of work on them.

Work runs in `read` (statements that needn't agree, no transaction), in `statement` (one that changes something and commits
by itself: a third of the round trips) or in `transaction`; each has a name that is a metric's label. They repeat the work
after a lost connection or a deadlock, as long as nothing can have been committed: work must therefore be free of other
effects. What stays unavailable is `Unavailable`, never asyncpg's error; and while nobody answers, work fails at once
(`registry.db.breaker`).

Behind a pooler that hands out PostgreSQL's sessions by transaction (docs/decisions/0003) all three are transactions, which
carry their time limits with them, and no statement outlives the one that prepared it.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, TypeVar

import asyncpg
from asyncpg.connect_utils import SessionAttribute
from asyncpg.pool import PoolConnectionProxy

from registry import metrics
from registry.db.breaker import Breaker
from registry.db.hosts import Hosts, hosts_of
from registry.errors import Unavailable

Connection: TypeAlias = "PoolConnectionProxy[asyncpg.Record]"
T = TypeVar("T")
_Way: TypeAlias = Literal["read", "statement", "transaction"]

_ATTEMPTS: Final = 4
_BACKOFF: Final = 0.05  # seconds, doubled at each attempt, with full jitter

_GRACE: Final = 2  # seconds for PostgreSQL to say itself that a statement has taken too long
_LIMITS: Final = ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout")
_LOOKS: Final = {"client_connection_check_interval": "1000"}  # ms: so long goes on what a node began that is gone
_CACHED_STATEMENTS: Final = 100  # of each connection, asyncpg's default

_LOST: Final = (
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.OperatorInterventionError,  # shutdown, crash of a neighbour, "cannot connect now", statement time-out
    asyncpg.InsufficientResourcesError,
    asyncpg.PostgresSystemError,  # its disk, say
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.InvalidCachedStatementError,  # a migration changed a table
    asyncpg.InvalidAuthorizationSpecificationError,  # while connecting, as the next: an operator is just changing things
    asyncpg.InvalidCatalogNameError,
    asyncpg.ReadOnlySQLTransactionError,  # the primary became a replica
    ConnectionError,
    OSError,
)
_CONTENDED: Final = (asyncpg.DeadlockDetectedError, asyncpg.SerializationError)
_NOT_COMMITTED: Final = (*_CONTENDED, asyncpg.ReadOnlySQLTransactionError, asyncpg.InsufficientResourcesError)
# That nobody is there. Other errors are PostgreSQL's answer: of a statement too slow, say, which says nothing of the others.
_AWAY: Final = (
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.CannotConnectNowError,
    asyncpg.TooManyConnectionsError,
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
    OSError,  # TimeoutError too: nobody let a new connection in, or not even the statement's own time limit was answered
)
_SLOW: Final = (asyncpg.QueryCanceledError, asyncpg.LockNotAvailableError, TimeoutError)


if TYPE_CHECKING:
    _PostgresConnection: TypeAlias = asyncpg.Connection[asyncpg.Record]
else:
    _PostgresConnection = asyncpg.Connection


class _Closing(_PostgresConnection):
    """One whose end is no failure: the pool closes what has expired in tasks whose outcome nobody asks for."""

    async def close(self, **how: Any) -> None:
        """See asyncpg; what doesn't close in time is aborted."""
        with contextlib.suppress(*_LOST):
            await super().close(**how)


class _NoneFree(Exception):
    """Other work held every connection for too long; that says nothing of the database."""


class TransactionSpoiled(Exception):
    """A defect: the work went on after a statement had failed, and PostgreSQL rolled back instead of committing."""


class Database:
    """A pool of connections that heals by itself."""

    def __init__(
        self,
        url: str,
        *,
        size: int,
        timeout: float,
        pooled: bool = False,
        attempts: int = _ATTEMPTS,
        what: str = "the database",
        server: Literal["primary", "any"] = "primary",
    ) -> None:
        """Connect to `url` by up to `size` connections; `timeout` is in seconds. `pooled`: `url` is a pooler's.

        Work is tried up to `attempts` times. Errors and logs call the database `what`. A `server` that is none such, a replica
        to which a failover or the URL's second host has led, counts as one that does not answer.
        """
        self._url = url
        self._size = size
        self._timeout = timeout
        self._pooled = pooled
        self._attempts = attempts
        self._what = what
        self._server = server
        self._hosts = Hosts(hosts_of(url) if server == "any" else ())  # a primary is needed: nothing goes on without it
        self._limits = {name: str(int(timeout * 1000)) for name in _LIMITS} | _LOOKS
        limits = "; ".join(f"SET LOCAL {name} = {value}" for name, value in self._limits.items())
        self._begin = f"BEGIN; {limits}" if pooled else "BEGIN"
        self._pool: asyncpg.Pool | None = None
        self._free = asyncio.Semaphore(size)  # the pool waits for a free connection and for a new one by one time limit
        self._breaker = Breaker(what, _AWAY)

    async def open(self) -> None:
        """Make the pool; connections are made when they are needed."""
        self._pool = await asyncpg.create_pool(
            self._url,
            min_size=0,
            max_size=self._size,
            connect=self._connect,
            connection_class=_Closing,
            command_timeout=self._timeout + _GRACE,
            timeout=self._timeout,
            max_inactive_connection_lifetime=0,
            # No session state is ever set, so nothing needs resetting: that saves a round trip at each release.
            reset=_keep_session,
            # A pooler refuses start-up parameters that it doesn't track, and prepared statements are of one session.
            server_settings={"application_name": "blacklake"} | ({} if self._pooled else self._limits),
            statement_cache_size=0 if self._pooled else _CACHED_STATEMENTS,
            # Asked for at each new connection: what a replica reads may be stale.
            target_session_attrs=SessionAttribute(self._server),
        )

    async def close(self) -> None:
        """Close every connection; wait a moment for work under way."""
        if self._pool is not None:
            try:
                await asyncio.wait_for(self._pool.close(), 5)
            except TimeoutError:
                self._pool.terminate()

    @property
    def usage(self) -> tuple[int, int]:
        """Return the connections in use and those open."""
        if self._pool is None:
            return 0, 0
        return self._pool.get_size() - self._pool.get_idle_size(), self._pool.get_size()

    @property
    def is_busy(self) -> bool:
        """Say whether other work holds every connection."""
        return self._free.locked()

    async def read(self, name: str, work: Callable[[Connection], Awaitable[T]]) -> T:
        """Run `work` without a transaction. Raise Unavailable where the database doesn't answer in time."""
        return await self._attempt(name, work, "read")

    async def statement(self, name: str, work: Callable[[Connection], Awaitable[T]]) -> T:
        """Run `work`, which is a single statement. Raise Unavailable as `transaction` does."""
        return await self._attempt(name, work, "statement")

    async def transaction(self, name: str, work: Callable[[Connection], Awaitable[T]]) -> T:
        """Run `work` in a transaction; commit where it returns, roll back where it raises.

        Raise Unavailable where the database doesn't answer in time, also when the outcome of the commit is not known.
        """
        return await self._attempt(name, work, "transaction")

    async def _attempt(self, name: str, work: Callable[[Connection], Awaitable[T]], way: _Way) -> T:
        try:
            with self._breaker.watching() as probes:
                return await self._repeated(name, work, way, attempts=1 if probes else self._attempts)
        except Unavailable as error:
            if self._pool is not None and (self._breaker.is_open or isinstance(error.__cause__, TimeoutError)):
                # None of the connections is used again: where a machine has vanished, each would be waited for in vain.
                await self._pool.expire_connections()
            raise

    async def _repeated(self, name: str, work: Callable[[Connection], Awaitable[T]], way: _Way, *, attempts: int) -> T:
        started = time.perf_counter()
        transacting = way == "transaction" or self._pooled
        for attempt in range(attempts):
            if attempt:
                await asyncio.sleep(random.uniform(0, _BACKOFF * 2**attempt))
            committing = False
            try:
                async with self._connection() as conn:
                    if transacting:
                        await _settled(conn, self._begin)
                    committing = way == "statement" and not transacting
                    result = await _undone_on_error(conn, work)
                    if transacting:
                        committing = way != "read"
                        if await _settled(conn, "COMMIT") != "COMMIT" and way != "read":
                            raise TransactionSpoiled(name)
                metrics.observe_transaction(name, "done", time.perf_counter() - started)
                return result
            except _NoneFree:
                metrics.observe_transaction(name, "timeout", time.perf_counter() - started)
                raise Unavailable(f"{self._what} (all connections to it are in use)") from None
            except _SLOW as error:
                metrics.observe_transaction(name, "timeout", time.perf_counter() - started)
                raise Unavailable(f"{self._what} (it takes too long)") from error
            except (*_LOST, *_CONTENDED) as error:
                metrics.observe_transaction(name, "repeated", time.perf_counter() - started)
                if committing and not isinstance(error, _NOT_COMMITTED):
                    raise Unavailable(f"{self._what} (it went away during a commit)") from error
                cause = error
        metrics.observe_transaction(name, "unavailable", time.perf_counter() - started)
        raise Unavailable(self._what) from cause

    async def _connect(self, *place: Any, **options: Any) -> _PostgresConnection:
        await self._hosts.looked_up()
        return await asyncpg.connect(*place, **options)

    @contextlib.asynccontextmanager
    async def _connection(self) -> AsyncIterator[Connection]:
        """Lend a connection. Raise _NoneFree where none is given back in time, TimeoutError where no new one comes."""
        if self._pool is None:
            raise Unavailable(f"{self._what} (this process is starting or ending)")
        try:
            async with asyncio.timeout(self._timeout if self._free.locked() else None):
                await self._free.acquire()
        except TimeoutError:
            raise _NoneFree from None
        try:
            async with self._pool.acquire(timeout=self._timeout) as conn:
                try:
                    yield conn
                except TimeoutError:
                    conn.terminate()  # asyncpg would wait for an answer to its cancellation, from nobody
                    raise
        finally:
            self._free.release()


async def _undone_on_error(conn: Connection, work: Callable[[Connection], Awaitable[T]]) -> T:
    try:
        return await work(conn)
    except asyncpg.ReadOnlySQLTransactionError:
        conn.terminate()  # the next connection may find the new primary; this one never will
        raise
    except TimeoutError:  # not even the statement's own time limit was answered, so a rollback won't be, either
        raise
    except BaseException:
        # Where this fails, or is cancelled, the connection is closed: PostgreSQL rolls back by itself then.
        if conn.is_in_transaction() and not conn.is_closed():
            await _settled(conn, "ROLLBACK")
        raise


async def _settled(conn: Connection, statement: str) -> str:
    """Begin or end a transaction, and return what is said. Who is cancelled meanwhile can't know whether one is open."""
    try:
        return await conn.execute(statement)
    except asyncio.CancelledError:
        conn.terminate()
        raise


async def _keep_session(_conn: asyncpg.Connection[asyncpg.Record]) -> None:
    """Leave a released connection as it is. asyncpg has rolled back already what was left open, where anything was."""
