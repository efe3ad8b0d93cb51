"""What nodes share in Redis: only what each can do without (docs/decisions/0006).

Whatever Redis does, nobody waits for it longer than PATIENCE, and nobody at all while it is known not to answer: then a probe
beside the requests looks once a second whether it is back. What it can't say is None, never an error.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, TypeVar

import redis.asyncio
import structlog
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ReadOnlyError, RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError

from registry import metrics
from registry.db.breaker import Breaker
from registry.db.hosts import Hosts
from registry.db.lookups import Batcher
from registry.errors import Unavailable

T = TypeVar("T")

PATIENCE: Final = 0.1
"""Seconds for a question to Redis, with the wait for a connection. It answers in less than a millisecond."""

LARGEST: Final = 1 << 20
"""Bytes of a content that is kept in Redis: at 100 Mbit/s it takes PATIENCE."""

_KEPT: Final = 3600  # seconds that a content stays
_PULLS: Final = 4  # contents at once, of each worker
_AWAY: Final = (RedisConnectionError, RedisTimeoutError, OSError)
# The client raises Python's own where an answer is none of Redis's, and where the URL has an option that it doesn't know.
_REFUSED: Final = (RedisError, ValueError, TypeError, RuntimeError)

# By Redis's own clock, so that nodes needn't agree. A debt from before its clock was set back is cut to the largest.
_ADD: Final = """
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local cost, most = tonumber(ARGV[1]), tonumber(ARGV[2])
local owed = math.max(math.min(math.max(tonumber(redis.call('GET', KEYS[1]) or now) - now, 0), most) + cost, 0)
if owed == 0 then
    redis.call('DEL', KEYS[1])
elseif owed <= most then
    redis.call('SET', KEYS[1], string.format('%.0f', now + owed), 'PX', math.ceil(owed / 1000))
end
return owed
"""

_log = structlog.get_logger("registry.db.redis")


class _Pool(redis.asyncio.ConnectionPool):
    """Connections before which the host's name is looked up, once for all who wait."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._hosts = Hosts([str(self.connection_kwargs.get("host", ""))])

    async def ensure_connection(self, connection: Any) -> None:
        if not connection.is_connected:
            await self._hosts.looked_up()
        await super().ensure_connection(connection)


class Redis:
    """The way to one Redis. Answers are those of `work`, or None."""

    def __init__(self, url: str) -> None:
        """Connect to `url` (redis://, rediss:// or unix://) when it is needed."""
        pool = _Pool.from_url(
            url,
            protocol=2,  # no greeting: a connection is ready at once
            driver_info=None,  # nor does it introduce itself
            retry=Retry(NoBackoff(), 0),  # what isn't answered is done without Redis
            socket_timeout=None,  # `answered` has the one time limit
            socket_connect_timeout=None,
        )
        self.client = redis.asyncio.Redis.from_pool(pool)
        self._breaker = Breaker("Redis", _AWAY)
        self._probe: asyncio.Task[None] | None = None
        self._refused: set[str] = set()  # operations whose refusal was told

    async def close(self) -> None:
        """Close every connection."""
        if self._probe is not None:
            self._probe.cancel()
            await asyncio.wait([self._probe])
        await self._disconnect(inuse=True)

    async def ask(self, operation: str, work: Callable[[], Awaitable[T | None]]) -> T | None:
        """Return what `work` finds; None where it finds nothing or Redis is no help. `operation` is a metric's label."""
        if self._breaker.is_open:
            self._look_again()
            metrics.count_redis_operation(operation, "skipped")
            return None
        try:
            with self._breaker.watching():
                found = await self._answered(work)
        except Unavailable as error:
            self._complain(operation, error.__cause__)
            metrics.count_redis_operation(operation, "failed")
            return None
        self._refused.discard(operation)
        metrics.count_redis_operation(operation, "done" if found is not None else "nothing")
        return found

    async def _answered(self, work: Callable[[], Awaitable[T]]) -> T:
        try:
            async with asyncio.timeout(PATIENCE):
                return await work()
        except _AWAY as error:
            raise Unavailable("Redis") from error
        except ReadOnlyError as error:  # after a failover its address may lead to another one: connections don't
            await self._disconnect()
            raise Unavailable("Redis (it refuses)") from error
        except _REFUSED as error:  # it has no memory left, say
            raise Unavailable("Redis (it refuses)") from error

    def _complain(self, operation: str, cause: BaseException | None) -> None:
        if isinstance(cause, _REFUSED) and not isinstance(cause, _AWAY) and operation not in self._refused:
            self._refused.add(operation)
            _log.warning("Redis refuses; it is done without", operation=operation, error=str(cause)[-200:])

    def _look_again(self) -> None:
        if self._breaker.probe_is_due and (self._probe is None or self._probe.done()):
            self._probe = asyncio.create_task(self._probed())

    async def _probed(self) -> None:
        with contextlib.suppress(Unavailable), self._breaker.watching():
            # A machine that has vanished leaves connections on which nobody will ever answer.
            await self._disconnect()
            await self._answered(self._ping)

    async def _disconnect(self, *, inuse: bool = False) -> None:
        """Close connections. With TLS the other end has its say in that, for PATIENCE at most."""
        with contextlib.suppress(*_AWAY):
            async with asyncio.timeout(PATIENCE):
                await self.client.connection_pool.disconnect(inuse_connections=inuse)

    async def _ping(self) -> None:
        await self.client.execute_command("PING")  # type: ignore[no-untyped-call]


class RedisCounter:
    """A `Counter` (registry.core.limits) that all nodes share. What is asked while a question is under way goes together."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._questions: Batcher[tuple[str, int, int], Any] = Batcher(self._add_all)

    async def add(self, key: str, cost: int, most: int) -> int | None:
        """See Counter."""
        return await self._redis.ask("count", lambda: self._added(key, cost, most))

    async def _added(self, key: str, cost: int, most: int) -> int:
        owed = await self._questions.find((key, cost, most))
        if isinstance(owed, Exception):
            raise owed
        return min(int(owed), most + cost)  # no other number makes sense, whoever says it

    async def _add_all(self, questions: Sequence[tuple[str, int, int]]) -> Sequence[Any]:
        """Return what each owes, or the error that is its answer: one key's is none of the others'."""
        async with asyncio.timeout(PATIENCE), self._redis.client.pipeline(transaction=False) as pipeline:
            for key, cost, most in questions:
                pipeline.eval(_ADD, 1, f"blacklake:owes:{key}", str(cost), str(most))
            return await pipeline.execute(raise_on_error=False)


class RedisContents:
    """Contents by digest, for an hour. Nothing here is an authority: who gets one looks whether it is what the digest says."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._under_way = 0

    async def get(self, digest: bytes) -> bytes | None:
        """Return what is kept under a packed digest; None where there is nothing, or many are just being fetched."""
        found = await self._bounded("get", lambda: self._redis.client.get(_key(digest)))
        return found if isinstance(found, bytes) else None

    async def put(self, digest: bytes, content: bytes) -> None:
        """Keep a content, unless it is larger than LARGEST."""
        if len(content) <= LARGEST:
            await self._bounded("put", lambda: self._redis.client.set(_key(digest), content, ex=_KEPT))

    async def _bounded(self, operation: str, work: Callable[[], Awaitable[Any]]) -> Any:
        if self._under_way >= _PULLS:
            return None
        self._under_way += 1
        try:
            return await self._redis.ask(operation, work)
        finally:
            self._under_way -= 1


def _key(digest: bytes) -> bytes:
    return b"blacklake:manifest:" + digest
