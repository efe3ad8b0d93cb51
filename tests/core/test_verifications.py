"""Questions of pipelines: nobody's keep others waiting."""

from __future__ import annotations

import asyncio

import pytest

from registry.core.access import ANONYMOUS, Caller
from registry.core.verifications import Turns
from registry.errors import TooManyRequests


async def test_a_caller_asks_one_thing_at_a_time_and_keeps_nobody_from_asking() -> None:
    turns = Turns(patience=0.05)
    ann, bob = Caller(1, "ann"), Caller(2, "bob")
    async with turns.of(ann):
        async with turns.of(bob), turns.of(ANONYMOUS):
            pass
        with pytest.raises(TooManyRequests):
            async with turns.of(Caller(1, "ann")):
                raise AssertionError
    async with turns.of(ann):
        pass


async def test_who_waits_is_answered_in_turn() -> None:
    turns = Turns()
    told: list[int] = []

    async def ask(number: int) -> None:
        async with turns.of(Caller(1, "ann")):
            await asyncio.sleep(0)
            told.append(number)

    await asyncio.gather(*map(ask, range(5)))
    assert told == [0, 1, 2, 3, 4]
