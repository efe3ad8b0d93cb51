"""Clients at work at the same time, each in a process of its own, so that no lock of Python's holds them back."""

import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Sequence
from multiprocessing.synchronize import Barrier
from typing import Any

from bench.errors import BenchmarkError

READY = 60.0  # seconds within which every client must be there
CONTEXT = multiprocessing.get_context("spawn")
_held: list[Barrier] = []  # of this process, which a pool can hand a barrier only at its start


def _enter(barrier: Barrier) -> None:
    _held.append(barrier)
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # end without a traceback


def _work(job: tuple[Callable[..., None], tuple[Any, ...]]) -> tuple[float, float]:
    function, arguments = job
    _held[0].wait(READY)
    start = time.monotonic()
    function(*arguments)
    return start, time.monotonic()


def together(function: Callable[..., None], jobs: Sequence[tuple[Any, ...]], *, limit: float) -> float:
    """Run the function once per job, all at once, and return the seconds from the first start to the last end.

    Raises what a client raised, and BenchmarkError when not all are done within the limit (seconds).
    """
    os.sync()  # what an earlier measurement left to be written is not this one's burden
    barrier = CONTEXT.Barrier(len(jobs))
    with CONTEXT.Pool(len(jobs), _enter, (barrier,)) as pool:
        try:
            spans = pool.map_async(_work, [(function, job) for job in jobs], chunksize=1).get(limit)
        except multiprocessing.TimeoutError as error:
            raise BenchmarkError(f"{len(jobs)} clients were not done after {limit:.0f} s.") from error
    return max(end for _, end in spans) - min(start for start, _ in spans)
