"""The sandbox: what others have made is read in processes of its own, which can be killed (registry.sandboxed)."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import itertools
import os
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Final

import msgspec
import structlog

from registry.errors import Unavailable
from registry.sandboxed import LARGEST_FRAME, LARGEST_READ

_SLOWEST: Final = 128 << 10  # bytes a second that are waited for, on average and beside the seconds of a task

_log = structlog.get_logger("registry.sandbox")

Fetch = Callable[[int, int], Awaitable[bytes]]
"""Returns the bytes of a blob from one position up to another. What it raises is no refusal."""


class _NotFetched(Exception):
    """The bytes that a child has asked for could not be had."""

    def __init__(self, cause: Exception) -> None:
        super().__init__(str(cause))
        self.cause = cause


class Refused(Exception):
    """What was to be read can't be; the message completes “the file …”. `is_final`: nor can it be another time."""

    def __init__(self, reason: str, *, is_final: bool = True) -> None:
        super().__init__(reason)
        self.is_final = is_final


class Sandbox:
    """Runs a function of (task, source) in children of a process that has imported it; that starts with the first task."""

    def __init__(self, target: str, *, seconds: int = 120, memory: int = 1 << 30, at_once: int = 2) -> None:
        """Run `target`, MODULE:FUNCTION, with `seconds` of processor time and `memory` bytes for each task.

        Up to `at_once` tasks run at a time, and the others wait.
        """
        self._target = target
        self._seconds = seconds
        self._memory = memory
        self._free = asyncio.Semaphore(at_once)
        self._numbers = itertools.count(1)
        self._starting = asyncio.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._hearing: asyncio.Task[None] | None = None
        self._ends: dict[int, asyncio.Future[int]] = {}

    async def run(self, task: dict[str, Any], fetch: Fetch, *, size: int, budget: int) -> Any:
        """Return what the function makes of a task and of the blob of `size` bytes, of which it may read `budget`.

        Raise Refused where it refuses, fails, hangs, takes too much, or ends its process; and whatever `fetch` raises, or
        Unavailable where that takes longer than `seconds`: the time in which it waits for bytes is not the function's. Who asks
        for few at a time, or none, doesn't wait for ever: of all questions together the bytes come too slowly then.
        """
        async with self._free:
            return await self._run(task, fetch, size, budget)

    async def _run(self, task: dict[str, Any], fetch: Fetch, size: int, budget: int) -> Any:
        number = next(self._numbers)
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        with ours, theirs:
            control = await self._started()
            ended = self._ends[number] = asyncio.get_running_loop().create_future()
            try:
                socket.send_fds(control, [f"run {number}".encode()], [theirs.fileno()])
                theirs.close()
                async with asyncio.timeout(self._seconds * 2) as limit:  # as much again where others need the processor
                    return await self._answered(ours, {**task, "size": size}, fetch, size, budget, limit)
            except _NotFetched as error:
                raise error.cause from None
            except TimeoutError:
                raise Refused(f"was not read within {self._seconds * 2} s", is_final=False) from None
            except (EOFError, ConnectionError):
                status = await self._end_of(ended)
                # Who is killed may have been so by whoever needed the machine's memory.
                raise Refused(_reason(status, self._seconds), is_final=status != -signal.SIGKILL) from None
            finally:
                if not ended.done():
                    with contextlib.suppress(OSError):
                        control.send(f"kill {number}".encode())
                self._ends.pop(number, None)

    async def close(self) -> None:
        """End all of it."""
        if self._control is not None:
            self._control.close()
            self._control = None
        if self._hearing is not None:
            self._hearing.cancel()
            await asyncio.wait([self._hearing])
        if self._process is not None:
            self._process.kill()
            await asyncio.to_thread(self._process.wait)
            self._process = None

    async def _started(self) -> socket.socket:
        async with self._starting:
            # That it has ended is heard by its socket before it is known as a process's end.
            if self._hearing is not None and not self._hearing.done() and self._control is not None:
                return self._control
            await self.close()
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            ours.setblocking(False)
            with theirs:
                self._process = self._template(theirs.fileno())
            self._control = ours
            self._hearing = asyncio.create_task(self._hear(ours))
            return ours

    def _template(self, control: int) -> subprocess.Popen[bytes]:
        """Start it; not by asyncio, as uvloop lets it have what is inheritable: the listening socket, and the lock."""
        return subprocess.Popen(
            [
                sys.executable,
                "-P",
                "-m",
                "registry.sandboxed",
                str(control),
                self._target,
                str(self._seconds),
                str(self._memory),
            ],
            pass_fds=(control,),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=_environment(),
            start_new_session=True,
        )

    async def _hear(self, control: socket.socket) -> None:
        """Note the ends of children until the template is gone."""
        loop = asyncio.get_running_loop()
        try:
            while message := await loop.sock_recv(control, 64):
                _, number, status = message.decode().split()
                ended = self._ends.get(int(number))
                if ended is not None and not ended.done():
                    ended.set_result(int(status))
        finally:
            for ended in self._ends.values():
                if not ended.done():
                    ended.set_result(-signal.SIGKILL)

    async def _end_of(self, ended: asyncio.Future[int]) -> int:
        try:
            return await asyncio.wait_for(asyncio.shield(ended), 5)
        except TimeoutError:
            return -signal.SIGKILL

    async def _answered(
        self,
        child: socket.socket,
        task: dict[str, Any],
        fetch: Fetch,
        size: int,
        budget: int,
        limit: asyncio.Timeout,
    ) -> Any:
        loop = asyncio.get_running_loop()
        patience = float(self._seconds)
        await _send(loop, child, task)
        while True:
            match await _receive(loop, child):
                case ["read", int(start), int(stop)] if 0 <= start <= stop <= min(size, start + LARGEST_READ):
                    budget -= stop - start
                    if budget < 0:
                        await _send(loop, child, ["spent", "needs more of its bytes read than a reader gets"])
                    else:
                        began = loop.time()
                        content = await self._fetched(fetch, start, stop, limit, patience)
                        patience += (stop - start) / _SLOWEST - (loop.time() - began)
                        await _send(loop, child, ["bytes", content])
                case ["done", result]:
                    return result
                case ["refused", str(reason)]:
                    raise Refused(reason)
                case ["failed", str(reason)]:
                    _log.warning("a reader failed", error=reason)
                    raise Refused(f"is one that its reader fails at ({reason})")
                case _:
                    raise Refused("made its reader say what makes no sense")

    async def _fetched(self, fetch: Fetch, start: int, stop: int, limit: asyncio.Timeout, patience: float) -> bytes:
        """Return bytes for a child, whose time stands still meanwhile, for `patience` seconds at most. Raise _NotFetched."""
        clock = asyncio.get_running_loop().time
        began, deadline = clock(), limit.when()
        assert deadline is not None
        limit.reschedule(None)
        try:
            async with asyncio.timeout(min(self._seconds, patience)):
                found = await fetch(start, stop)
        except TimeoutError:
            raise _NotFetched(Unavailable("the storage")) from None
        except Exception as error:
            raise _NotFetched(error) from error
        limit.reschedule(deadline + clock() - began)
        return found


def _environment() -> dict[str, str]:
    """Return what the template is told: where code lies, and no more threads than one; no setting, no credential."""
    one_thread = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    path = {"PYTHONPATH": os.pathsep.join(place for place in sys.path if place)}
    return {"PATH": os.defpath, "LANG": "C.UTF-8", "PYTHONDONTWRITEBYTECODE": "1", **path, **one_thread}


def _reason(status: int, seconds: int) -> str:
    if status == -signal.SIGXCPU:
        return f"keeps its reader busy for more than {seconds} s"
    if status < 0:
        known = {int(one): one.name for one in signal.Signals}  # not those of real time
        return f"ended its reader ({known.get(-status, f'signal {-status}')})"
    return f"ended its reader (code {status})"


async def _send(loop: asyncio.AbstractEventLoop, child: socket.socket, message: object) -> None:
    content = msgspec.msgpack.encode(message)
    await loop.sock_sendall(child, struct.pack(">I", len(content)) + content)


async def _receive(loop: asyncio.AbstractEventLoop, child: socket.socket) -> Any:
    (size,) = struct.unpack(">I", await _exactly(loop, child, 4))
    if size > LARGEST_FRAME:
        raise Refused("made its reader say too much")
    return _decoded(await _exactly(loop, child, size))


def _decoded(content: bytes) -> Any:
    """Return what a frame says; None where that is nothing. Nothing else runs here meanwhile.

    Collections of garbage would go through all that is made of it, again and again: nine tenths of the time of a large one.
    """
    is_collecting = gc.isenabled()
    gc.disable()
    try:
        return msgspec.msgpack.decode(content)
    except (ValueError, RecursionError):  # msgspec's own errors are ValueErrors
        return None
    finally:
        if is_collecting:
            gc.enable()


async def _exactly(loop: asyncio.AbstractEventLoop, child: socket.socket, size: int) -> bytes:
    found = bytearray()
    async for piece in _pieces(loop, child, size):
        found += piece
    return bytes(found)


async def _pieces(loop: asyncio.AbstractEventLoop, child: socket.socket, size: int) -> AsyncIterator[bytes]:
    while size:
        piece = await loop.sock_recv(child, min(1 << 20, size))
        if not piece:
            raise EOFError
        size -= len(piece)
        yield piece
