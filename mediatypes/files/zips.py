"""Zip archives by ranges, read by the standard library's zipfile, within limits."""

from __future__ import annotations

import lzma
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from mediatypes.files.ranged import Counted, InMemory, Part
from mediatypes.files.reading import Limits, Malformed, Source, TooMuch, Unreadable, Unsupported
from mediatypes.files.seekable import SeekableFile, scattered

BEGIN: Final = b"PK\x03\x04"
"""How an archive with an entry begins (APPNOTE.TXT, 4.3.7)."""
# Bytes of a directory: zipfile makes objects of all of it before it can be asked for their number.
_DIRECTORY: Final = 8 << 20
_LOCAL: Final = struct.Struct("<4s5H3L2H")  # APPNOTE.TXT, 4.3.7
_SMALL: Final = 1 << 20  # bytes that anything may become when it is decompressed


class Zip:
    """An archive's entries by name. What isn't compressed is read where it lies, what is becomes bytes in memory."""

    def __init__(self, source: Source, limits: Limits) -> None:
        """Read the directory. Raise Malformed where there is none, TooMuch where it is longer than is read."""
        self._source = source
        self._limits = limits
        self._counted = Counted(source, min(_DIRECTORY, limits.header))
        with _translated():
            self._archive = zipfile.ZipFile(SeekableFile(self._counted))
        self.entries: dict[str, zipfile.ZipInfo] = {entry.filename: entry for entry in self._archive.infolist()}
        """The entries' descriptions in the directory, by their names, in its order."""
        if len(self._archive.infolist()) > limits.entries:
            raise TooMuch(f"has more than {limits.entries} entries")
        if len(self.entries) < len(self._archive.infolist()):
            raise Malformed("has two entries of one name, of which each reader may take another")
        self._counted.limit = self._counted.taken + limits.header + limits.buffered
        self._headers = scattered(source)
        self._expanded = 0

    def opened(self, name: str) -> Source:
        """Return an entry's bytes. Raise Unreadable."""
        entry = self._entry(name)
        if entry.compress_type == zipfile.ZIP_STORED:
            start = self.place(name)
            return Part(self._source, start, start + entry.compress_size)
        return InMemory(self.begin(name, entry.file_size))

    def begin(self, name: str, count: int) -> bytes:
        """Return an entry's first bytes, fewer where it is shorter. Raise Unreadable."""
        entry = self._entry(name)
        count = min(count, entry.file_size)
        if count > self._limits.buffered:
            raise TooMuch(f"has the entry {name!r:.80}, which becomes {entry.file_size} bytes when it is decompressed")
        if count > max(_SMALL, entry.compress_size * self._limits.ratio):
            raise TooMuch(
                f"has the entry {name!r:.80}, which becomes {self._limits.ratio} times as long when it is decompressed"
            )
        self._expanded += count
        if self._expanded > self._limits.header + self._limits.buffered:
            raise TooMuch("has entries that become too long together when they are decompressed")
        with _translated(), self._archive.open(entry) as opened:
            content = opened.read(count)
        if len(content) < count:
            raise Malformed(f"has the entry {name!r:.80}, which is shorter than it says")
        return content

    def place(self, name: str) -> int:
        """Return where in the file an entry's bytes begin, by its local header, which may differ from the directory."""
        entry = self._entry(name)
        self._headers.seek(entry.header_offset)
        header = self._headers.read(_LOCAL.size)
        if len(header) < _LOCAL.size:
            raise Malformed(f"ends at byte {self._source.size}, before its entry {name!r:.80}")
        signature, *_, name_length, extra_length = _LOCAL.unpack(header)
        if signature != BEGIN:
            raise Malformed(f"has no entry at byte {entry.header_offset}, where its directory places {name!r:.80}")
        start = entry.header_offset + _LOCAL.size + int(name_length) + int(extra_length)
        if start + entry.compress_size > self._source.size:
            raise Malformed(f"ends within its entry {name!r:.80}")
        return start

    def is_stored(self, name: str) -> bool:
        """Say whether an entry's bytes lie in the file as they are."""
        return self._entry(name).compress_type == zipfile.ZIP_STORED

    def _entry(self, name: str) -> zipfile.ZipInfo:
        entry = self.entries.get(name)
        if entry is None:
            raise Malformed(f"has no entry {name!r:.80}")
        if entry.flag_bits & 1:
            raise Unsupported(f"has the entry {name!r:.80}, which is encrypted")
        return entry


@contextmanager
def _translated() -> Iterator[None]:
    """Raise what zipfile and the decompressors raise as Malformed or Unsupported."""
    try:
        yield
    except Unreadable:
        raise
    except NotImplementedError as error:
        raise Unsupported(f"is a zip archive of a kind that isn't read: {error}") from error
    except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, EOFError, OSError) as error:
        raise Malformed(f"is no sound zip archive: {error}") from error
    except (RuntimeError, ValueError, LookupError, OverflowError) as error:
        raise Malformed(f"is no sound zip archive: {error}") from error
