"""Micro-batched lookups: what is asked while a query runs goes together into the next one (DESIGN, decision 4).

No answer is older than its question: a question never joins a query that is already under way.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Generic, TypeVar, cast

Question = TypeVar("Question")
Answer = TypeVar("Answer")

PLANNED_ONCE: Final = "q.position BETWEEN 1 AND 1000000"
"""A condition in SQL that every question `q` meets; it is there for the planner's estimate.

PostgreSQL takes an array whose length it doesn't know for ten rows; after a range of unknown selectivity it expects one. A
generic plan for ten looks dearer to it than planning each query anew, which takes three times as long as the query.
"""

_PUMPS: Final = 2  # queries at once: while one's rows travel, PostgreSQL works on the other
_BATCH: Final = 128


class Batcher(Generic[Question, Answer]):
    """Asks many questions by one query each time. `ask` answers a sequence of questions in their order."""

    def __init__(self, ask: Callable[[Sequence[Question]], Awaitable[Sequence[Answer]]]) -> None:
        self._ask = ask
        self._waiting: list[tuple[Question, asyncio.Future[Answer]]] = []
        self._pumps: set[asyncio.Task[None]] = set()

    def find(self, question: Question) -> asyncio.Future[Answer]:
        """Return the future answer; it raises what the query raises."""
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append((question, future))
        if len(self._pumps) < _PUMPS:
            self._pumps.add(asyncio.create_task(self._pump()))
        return future

    async def _pump(self) -> None:
        try:
            while self._waiting:
                waiting = [one for one in self._waiting if not one[1].done()]  # the others' askers have left
                batch, self._waiting = waiting[:_BATCH], waiting[_BATCH:]
                if batch:
                    await self._answer(batch)
        finally:
            # Not in a callback of the task: that runs later, and a question in between would wait for a pump that has ended.
            self._pumps.discard(cast("asyncio.Task[None]", asyncio.current_task()))

    async def _answer(self, batch: Sequence[tuple[Question, asyncio.Future[Answer]]]) -> None:
        askers = [future for _, future in batch]
        try:
            answers = await self._ask([question for question, _ in batch])
            for future, answer in list(zip(askers, answers, strict=True)):  # all of them fit, or none is given out
                if not future.done():
                    future.set_result(answer)
        except asyncio.CancelledError:
            for future in askers:
                future.cancel()
            raise
        except Exception as error:  # noqa: BLE001 - whatever the query raised is what its askers get
            for future in askers:
                if not future.done():
                    future.set_exception(error)
