"""Questions of pipelines: nobody's keep others waiting."""

from __future__ import annotations

import asyncio

import pytest

from mediatypes.digest import Digest
from mediatypes.names import RepositoryName
from registry.core.access import Caller
from registry.core.verifications import Turns, Verifications
from registry.errors import TooManyRequests


async def test_a_caller_asks_one_thing_at_a_time_and_keeps_nobody_from_asking() -> None:
    turns = Turns(patience=0.05)
    async with turns.of("ann"):
        async with turns.of("bob"):
            pass
        with pytest.raises(TooManyRequests):
            async with turns.of("ann"):
                raise AssertionError
    async with turns.of("ann"):
        pass


async def test_who_waits_is_answered_in_turn() -> None:
    turns = Turns()
    told: list[int] = []

    async def ask(number: int) -> None:
        async with turns.of("ann"):
            await asyncio.sleep(0)
            told.append(number)

    await asyncio.gather(*map(ask, range(5)))
    assert told == [0, 1, 2, 3, 4]


async def test_many_callers_ask_one_thing_at_a_time_of_an_organisation(monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[str] = []
    first, end = asyncio.Event(), asyncio.Event()

    async def verdict(_: Verifications, name: RepositoryName, *__: object) -> None:
        begun.append(str(name))
        if name.startswith("team/"):
            first.set()
            await end.wait()

    monkeypatch.setattr(Verifications, "_verdict", verdict)
    verifications = Verifications(None, None, None)  # type: ignore[arg-type]

    async def ask(name: str, number: int) -> None:
        await verifications.verify(RepositoryName(name), Digest.of(b""), b"", Caller(number, f"robot{number}"))

    asked = [asyncio.create_task(ask(f"team/{number}", number)) for number in range(4)]
    await first.wait()
    await ask("rival/model", 9)
    assert begun == ["team/0", "rival/model"]
    end.set()
    await asyncio.gather(*asked)
    assert len(begun) == 5
