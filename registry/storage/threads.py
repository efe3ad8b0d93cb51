"""Blocking calls in threads of a driver's own, so that the event loop never waits for a disk or a server."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import Any, TypeVar

T = TypeVar("T")


class Threads:
    """Runs blocking calls; what they raise goes through `translated`, which makes StorageErrors of it."""

    def __init__(self, count: int, name: str, translated: Callable[[], AbstractContextManager[None]]) -> None:
        self._executor = ThreadPoolExecutor(count, name)
        self._translated = translated

    async def run(self, call: Callable[..., T], *args: object) -> T:
        """Return what `call` returns. Cancellation waits for the call's end: no thread uses what was closed."""
        working = asyncio.get_running_loop().run_in_executor(self._executor, call, *args)
        try:
            with self._translated():
                return await asyncio.shield(working)
        except asyncio.CancelledError:
            with contextlib.suppress(asyncio.CancelledError):  # a second one
                await ended(working)
            raise

    def close(self) -> None:
        """End the threads when their calls have ended."""
        self._executor.shutdown(wait=False)


def alone(
    call: Callable[[], T], name: str, translated: Callable[[], AbstractContextManager[None]]
) -> asyncio.Future[T]:
    """Return what `call` will return or raise, in a thread of its own: whoever doesn't wait any more leaves it to itself.

    Not even the process's end waits for it.
    """
    promise: Future[T] = Future()
    promise.set_running_or_notify_cancel()  # nobody can cancel it any more

    def work() -> None:
        try:
            with translated():
                promise.set_result(call())
        except Exception as error:  # noqa: BLE001 - whatever it is, whoever waits gets it
            promise.set_exception(error)

    threading.Thread(target=work, name=name, daemon=True).start()
    answer = asyncio.wrap_future(promise)
    answer.add_done_callback(lambda done: done.cancelled() or done.exception())  # nobody may be left who asks
    return answer


async def ended(working: asyncio.Future[Any]) -> None:
    """Wait for the end of work whose outcome nobody asks for; cancellation doesn't cut that short."""
    was_cancelled = False
    while not working.done():
        try:
            await asyncio.wait([working])
        except asyncio.CancelledError:
            was_cancelled = True
    if not working.cancelled():
        working.exception()
    if was_cancelled:
        raise asyncio.CancelledError
