"""What a blob in Azure or Google Cloud Storage is made of: segments that never change, and where each byte lies in them."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

import msgspec

from mediatypes.ranges import ByteRange

LENGTH: Final = struct.Struct(">I")  # of a description, before it


class Run(msgspec.Struct, array_like=True, frozen=True):
    """Segments of one writer that follow each other and have all the same size, in bytes."""

    writer: bytes
    first: int
    count: int
    size: int

    @property
    def total(self) -> int:
        """The bytes of all of them."""
        return self.count * self.size


class Piece(NamedTuple):
    """The bytes `start` to `stop` of a segment."""

    name: str
    start: int
    stop: int


class Description(msgspec.Struct, array_like=True, frozen=True):
    """What a blob's object begins with: who made it, the segments before its end, and the bytes of that end, which follow."""

    writer: bytes
    runs: tuple[Run, ...]
    end: int

    def encode(self) -> bytes:
        """Return the form that `decode` reads."""
        body = msgspec.msgpack.encode(self)
        return LENGTH.pack(len(body)) + body

    @property
    def size(self) -> int:
        """The blob's bytes."""
        return size_of(self.runs) + self.end


def name_of(writer: bytes, number: int) -> str:
    """Return the name of a writer's segment, without the key's."""
    return f"{writer.hex()}.{number}"


def size_of(runs: Iterable[Run]) -> int:
    """Return the bytes of all segments."""
    return sum(run.total for run in runs)


def sizes_of(runs: Iterable[Run]) -> dict[str, int]:
    """Return the names of all segments, with the bytes of each."""
    return {name_of(run.writer, number): run.size for run in runs for number in range(run.first, run.first + run.count)}


def append(runs: list[Run], writer: bytes, number: int, size: int) -> None:
    """Add a writer's segment to the last run where it continues that, else as one of its own."""
    if runs:
        last = runs[-1]
        if (last.writer, last.first + last.count, last.size) == (writer, number, size):
            runs[-1] = Run(writer, last.first, last.count + 1, size)
            return
    runs.append(Run(writer, number, 1, size))


def pieces_of(runs: Iterable[Run], span: ByteRange) -> Iterator[Piece]:
    """Yield where the bytes of `span` lie, in their order; of what lies beyond the segments, nothing."""
    begin = 0
    for run in runs if span else ():
        for index in range(max(0, span.start - begin) // run.size, run.count):
            start = begin + index * run.size
            if start >= span.stop:
                return
            yield Piece(
                name_of(run.writer, run.first + index), max(0, span.start - start), min(run.size, span.stop - start)
            )
        begin += run.total
