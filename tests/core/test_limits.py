"""Clients get as many requests as they may have, at once and in each minute, and memory is bounded."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.core.limits import MemoryCounter, RateLimit, Standing


class Clock:
    """Moved by hand."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Mute:
    """A counter that can't say."""

    async def add(self, key: str, cost: int, most: int) -> int | None:
        return None


@pytest.mark.parametrize("limit", [1, 7, 60, 700_000, 999_999, 1_000_000])
async def test_a_whole_minute_s_requests_may_come_at_once_and_the_next_is_refused(limit: int) -> None:
    clock = Clock()
    rate = RateLimit(limit, MemoryCounter(clock=clock))
    asked = min(limit, 1000)
    standings = [await rate.count("a") for _ in range(asked)]
    assert [standing.remaining for standing in standings] == list(range(limit - 1, limit - asked - 1, -1))
    assert not any(standing.is_refused for standing in standings)
    if asked == limit:
        refused = await rate.count("a")
        assert refused == Standing(limit, 0, -(-60 // limit), is_refused=True)
        assert not (await rate.count("b")).is_refused


async def test_who_waits_as_long_as_was_said_gets_one_more_and_no_two() -> None:
    clock = Clock()
    rate = RateLimit(10, MemoryCounter(clock=clock))
    for _ in range(10):
        await rate.count("a")
    for _ in range(5):
        refused = await rate.count("a")
        assert refused.is_refused
        clock.now += refused.next_in
        assert not (await rate.count("a")).is_refused
        assert (await rate.count("a")).is_refused
    clock.now += 60
    assert (await rate.count("a")).remaining == 9


async def test_refused_requests_cost_nothing() -> None:
    clock = Clock()
    rate = RateLimit(2, MemoryCounter(clock=clock))
    for _ in range(100):
        await rate.count("a")
    assert (await rate.count("a")).next_in == 30


async def test_what_is_given_back_can_be_had_again() -> None:
    rate = RateLimit(3, MemoryCounter(clock=Clock()), window=600)
    for _ in range(10):
        assert not (await rate.count("a")).is_refused
        await rate.give_back("a")
    assert [(await rate.count("a")).remaining for _ in range(3)] == [2, 1, 0]
    assert (await rate.count("a")).next_in == 200
    await rate.give_back("a")
    assert not (await rate.count("a")).is_refused


async def test_where_the_shared_counter_can_not_say_the_local_one_counts() -> None:
    clock = Clock()
    rate = RateLimit(2, MemoryCounter(clock=clock), Mute())
    assert [(await rate.count("a")).is_refused for _ in range(3)] == [False, False, True]


async def test_a_counter_in_memory_forgets_those_that_owe_nothing_and_at_most_the_oldest_others() -> None:
    clock = Clock()
    counter = MemoryCounter(clients=100, clock=clock)
    for number in range(1000):
        await counter.add(str(number), 1_000_000, 60_000_000)
    assert len(counter) == 100
    assert await counter.add("999", 1_000_000, 60_000_000) == 2_000_000
    assert await counter.add("899", 1_000_000, 60_000_000) == 1_000_000
    clock.now += 5
    await counter.add("new", 1_000_000, 60_000_000)
    assert len(counter) == 1


@given(
    limit=st.integers(1, 40),
    waits=st.lists(st.integers(0, 20_000).map(lambda milliseconds: milliseconds / 1000), max_size=120),
)
async def test_no_client_gets_more_than_twice_its_requests_in_any_minute_nor_less_than_its_due(
    limit: int, waits: list[float]
) -> None:
    clock = Clock()
    rate = RateLimit(limit, MemoryCounter(clock=clock))
    permitted: list[float] = []
    for wait in waits:
        clock.now += wait
        standing = await rate.count("a")
        if not standing.is_refused:
            permitted.append(clock.now)
        else:
            assert 1 <= standing.next_in <= 60
            recent = [when for when in permitted if when > clock.now - 60]
            assert len(recent) >= limit  # nobody is refused who made fewer in this minute
    for start in permitted:
        assert len([when for when in permitted if start <= when < start + 60]) <= 2 * limit
