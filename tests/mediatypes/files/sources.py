"""Sources for tests: of bytes, of a file on disk, and one that counts what is read of another."""

from __future__ import annotations

from pathlib import Path

from mediatypes.files.ranged import require_range
from mediatypes.files.readers import reader_of
from mediatypes.files.reading import HEAD, LIMITS, Limits, Reading, Source
from mediatypes.record import Fact, Kind, recorded


class Bytes:
    """A file in memory."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.taken = 0
        self.reads = 0

    @property
    def size(self) -> int:
        return len(self.content)

    def read(self, start: int, stop: int) -> bytes:
        require_range(start, stop, self.size)
        self.taken += stop - start
        self.reads += 1
        return self.content[start:stop]


class OnDisk:
    """A file on disk, which may have holes; `taken` counts the bytes that are read."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.taken = 0
        self.reads = 0

    @property
    def size(self) -> int:
        return self.path.stat().st_size

    def read(self, start: int, stop: int) -> bytes:
        require_range(start, stop, self.size)
        self.taken += stop - start
        self.reads += 1
        with self.path.open("rb") as file:
            file.seek(start)
            return file.read(stop - start)


def read(path: str, content: bytes | Source, limits: Limits = LIMITS) -> Reading:
    """Read a file by the reader that recognises it."""
    source = Bytes(content) if isinstance(content, bytes) else content
    reader = reader_of(path, source.read(0, min(HEAD, source.size)))
    assert reader is not None, f"nobody reads {path}"
    return reader.read(path, source, limits)


def values(facts: list[Fact]) -> dict[str, object]:
    """Return what facts say together, by field."""
    return recorded(Kind.FILES, "test", facts).values
