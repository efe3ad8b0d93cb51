"""The worker: it takes jobs from PgQueuer's queue and does them, a few at a time.

A job is done at least once: whatever a worker was doing when it was killed, another does after `heartbeat` seconds. What fails
is tried again later and later, and at last left; a job that ends its worker each time has its attempts counted, too.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from typing import Final

import structlog
from pgqueuer.core.qm import QueueManager
from pgqueuer.domain.errors import RetryRequested
from pgqueuer.domain.models import Job

from registry import metrics
from registry.core.jobs import MOST_ATTEMPTS, Jobs, JobTaken
from registry.db.jobs import BegunJob
from registry.db.pool import Database
from registry.db.queue import QueueDriver, queries
from registry.errors import RegistryError
from registry.storage.base import StorageError

HEARTBEAT: Final = 30.0
"""Seconds without a word of its worker after which a job is another's."""

_POLL: Final = 3.0  # seconds between looks into the queue; what is relayed here wakes at once
_FIRST_DELAY: Final = 2.0  # seconds until the second attempt, doubled at each further one, up to
_LAST_DELAY: Final = 300.0
_RESTART: Final = 2.0  # seconds after the queue could not be read

_log = structlog.get_logger("registry.jobs")

Verb = Callable[[BegunJob], Awaitable[None]]
"""Does a job, and finishes it in the transaction that keeps the result."""


class Worker:
    """Does jobs of the kinds of `verbs`, up to `at_once` at a time."""

    def __init__(
        self, db: Database, jobs: Jobs, verbs: Mapping[str, Verb], *, at_once: int = 2, heartbeat: float = HEARTBEAT
    ) -> None:
        self._db = db
        self._jobs = jobs
        self._verbs = verbs
        self._at_once = at_once
        self._heartbeat = timedelta(seconds=heartbeat)
        self._ending = asyncio.Event()
        self._leaving = asyncio.Event()
        self._driver: QueueDriver | None = None
        self._manager: QueueManager | None = None
        logging.getLogger("pgqueuer").addFilter(_without_traceback)

    async def run(self) -> None:
        """Work until `end` is called and the jobs under way are done, or given back."""
        while not self._ending.is_set():
            try:
                await self._work()
            except (RegistryError, RuntimeError) as error:
                _log.warning("the queue of jobs can't be read", error=str(error))
            except Exception:  # noqa: BLE001 - the top of a task: one that ended unseen would leave everything undone
                _log.exception("the queue of jobs can't be read")
            else:
                continue
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._ending.wait(), _RESTART)

    async def wake(self) -> None:
        """Look into the queue now."""
        if self._driver is not None:
            await self._driver.wake()

    async def ending(self) -> None:
        """Wait until `end` is called."""
        await self._ending.wait()

    def end(self) -> None:
        """Take no more jobs; `run` returns when those under way are done."""
        self._ending.set()
        if self._manager is not None:
            self._manager.shutdown.set()

    def leave(self) -> None:
        """Give the jobs under way back, for another worker."""
        self.end()
        self._leaving.set()

    async def _work(self) -> None:
        self._driver = QueueDriver(self._db)
        self._manager = manager = QueueManager(queries(self._driver))
        for kind, verb in self._verbs.items():
            manager.entrypoint(kind)(_Handler(self._jobs, kind, verb, self._leaving))
        if self._ending.is_set():
            return
        await manager.run(
            dequeue_timeout=timedelta(seconds=_POLL),
            batch_size=1,
            max_concurrent_tasks=max(2, self._at_once),
            heartbeat_timeout=self._heartbeat,
            log_aggregation_interval=timedelta(0),  # our own metrics say more
        )


class _Handler:
    """Does the jobs of one kind. It raises nothing but RetryRequested: what else becomes of a job stands in its row."""

    def __init__(self, jobs: Jobs, kind: str, verb: Verb, leaving: asyncio.Event) -> None:
        self._jobs = jobs
        self._kind = kind
        self._verb = verb
        self._leaving = leaving

    async def __call__(self, queued: Job) -> None:
        """Do a job, once more if need be."""
        started = time.perf_counter()
        try:
            begun = await self._jobs.begin(int(queued.payload or b"0"))
            if begun is None:
                return
            outcome = await self._outcome(begun)
        except RegistryError as error:
            raise RetryRequested(timedelta(seconds=_RESTART), str(error)) from error
        metrics.observe_job(self._kind, outcome, time.perf_counter() - started)
        if outcome == "back":
            raise RetryRequested(timedelta(0), "the worker ends")
        if outcome == "taken":
            # PgQueuer strikes off what has ended, whoever does it now: put off, it is there for others if that one ends, too.
            raise RetryRequested(timedelta(seconds=_LAST_DELAY), "another worker does it")
        if outcome == "again":
            delay = min(_FIRST_DELAY * 2 ** (begun.attempts - 1), _LAST_DELAY)
            raise RetryRequested(timedelta(seconds=delay * random.uniform(0.75, 1.25)), "it failed")

    async def _outcome(self, begun: BegunJob) -> str:
        """Do a job, and note what became of it."""
        try:
            return await self._noted(begun)
        except JobTaken:
            _log.warning("a job was taken over by another worker while it was done", kind=self._kind, job=begun.id)
            return "taken"

    async def _noted(self, begun: BegunJob) -> str:
        if begun.attempts > MOST_ATTEMPTS:
            _log.error("a job has ended its worker too often", kind=self._kind, job=begun.id)
            await self._jobs.fail(begun, f"its worker ended without a word, {MOST_ATTEMPTS} times")
            return "failed"
        work = asyncio.ensure_future(self._verb(begun))
        leaving = asyncio.ensure_future(self._leaving.wait())
        try:
            await asyncio.wait([work, leaving], return_when=asyncio.FIRST_COMPLETED)
        finally:
            leaving.cancel()
            if not work.done():
                work.cancel()
                await asyncio.wait([work])
        if work.cancelled():
            await self._jobs.back(begun)
            return "back"
        error = work.exception()
        return "done" if error is None else await self._repeated(begun, error)

    async def _repeated(self, begun: BegunJob, error: BaseException) -> str:
        if isinstance(error, JobTaken):
            raise error
        is_known = isinstance(error, (RegistryError, StorageError))
        # Whoever may pull reads this; what a foreign exception says may name what is not his: the log has it.
        said = str(error) if is_known else f"it fails at a defect of the registry ({type(error).__name__})"
        if not is_known:
            _log.error("a job failed", kind=self._kind, job=begun.id, exc_info=error)
        if begun.attempts >= MOST_ATTEMPTS:
            _log.warning("a job failed and is left", kind=self._kind, job=begun.id, error=said)
            await self._jobs.fail(begun, said)
            return "failed"
        await self._jobs.again(begun, said)
        return "again"


def _without_traceback(record: logging.LogRecord) -> bool:
    """Let PgQueuer tell of what is an error of ours in a line: that the database is away, say, which it takes for a defect."""
    error = record.exc_info[1] if record.exc_info else None
    if isinstance(error, RegistryError):
        record.msg, record.args, record.exc_info = f"{record.getMessage()} ({error})", (), None
        record.levelno, record.levelname = logging.WARNING, "WARNING"
    return True
