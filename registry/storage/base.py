"""What a storage driver does: keep blobs' bytes under opaque keys.

The database decides which key holds which blob and when bytes may go; a driver lists no more than what belongs to one key,
never renames and never interprets. A key is committed in a row before its first byte is written, so that no byte is without
an owner.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Final, NewType, Protocol

from mediatypes.ranges import ByteRange

StorageKey = NewType("StorageKey", str)

CHUNK_SIZE: Final = 2 << 20
"""Bytes that a driver reads or hands out at a time, at most."""

URL_SECONDS: Final = 3600
"""Seconds for which a signed URL holds; a transfer that has begun goes on beyond."""

MAX_UNSAVED_PARTS: Final = 16
"""Parts that a writer may begin beyond the last state that was kept, so that who overtakes it knows which numbers to avoid."""

_FIRST: Final = 64 << 10  # bytes of a piece at the beginning of an answer
_SHARED: Final = 8 << 20  # bytes of the pieces that all readers of a process get in one turn
_LEAST: Final = 16 << 10
_KEY: Final = re.compile(r"[0-9a-f]{32}")


class StorageError(Exception):
    """The storage failed or doesn't answer; the operation may be tried again."""


class ObjectMissing(StorageError):
    """Nothing is stored under the key, or less than the database says."""


class WriterBusy(StorageError):
    """Another request holds the key's writer, of this process or, on a disk, of any."""


class ObjectExists(StorageError):
    """Another writer has made the object."""


class ObjectTooLarge(StorageError):
    """A blob has more bytes than the storage takes of one whose size it wasn't told."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"the storage takes no more than {limit} bytes of a blob whose size is not said at first")
        self.limit = limit


def piece_size(most: int, *, taken: int, readers: int) -> int:
    """Return the bytes of the next piece, at most `most`, of an answer of which `taken` were taken, one of so many at once.

    A server queues some nine pieces for a client that doesn't read: large ones are for who has taken much, where few read.
    """
    return min(most, max(_LEAST, min(max(_FIRST, taken // 32), _SHARED // readers)))


def new_key() -> StorageKey:
    """Return a key that was never used: 32 random hexadecimal digits."""
    return StorageKey(secrets.token_hex(16))


def place_of(key: StorageKey) -> str:
    """Return the key below two levels of directories. Raise ValueError for what is no key."""
    if _KEY.fullmatch(key) is None:
        raise ValueError(f"{key!r} is no storage key")
    return f"{key[:2]}/{key[2:4]}/{key}"


class BlobWriter(Protocol):
    """Appends to the bytes of one key. One writer a key at a time; `commit` or `close` ends it.

    An ended writer refuses whatever comes by ValueError. One whose `write` failed or was cancelled can only be closed: what
    was saved is kept, and a new writer goes on from there.
    """

    @property
    def offset(self) -> int:
        """Bytes accepted so far, counted from the beginning of the blob."""

    def part_end(self, position: int) -> int | None:
        """Return where the part ends that holds the byte at `position`: there `save` costs little. None where it always does.

        Where there are parts, the caller begins less than MAX_UNSAVED_PARTS beyond the last state that it has kept: a writer
        that overtakes it keeps away from as many.
        """

    async def write(self, *pieces: bytes | bytearray | memoryview) -> None:
        """Append the pieces, a few dozen at most. Raise StorageError when they can't be written.

        They are not kept after the return.
        """

    async def save(self, *, last: bool = False) -> bytes:
        """Make everything accepted durable; return the driver's state for `open_writer` (b"" where it needs none).

        `last` says that this writer will only be closed.
        """

    async def withdraw(self) -> None:
        """Remove what only this writer knows of: what it made since the last state that was kept, since another goes on."""

    async def commit(self) -> bool:
        """Make the blob durable and readable. Afterwards nothing can be appended and `close` does nothing more.

        Return False where an earlier commit of the key had done that: of its bytes nothing is known but how many they are.
        """

    async def tidy(self) -> None:
        """Remove what lies beside the blob of a commit that has been recorded."""

    async def close(self) -> None:
        """Let the key go, keeping what was saved. Bytes after the last `save` may or may not be kept."""


class BlobStore(Protocol):
    """Bytes under keys. Every method raises StorageError where the storage itself fails.

    Every method may be cancelled. It ends when nothing works for it any more, and neither a writer nor a file stays open.
    """

    async def open_writer(
        self, key: StorageKey, *, offset: int = 0, state: bytes = b"", size: int | None = None, epoch: int = 1
    ) -> BlobWriter:
        """Begin to write `key`, or go on at `offset` with the `state` of the `save` that belongs to it.

        `size` is that of the whole blob, where it is known. `epoch` grows with each writer of the key: one with a smaller
        epoch may still be at work in another process, and does no harm. Bytes that an earlier writer left beyond `offset` are
        discarded. Raise WriterBusy while another writer holds the key and the driver can see it. Raise ObjectMissing where
        `state` is not that of `offset` bytes; where they are not there any more, now or when the writer needs them.
        """

    def read(self, key: StorageKey, span: ByteRange) -> AsyncGenerator[bytes, None]:
        """Yield the bytes of `span` in pieces of at most CHUNK_SIZE. Raise ObjectMissing where they are not all there."""

    async def holds(self, key: StorageKey, size: int) -> bool:
        """Say whether exactly `size` bytes are under `key`."""

    def local_path(self, key: StorageKey, size: int) -> Path | None:
        """Return the file whose `size` bytes are exactly the blob, for a server that sends files; None where there is none."""

    async def signed_url(self, key: StorageKey) -> str | None:
        """Return a URL under which anyone may fetch the blob for URL_SECONDS; None where only this server has the bytes."""

    async def delete(self, key: StorageKey) -> None:
        """Remove what is under `key`: a blob or what an unfinished writer left. Nothing there is no error.

        A writer that is still open writes to nowhere from now on. A read under way ends with its bytes or with ObjectMissing.
        """

    async def check(self) -> None:
        """Write, read back and delete a probe. Raise StorageError where that fails."""

    async def close(self) -> None:
        """Release what the driver holds."""
