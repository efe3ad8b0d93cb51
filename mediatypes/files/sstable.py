"""Sorted tables as LevelDB writes them (leveldb, doc/table_format.md), which TensorFlow's checkpoints have as their index."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from mediatypes.files.protobuf import varint
from mediatypes.files.ranged import Cursor, InMemory
from mediatypes.files.reading import Limits, Malformed, Source, TooMuch, Unsupported

_FOOTER: Final = 48  # bytes
_MAGIC: Final = 0xDB4775248B80FB57
_TRAILER: Final = 5  # bytes: how a block is compressed, and a checksum
_KEY: Final = 4096  # bytes of a key


def entries_of(source: Source, limits: Limits) -> Iterator[tuple[bytes, bytes]]:
    """Return the keys with their values, in the table's order. Raise Unreadable."""
    if source.size < _FOOTER:
        raise Malformed("is shorter than a table's footer")
    footer = source.read(source.size - _FOOTER, source.size)
    if int.from_bytes(footer[-8:], "little") != _MAGIC:
        raise Malformed("doesn't end as a table ends")
    cursor = Cursor(InMemory(footer), _FOOTER)
    _handle(cursor)  # of the index of filters
    read = 0
    count = 0
    for _, handle in _entries(_block(source, *_handle(cursor))):
        start, size = _handle(Cursor(InMemory(handle), len(handle)))
        read += size
        if read > limits.header:
            raise TooMuch(f"is a table of more than {limits.header} bytes")
        for entry in _entries(_block(source, start, size)):
            count += 1
            if count > limits.entries:
                raise TooMuch(f"is a table of more than {limits.entries} entries")
            yield entry


def _handle(cursor: Cursor) -> tuple[int, int]:
    """Return where a block begins, and its bytes."""
    return varint(cursor), varint(cursor)


def _block(source: Source, start: int, size: int) -> bytes:
    if start + size + _TRAILER > source.size:
        raise Malformed(f"ends within the block of its table that begins at byte {start}")
    if size > 16 << 20:
        raise TooMuch(f"has a block of {size} bytes in its table")
    block = source.read(start, start + size + _TRAILER)
    if block[size] != 0:
        raise Unsupported("is a table whose blocks are compressed")
    return block[:size]


def _entries(block: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Return a block's entries. Each key shares its begin with the one before."""
    if len(block) < 4:
        raise Malformed("has a block in its table that is shorter than its own footer")
    restarts = int.from_bytes(block[-4:], "little")
    end = len(block) - 4 - 4 * restarts
    if end < 0:
        raise Malformed("has a block in its table that is shorter than its own footer")
    cursor = Cursor(InMemory(block[:end]), end)
    key = b""
    while cursor.remaining:
        shared, own, size = varint(cursor), varint(cursor), varint(cursor)
        if shared > len(key) or shared + own > _KEY:
            raise Malformed("has a key in its table that is none")
        key = key[:shared] + cursor.take(own)
        yield key, cursor.take(size)
