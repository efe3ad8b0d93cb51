"""The process that reads what others have made (`python -m registry.sandboxed DESCRIPTOR MODULE:FUNCTION SECONDS MEMORY`).

    server ─── template ─┬─ child     reads one blob, and ends
                         └─ child

The template imports the readers once and forks a child for each task: that takes milliseconds, and none sees what another has
read. It does nothing else, and knows no credentials. A child asks the server for ranges of the blob by its own socket, and has
given up everything else (registry.confinement).

Messages of the template's socket are texts: `run N` with a child's socket, `kill N`; the answer is `end N STATUS`. Those of a
child's are frames of four bytes of length (big-endian) and MessagePack.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import os
import select
import signal
import socket
import struct
import sys
from collections.abc import Callable
from typing import Any, Final

import msgspec

from mediatypes.files.reading import Malformed, TooMuch, Unreadable
from registry.confinement import confine

LARGEST_FRAME: Final = 16 << 20
"""Bytes of a frame, at most."""

LARGEST_READ: Final = 8 << 20
"""Bytes that a child asks for at a time, at most."""

_LEAST: Final = 64 << 10  # bytes that are fetched at a time, doubled as long as they are read in order, up to
_MOST: Final = 1 << 20
_KEPT: Final = 8  # pieces

Function = Callable[[dict[str, Any], "RemoteSource"], Any]


class RemoteSource:
    """The bytes of a blob, by questions to the server."""

    def __init__(self, descriptor: int, size: int) -> None:
        self._descriptor = descriptor
        self._size = size
        self._pieces: list[tuple[int, bytes]] = []
        self._ahead = _LEAST

    @property
    def size(self) -> int:
        """The blob's bytes."""
        return self._size

    def read(self, start: int, stop: int) -> bytes:
        """Return the bytes from `start` up to `stop`. Raise Malformed where the blob ends before, TooMuch."""
        if not 0 <= start <= stop <= self._size:
            raise Malformed(f"ends at byte {self._size}, where byte {stop} should be")
        for begin, piece in self._pieces:
            if begin <= start and stop <= begin + len(piece):
                return piece[start - begin : stop - begin]
        if stop - start >= _MOST:
            return b"".join(self._fetched(at, min(stop, at + LARGEST_READ)) for at in range(start, stop, LARGEST_READ))
        in_order = bool(self._pieces) and start <= self._pieces[-1][0] + len(self._pieces[-1][1]) <= stop
        self._ahead = min(_MOST, self._ahead * 2) if in_order else _LEAST
        piece = self._fetched(start, min(self._size, max(stop, start + self._ahead)))
        self._pieces = [*self._pieces[1 - _KEPT :], (start, piece)]
        return piece[: stop - start]

    def _fetched(self, start: int, stop: int) -> bytes:
        send(self._descriptor, ["read", start, stop])
        kind, *answer = receive(self._descriptor)
        if kind == "bytes":
            return bytes(answer[0])
        raise TooMuch(str(answer[0]))


def send(descriptor: int, message: object) -> None:
    """Write a frame; by write(2), since a child may not use what sockets have of their own."""
    content = msgspec.msgpack.encode(message)
    if len(content) > LARGEST_FRAME:
        raise TooMuch(f"has more to say than {LARGEST_FRAME} bytes")
    data = memoryview(struct.pack(">I", len(content)) + content)
    while data:
        data = data[os.write(descriptor, data) :]


def receive(descriptor: int) -> Any:
    """Return the next frame. Raise EOFError where the server is gone."""
    (size,) = struct.unpack(">I", _exactly(descriptor, 4))
    return msgspec.msgpack.decode(_exactly(descriptor, size))


def _exactly(descriptor: int, size: int) -> bytes:
    found = bytearray()
    while len(found) < size:
        piece = os.read(descriptor, min(1 << 20, size - len(found)))
        if not piece:
            raise EOFError
        found += piece
    return bytes(found)


def main() -> None:
    """Fork a child for each task until the server is gone."""
    descriptor, place, seconds, memory = sys.argv[1:5]
    control = socket.socket(fileno=int(descriptor))
    module, _, function = place.partition(":")
    target: Function = getattr(importlib.import_module(module), function)
    gc.collect()
    gc.freeze()  # so that a child's collections leave the pages shared
    wakened, wakener = os.pipe()
    os.set_blocking(wakener, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wakener, warn_on_full_buffer=False)
    children: dict[int, int] = {}
    while True:
        ready, _, _ = select.select([control.fileno(), wakened], [], [])
        if wakened in ready:
            os.read(wakened, 4096)
            _bury(control, children)
        if control.fileno() in ready:
            message, descriptors, _, _ = socket.recv_fds(control, 64, 1)
            if not message:
                for pid in children:
                    _kill(pid)
                return
            word, number = message.decode().split()
            if word == "kill":
                for pid in [pid for pid, task in children.items() if task == int(number)]:
                    _kill(pid)
                continue
            pid = os.fork()
            if pid == 0:
                _child(descriptors[0], target, seconds=int(seconds), memory=int(memory))
            children[pid] = int(number)
            os.close(descriptors[0])


def _bury(control: socket.socket, children: dict[int, int]) -> None:
    with contextlib.suppress(ChildProcessError):
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            number = children.pop(pid, None)
            if number is not None:
                _kill(pid)  # what it may have left of its group, where nothing kept it from that
                with contextlib.suppress(OSError):
                    control.send(f"end {number} {os.waitstatus_to_exitcode(status)}".encode())


def _kill(pid: int) -> None:
    for kill in (os.killpg, os.kill):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            kill(pid, signal.SIGKILL)


def _child(descriptor: int, target: Function, *, seconds: int, memory: int) -> None:
    """Do one task, whatever comes of it, and end."""
    code = 1
    try:
        os.setsid()
        signal.set_wakeup_fd(-1)
        os.closerange(3, descriptor)
        os.closerange(descriptor + 1, 1 << 16)
        confine(memory=memory, seconds=seconds)
        task = receive(descriptor)
        answer = _answer(target, task, RemoteSource(descriptor, task["size"]))
        try:
            send(descriptor, answer)
        except TooMuch as error:
            send(descriptor, ["refused", str(error)])
        code = 0
    finally:
        os._exit(code)


def _answer(target: Function, task: dict[str, Any], source: RemoteSource) -> list[Any]:
    try:
        return ["done", target(task, source)]
    except Unreadable as error:
        return ["refused", str(error)]
    except MemoryError:
        return ["refused", "needs more memory than a reader gets"]
    except RecursionError:
        return ["refused", "is nested too deeply"]
    except EOFError:
        raise
    except Exception as error:  # noqa: BLE001 - a defect of a reader, or of a library: the file's refusal, and no more
        return ["failed", f"{type(error).__name__}: {error}"[:500]]


if __name__ == "__main__":
    main()
