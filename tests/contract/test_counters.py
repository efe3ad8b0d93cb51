"""What every Counter promises (registry.core.limits), in memory and in Redis."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest

from registry.core.limits import Counter, MemoryCounter
from registry.db.redis import Redis, RedisCounter
from tests.db.redis_server import RedisServer, redis_server

SECOND = 1_000_000


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    with redis_server() as running:
        yield running


@pytest.fixture(params=["memory", "redis"])
async def counter(request: pytest.FixtureRequest) -> AsyncIterator[Counter]:
    if request.param == "memory":
        yield MemoryCounter()
        return
    running = request.getfixturevalue("server")
    running.say("FLUSHALL")
    redis = Redis(running.url)
    yield RedisCounter(redis)
    await redis.close()


async def test_what_is_added_is_owed_and_each_key_owes_its_own(counter: Counter) -> None:
    for times in (1, 2, 3):
        owed = await counter.add("one", 100 * SECOND, 1000 * SECOND)
        assert owed is not None
        assert (times - 1) * 100 * SECOND < owed <= times * 100 * SECOND
    assert await counter.add("other", 100 * SECOND, 1000 * SECOND) == 100 * SECOND


async def test_what_would_be_too_much_is_said_and_not_added(counter: Counter) -> None:
    assert await counter.add("one", 700 * SECOND, 1000 * SECOND) == 700 * SECOND
    for _ in range(5):
        owed = await counter.add("one", 600 * SECOND, 1000 * SECOND)
        assert owed is not None
        assert 1200 * SECOND < owed <= 1300 * SECOND
    owed = await counter.add("one", 200 * SECOND, 1000 * SECOND)
    assert owed is not None
    assert 800 * SECOND < owed <= 900 * SECOND


async def test_a_debt_falls_as_time_passes(counter: Counter) -> None:
    await counter.add("one", 100 * SECOND, 1000 * SECOND)
    await asyncio.sleep(0.05)
    owed = await counter.add("one", 1, 1000 * SECOND)
    assert owed is not None
    assert owed <= 100 * SECOND - 50_000 + 1


async def test_a_debt_that_is_paid_is_forgotten(counter: Counter) -> None:
    await counter.add("one", 10_000, SECOND)
    await asyncio.sleep(0.02)
    assert await counter.add("one", 10_000, SECOND) == 10_000


async def test_what_is_given_back_is_owed_no_longer_and_nobody_is_owed_anything(counter: Counter) -> None:
    await counter.add("one", 300 * SECOND, 1000 * SECOND)
    owed = await counter.add("one", -100 * SECOND, 1000 * SECOND)
    assert owed is not None
    assert 100 * SECOND < owed <= 200 * SECOND
    assert await counter.add("one", -900 * SECOND, 1000 * SECOND) == 0
    assert await counter.add("one", 100 * SECOND, 1000 * SECOND) == 100 * SECOND
    assert await counter.add("other", -100 * SECOND, 1000 * SECOND) == 0
    assert await counter.add("other", 100 * SECOND, 1000 * SECOND) == 100 * SECOND


async def test_of_many_that_add_at_once_none_is_lost(counter: Counter) -> None:
    found = await asyncio.gather(*(counter.add("one", 10 * SECOND, 1000 * SECOND) for _ in range(300)))
    permitted = [owed for owed in found if owed is not None and owed <= 1000 * SECOND]
    assert len(permitted) == 100
    assert len(found) == 300
