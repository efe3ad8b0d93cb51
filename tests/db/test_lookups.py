"""Micro-batched lookups: no answer is older than its question, and every asker gets one."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from registry.db.lookups import Batcher


class Queries:
    """Queries that are under way until the test answers them."""

    def __init__(self) -> None:
        self.asked: list[list[int]] = []
        self.replies: list[asyncio.Future[Sequence[str]]] = []

    async def ask(self, questions: Sequence[int]) -> Sequence[str]:
        self.asked.append(list(questions))
        self.replies.append(asyncio.get_running_loop().create_future())
        return await self.replies[-1]

    def answer(self, number: int) -> None:
        self.replies[number].set_result([f"answer to {question}" for question in self.asked[number]])


async def turn() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def answers(queries: Queries, asker: asyncio.Future[str]) -> str:
    """Answer all queries until the asker has its answer."""
    for _ in range(20):
        for reply, asked in zip(queries.replies, queries.asked, strict=True):
            if not reply.done():
                reply.set_result([f"answer to {question}" for question in asked])
        await turn()
    assert asker.done()
    return asker.result()


async def test_a_question_never_joins_a_query_that_is_under_way() -> None:
    queries = Queries()
    batcher = Batcher(queries.ask)
    first = batcher.find(1)
    await turn()
    second = batcher.find(2)
    await turn()
    third, fourth = batcher.find(3), batcher.find(4)
    await turn()
    assert queries.asked == [[1], [2]]
    queries.answer(1)
    await turn()
    assert queries.asked == [[1], [2], [3, 4]]
    assert second.result() == "answer to 2"
    assert not first.done()
    queries.answer(2)
    queries.answer(0)
    assert await asyncio.gather(first, third, fourth) == ["answer to 1", "answer to 3", "answer to 4"]


async def test_questions_beyond_a_batch_go_into_the_next() -> None:
    queries = Queries()
    batcher = Batcher(queries.ask)
    askers = [batcher.find(number) for number in range(300)]
    await turn()
    assert [len(asked) for asked in queries.asked] == [128, 128]
    assert await answers(queries, askers[-1]) == "answer to 299"
    assert await asyncio.gather(*askers) == [f"answer to {number}" for number in range(300)]


async def test_a_question_asked_while_all_queries_are_just_ending_is_answered() -> None:
    queries = Queries()
    batcher = Batcher(queries.ask)
    late: list[asyncio.Future[str]] = []

    async def ask_again(first: asyncio.Future[str]) -> None:
        await first
        late.append(batcher.find(3))

    asker = asyncio.create_task(ask_again(batcher.find(1)))
    await turn()
    other = batcher.find(2)
    await turn()
    assert queries.asked == [[1], [2]]
    queries.answer(0)
    queries.answer(1)
    await asyncio.gather(asker, other)
    assert await answers(queries, late[0]) == "answer to 3"


async def test_an_asker_that_is_cancelled_takes_nothing_from_the_others() -> None:
    queries = Queries()
    batcher = Batcher(queries.ask)
    askers = [asyncio.ensure_future(batcher.find(number)) for number in range(3)]
    await turn()
    askers[1].cancel()
    queries.answer(0)
    done = await asyncio.gather(*askers, return_exceptions=True)
    assert done[0] == "answer to 0"
    assert isinstance(done[1], asyncio.CancelledError)
    assert done[2] == "answer to 2"


async def test_a_question_whose_asker_has_left_before_the_query_is_not_asked() -> None:
    queries = Queries()
    batcher = Batcher(queries.ask)
    asker, other = batcher.find(1), batcher.find(2)
    asker.cancel()
    assert await answers(queries, other) == "answer to 2"
    batcher.find(3).cancel()
    await turn()
    assert queries.asked == [[2]]


@pytest.mark.parametrize("error", [ValueError("broken"), KeyError(1), StopAsyncIteration(), asyncio.CancelledError()])
async def test_what_a_query_raises_reaches_every_asker_and_the_next_query_works(error: BaseException) -> None:
    queries = Queries()
    batcher = Batcher(queries.ask)
    askers = [batcher.find(number) for number in range(3)]
    await turn()
    queries.replies[0].set_exception(error)
    await asyncio.wait(askers, timeout=30)
    for asker in askers:
        with pytest.raises(type(error)):
            await asker
    assert await answers(queries, batcher.find(4)) == "answer to 4"


@pytest.mark.parametrize("count", [0, 2, 4])
async def test_a_query_that_answers_another_number_of_questions_is_an_error_of_every_asker(count: int) -> None:
    queries = Queries()
    batcher = Batcher(queries.ask)
    askers = [batcher.find(number) for number in range(3)]
    await turn()
    queries.replies[0].set_result(["answer"] * count)
    await asyncio.wait(askers, timeout=30)
    for asker in askers:
        with pytest.raises(ValueError, match="zip"):
            await asker
    assert await answers(queries, batcher.find(4)) == "answer to 4"


async def test_no_pump_is_left_when_all_is_answered() -> None:
    queries = Queries()
    batcher = Batcher(queries.ask)
    for number in range(3):
        assert await answers(queries, batcher.find(number)) == f"answer to {number}"
        assert asyncio.all_tasks() == {asyncio.current_task()}
