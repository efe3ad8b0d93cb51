"""A request that is cancelled, even twice, never has a thread work on a file that was closed, and leaks no file."""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mediatypes.ranges import ByteRange
from registry.storage import filesystem
from registry.storage.base import StorageKey, new_key
from registry.storage.filesystem import FilesystemStore


class Gate:
    """Stops a blocking call in its thread, before or after its work, until it is opened."""

    def __init__(self) -> None:
        self._arrived = threading.Event()
        self._opened = threading.Event()

    def before(self, call: Callable[..., Any]) -> Callable[..., Any]:
        """Return `call`, stopped before its work."""

        def stopped(*args: object) -> object:
            self._pass()
            return call(*args)

        return stopped

    def after(self, call: Callable[..., Any]) -> Callable[..., Any]:
        """Return `call`, stopped after its work."""

        def stopped(*args: object) -> object:
            result = call(*args)
            self._pass()
            return result

        return stopped

    async def arrival(self) -> None:
        """Wait until a call is stopped here."""
        assert await asyncio.to_thread(self._arrived.wait, 30)

    def open(self) -> None:
        """Let the call go on."""
        self._opened.set()

    def _pass(self) -> None:
        self._arrived.set()
        assert self._opened.wait(30)


@pytest.fixture
def gate() -> Iterator[Gate]:
    made = Gate()
    yield made
    made.open()


@pytest.fixture
def store(tmp_path: Path) -> FilesystemStore:
    return FilesystemStore(tmp_path / "blobs")


def open_files(directory: Path) -> list[str]:
    found = []
    for entry in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            found.append(str(entry.readlink()))
    return [target for target in found if target.startswith(str(directory))]


async def stored(store: FilesystemStore, content: bytes) -> StorageKey:
    key = new_key()
    writer = await store.open_writer(key)
    await writer.write(content)
    await writer.commit()
    return key


async def cancelled(task: asyncio.Task[Any], gate: Gate, *, times: int) -> None:
    """Cancel a task whose call is stopped at the gate, each time letting the loop turn, then open the gate."""
    await gate.arrival()
    for _ in range(times):
        task.cancel()
        for _ in range(5):
            await asyncio.sleep(0)
    assert not task.done()
    gate.open()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.parametrize("times", [1, 2, 3])
async def test_a_cancelled_write_ends_only_when_its_thread_has(
    store: FilesystemStore, gate: Gate, monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    written_to: list[int] = []

    def pwrite(fd: int, *_: object) -> None:
        written_to.append(os.fstat(fd).st_ino)  # fails when the file has been closed

    monkeypatch.setattr(filesystem, "_pwrite", gate.before(pwrite))
    writer = await store.open_writer(new_key())

    async def write_and_close() -> None:
        try:
            await writer.write(b"x")
        finally:
            await writer.close()

    await cancelled(asyncio.create_task(write_and_close()), gate, times=times)
    assert len(written_to) == 1


@pytest.mark.parametrize("times", [1, 2])
async def test_a_cancelled_open_holds_neither_the_key_nor_a_file(
    store: FilesystemStore, gate: Gate, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, times: int
) -> None:
    key = new_key()
    monkeypatch.setattr(filesystem, "_open_locked", gate.after(filesystem._open_locked))
    await cancelled(asyncio.create_task(store.open_writer(key)), gate, times=times)
    assert open_files(tmp_path) == []
    await (await store.open_writer(key)).close()


@pytest.mark.parametrize("times", [1, 2])
async def test_a_read_that_is_cancelled_while_it_opens_its_file_closes_it(
    store: FilesystemStore, gate: Gate, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, times: int
) -> None:
    key = await stored(store, b"content")
    with monkeypatch.context() as patch:
        patch.setattr(filesystem.os, "open", gate.after(os.open))
        await cancelled(asyncio.create_task(anext(store.read(key, ByteRange(0, 7)))), gate, times=times)
    assert open_files(tmp_path) == []


@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize("piece", [0, 1])
async def test_a_cancelled_read_of_a_cold_disk_closes_its_file_after_its_thread_has_ended(
    store: FilesystemStore, gate: Gate, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, times: int, piece: int
) -> None:
    key = await stored(store, bytes(3 * filesystem._PIECE))
    failures: list[OSError] = []
    pread = filesystem._pread

    def watched(fd: int, position: int, stop: int) -> bytes:
        try:
            return pread(fd, position, stop)
        except OSError as error:
            failures.append(error)
            raise

    gated = gate.before(watched)

    def stopping(fd: int, position: int, stop: int) -> object:
        return (gated if position == piece * (64 << 10) else watched)(fd, position, stop)

    monkeypatch.setattr(filesystem, "_pread", stopping)
    monkeypatch.setattr(filesystem, "_is_in_memory", lambda fd, position: False)

    async def read_all() -> None:
        async with contextlib.aclosing(store.read(key, ByteRange(0, 3 * filesystem._PIECE))) as pieces:
            async for _ in pieces:
                pass

    await cancelled(asyncio.create_task(read_all()), gate, times=times)
    assert failures == []
    assert open_files(tmp_path) == []
