"""How fast something may be done, by a clock that the test moves."""

from __future__ import annotations

import asyncio

import pytest

from registry.core.pace import Pace


class Clock:
    """A time that goes on only where somebody sleeps, or works."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(0)
        self.now += seconds


async def test_at_no_time_more_was_let_through_than_the_rate_allows() -> None:
    clock = Clock()
    pace = Pace(100, clock=clock, sleep=clock.sleep)
    taken = 0
    for size in (50, 1, 300, 20, 0, 7):
        await pace.take(size)
        taken += size
        assert taken <= 100 * (clock.now - 1000) + 1e-6
    assert clock.now == pytest.approx(1000 + taken / 100)  # and no slower, where nothing else takes time


async def test_time_that_was_not_used_is_not_made_up_for() -> None:
    clock = Clock()
    pace = Pace(100, clock=clock, sleep=clock.sleep)
    clock.now += 60
    await pace.take(100)
    assert clock.now == 1061


async def test_those_who_take_at_once_share_the_rate() -> None:
    began: list[float] = []

    async def sleep(seconds: float) -> None:
        began.append(seconds)

    pace = Pace(100, clock=lambda: 0.0, sleep=sleep)
    await asyncio.gather(*(pace.take(100) for _ in range(3)))
    assert began == [1, 2, 3]
