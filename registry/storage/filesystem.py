"""Blobs as files on a local disk.

    root/ab/cd/abcd…      the bytes of the key abcd… (32 hexadecimal digits), complete or still being written

A commit renames nothing: that a blob is complete stands in the database alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import os
import stat
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

from mediatypes.ranges import ByteRange
from registry.storage.base import ObjectMissing, StorageError, StorageKey, WriterBusy, piece_size, place_of
from registry.storage.threads import Threads

_THREADS: Final = 16
_LARGE: Final = 2 << 20  # bytes of a blob
_PIECE: Final = 768 << 10  # bytes that fit into a core's cache (docs/decisions/0002)
_READ_AHEAD: Final = 4 << 20  # bytes that the disk is asked for beyond a piece it had to bring
_WRITE_BEHIND: Final = (
    16 << 20
)  # bytes after which the disk begins to work, so that the sync at the end finds little left
_OPEN: Final = os.O_CLOEXEC | os.O_NOFOLLOW


class FilesystemStore:
    """A BlobStore below one directory, which any number of processes of one machine may share."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._disk = _Disk()
        self._durable: set[Path] = set()  # directories that are known to be durable in their parents
        self._readers = 0

    async def open_writer(
        self, key: StorageKey, *, offset: int = 0, state: bytes = b"", size: int | None = None, epoch: int = 1
    ) -> FileWriter:
        """See BlobStore. A writer holds an exclusive flock on its file."""
        del state, size, epoch
        fd = await self._disk.open(self._open_for_writing, self._path(key), offset)
        return FileWriter(self._disk, self._path(key), fd, offset)

    async def read(self, key: StorageKey, span: ByteRange) -> AsyncGenerator[bytes, None]:
        """See BlobStore. What the kernel has in memory is read at once, what the disk must bring in a thread."""
        fd = await self._disk.open(os.open, self._path(key), os.O_RDONLY | _OPEN)
        self._readers += 1
        stop = span.start
        try:
            while (position := stop) < span.stop:
                size = piece_size(_PIECE, taken=position - span.start, readers=self._readers)
                stop = min(position + size, span.stop)
                if _is_in_memory(fd, position) and _is_in_memory(fd, stop - 1):
                    with _translated_errors():
                        piece = _pread(fd, position, stop)
                else:
                    piece = await self._disk.run(_pread_ahead, fd, position, stop)
                yield piece
        finally:
            self._readers -= 1
            os.close(fd)

    async def holds(self, key: StorageKey, size: int) -> bool:
        """See BlobStore."""
        try:
            return _is_file_of(await self._disk.run(os.lstat, self._path(key)), size)
        except ObjectMissing:
            return False

    def local_path(self, key: StorageKey, size: int) -> Path | None:
        """See BlobStore. None for a large blob: granian sends a file slower than pieces of it."""
        path = self._path(key)
        if size >= _LARGE:
            return None
        try:
            return path if _is_file_of(path.lstat(), size) else None
        except OSError:
            return None

    async def signed_url(self, key: StorageKey) -> str | None:
        """See BlobStore."""
        del key
        return None

    async def delete(self, key: StorageKey) -> None:
        """See BlobStore."""
        with contextlib.suppress(ObjectMissing):
            await self._disk.run(os.unlink, self._path(key))

    async def check(self) -> None:
        """See BlobStore."""
        await self._disk.run(_probe, self._root)

    async def close(self) -> None:
        """See BlobStore."""
        self._disk.close()

    def _open_for_writing(self, path: Path, offset: int) -> int:
        if offset == 0:
            _make_directory(path.parent, self._root, self._durable)
        return _open_locked(path, offset)

    def _path(self, key: StorageKey) -> Path:
        return self._root / place_of(key)


class FileWriter:
    """A BlobWriter on an open, locked file."""

    def __init__(self, disk: _Disk, path: Path, fd: int, offset: int) -> None:
        self._disk = disk
        self._path = path
        self._fd: int | None = fd
        self._offset = offset
        self._begun = offset  # the kernel was asked to write what lies before
        self._is_listed = offset > 0  # its directory entry is durable

    @property
    def offset(self) -> int:
        """See BlobWriter."""
        return self._offset

    def part_end(self, position: int) -> int | None:
        """See BlobWriter: there are no parts."""
        del position
        return None

    async def write(self, *pieces: bytes | bytearray | memoryview) -> None:
        """See BlobWriter."""
        await self._disk.run(_pwrite, self._open_fd, pieces, self._offset)
        self._offset += sum(map(len, pieces))
        if self._offset - self._begun >= _WRITE_BEHIND:
            begun, self._begun = self._begun, self._offset
            await self._disk.run(_begin_to_write, self._open_fd, begun, self._offset - begun)

    async def save(self, *, last: bool = False) -> bytes:
        """See BlobWriter. The file's length is all there is to know."""
        del last
        await self._disk.run(_sync, self._open_fd, None if self._is_listed else self._path.parent)
        self._is_listed = True
        return b""

    async def withdraw(self) -> None:
        """See BlobWriter: nothing lies beside."""

    async def commit(self) -> bool:
        """See BlobWriter."""
        await self.save()
        await self.close()
        return True

    async def tidy(self) -> None:
        """See BlobWriter: nothing lies beside."""

    async def close(self) -> None:
        """See BlobWriter. Closing the file lets its lock go."""
        if self._fd is not None:
            fd, self._fd = self._fd, None
            os.close(fd)

    @property
    def _open_fd(self) -> int:
        if self._fd is None:
            raise ValueError("the writer is closed")
        return self._fd


class _Disk(Threads):
    def __init__(self) -> None:
        super().__init__(_THREADS, "disk", _translated_errors)

    async def open(self, call: Callable[..., int], *args: object) -> int:
        """Return the file descriptor that `call` opens. Cancellation closes it: nobody is left who would."""
        opened: list[int] = []
        try:
            await self.run(lambda: opened.append(call(*args)))
        except asyncio.CancelledError:
            for fd in opened:
                os.close(fd)
            raise
        return opened[0]


@contextlib.contextmanager
def _translated_errors() -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise ObjectMissing("the file of an object is missing") from error
    except OSError as error:
        reason = "the disk is full" if error.errno in (errno.ENOSPC, errno.EDQUOT) else error.strerror
        raise StorageError(f"the file system failed: {reason}") from error


def _open_locked(path: Path, offset: int) -> int:
    fd = os.open(path, os.O_RDWR | _OPEN | (os.O_CREAT if offset == 0 else 0), 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.fstat(fd).st_size < offset:
            raise ObjectMissing(f"an object holds fewer than the {offset} bytes that were saved")
        os.ftruncate(fd, offset)
    except BlockingIOError:
        os.close(fd)
        raise WriterBusy("another process is writing the object") from None
    except BaseException:
        os.close(fd)
        raise
    return fd


def _make_directory(path: Path, root: Path, durable: set[Path]) -> None:
    """Make a directory and what is missing above it; those below `root` are durable then, whoever made them.

    Another process may have made one a moment ago, or have been killed before it was durable.
    """
    if path.is_dir() and (path in durable or path == root or not path.is_relative_to(root)):
        return
    _make_directory(path.parent, root, durable)
    path.mkdir(mode=0o700, exist_ok=True)
    _sync_directory(path.parent)
    durable.add(path)


def _pwrite(fd: int, pieces: Sequence[bytes | bytearray | memoryview], offset: int) -> None:
    left = [memoryview(piece) for piece in pieces if len(piece)]
    while left:
        written = os.pwritev(fd, left, offset)
        offset += written
        while left and written >= len(left[0]):
            written -= len(left.pop(0))
        if written:
            left[0] = left[0][written:]


def _begin_to_write(fd: int, offset: int, length: int) -> None:
    # Linux starts to write what is dirty of pages that aren't needed, and keeps it in its cache until it is written.
    with contextlib.suppress(OSError):  # it is advice; whether the bytes are safe, the sync tells
        os.posix_fadvise(fd, offset, length, os.POSIX_FADV_DONTNEED)


def _is_file_of(found: os.stat_result, size: int) -> bool:
    return stat.S_ISREG(found.st_mode) and found.st_size == size


def _is_in_memory(fd: int, position: int) -> bool:
    """Say whether the byte can be read without the disk. The kernel that holds both ends of a piece mostly holds all of it."""
    try:
        return os.preadv(fd, [bytearray(1)], position, os.RWF_NOWAIT) == 1
    except OSError:  # it isn't there, or this file system can't tell
        return False


def _pread_ahead(fd: int, position: int, stop: int) -> bytes:
    with contextlib.suppress(OSError):  # advice, as above
        os.posix_fadvise(fd, stop, _READ_AHEAD, os.POSIX_FADV_WILLNEED)
    return _pread(fd, position, stop)


def _pread(fd: int, position: int, stop: int) -> bytes:
    wanted = stop - position
    piece = os.pread(fd, wanted, position)
    while len(piece) < wanted:
        more = os.pread(fd, wanted - len(piece), position + len(piece))
        if not more:
            raise ObjectMissing(f"an object ends at byte {position + len(piece)}, before its recorded size")
        piece += more
    return piece


def _sync(fd: int, directory: Path | None) -> None:
    os.fdatasync(fd)
    if directory is not None:
        _sync_directory(directory)


def _sync_directory(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | _OPEN)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _probe(root: Path) -> None:
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = root / "probe"  # one name for all: what a killed process leaves is used and removed by the next check
    fd = os.open(path, os.O_RDWR | os.O_CREAT | _OPEN, 0o600)
    try:
        _pwrite(fd, [b"blacklake"], 0)
        if os.pread(fd, 9, 0) != b"blacklake":
            raise StorageError("the file system returned other bytes than were written")
    finally:
        os.close(fd)
        path.unlink(missing_ok=True)
