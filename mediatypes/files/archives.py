"""The files of a layer, whichever way it is packed, in bounded memory: nothing is unpacked, nothing is written.

A plain tar is read by ranges: its headers, and of its files what is asked for. A compressed one is read once from its
beginning to its end: a member's bytes are kept as far as they are asked for, while it is the one at hand, and dropped then.
tarfile reads the headers (POSIX ustar and pax, GNU long names and sparse files); what it trusts is checked here.
"""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, cast

from mediatypes.files.expanding import Expanded
from mediatypes.files.paths import member_path
from mediatypes.files.ranged import Part, Window, require_range
from mediatypes.files.reading import Limits, Malformed, Source, TooMuch, Unreadable
from mediatypes.files.seekable import SeekableFile
from mediatypes.models.artifact import Packing

_HEADER: Final = 32 << 10  # bytes of one member's headers, with its long name, its pax records and its map of holes
_BLOCK: Final = 512
_REFUSED: Final = {
    tarfile.SYMTYPE: "is a symbolic link",
    tarfile.LNKTYPE: "is a hard link",
    tarfile.CHRTYPE: "is a device",
    tarfile.BLKTYPE: "is a device",
    tarfile.FIFOTYPE: "is a pipe",
}


@dataclass(frozen=True, slots=True)
class Member:
    """A file of a layer, by its path; one that comes twice is yielded twice, and who unpacks them has the last.

    `refused` says why a member is none to read: it completes “the member …”. Its path then is as it stands in the archive.
    """

    path: str
    size: int  # bytes
    start: int | None
    """Where its bytes begin in the blob, or in what a compressed one becomes; None where they don't lie in one piece."""
    source: Source | None
    """Its bytes; those of a compressed archive can be read until the next member is asked for. None where it is refused."""
    refused: str | None = None


def members(source: Source, packing: Packing, limits: Limits, path: str = "") -> Iterator[Member]:
    """Yield a layer's files; a layer that is one file has the path that is given.

    Raise Unreadable at the place where the archive is broken or goes beyond the limits: what came before remains right.
    """
    match packing:
        case Packing.RAW:
            yield Member(path, source.size, 0, source)
        case Packing.TAR:
            yield from _plain_members(source, limits)
        case Packing.TAR_GZIP | Packing.TAR_ZSTD:
            yield from _compressed_members(Expanded(source, packing, limits), limits)


def _plain_members(source: Source, limits: Limits) -> Iterator[Member]:
    window = Window(source)
    holes = 0
    for info in _headers(_HeaderFile(SeekableFile(window)), limits):
        path, refused = _judged(info)
        if refused:
            yield Member(path, info.size, None, None, refused)
            continue
        pieces = _pieces(info)
        stored = Part(window, info.offset_data, info.offset_data + _stored_size(info))
        if stored.stop > source.size:
            raise Malformed(f"ends within the member {path!r:.200}")
        if pieces is None:
            yield Member(path, info.size, info.offset_data, stored)
            continue
        holes += info.size
        if holes > limits.expanded:
            raise TooMuch(f"becomes more than {limits.expanded} bytes by its sparse files")
        yield Member(path, info.size, None, Sparse(stored, pieces, info.size))


def _compressed_members(expanded: Expanded, limits: Limits) -> Iterator[Member]:
    holes = 0
    for info in _headers(_HeaderFile(expanded), limits):
        path, refused = _judged(info)
        if refused:
            yield Member(path, info.size, None, None, refused)
            continue
        kept = Kept(expanded, _stored_size(info), limits.buffered)
        pieces = _pieces(info)
        holes += info.size if pieces is not None else 0
        if holes > limits.expanded:
            raise TooMuch(f"becomes more than {limits.expanded} bytes by its sparse files")
        if pieces is None:
            yield Member(path, info.size, info.offset_data, kept)
        else:
            yield Member(path, info.size, None, Sparse(kept, pieces, info.size))
        kept.drop()


class Kept:
    """The bytes of a compressed archive's member, as far as they were asked for."""

    def __init__(self, expanded: Expanded, size: int, limit: int) -> None:
        self._expanded = expanded
        self._size = size
        self._limit = limit
        self._content = bytearray()
        self._is_dropped = False

    @property
    def size(self) -> int:
        """The member's bytes."""
        return self._size

    def read(self, start: int, stop: int) -> bytes:
        """Return bytes, and keep all before them. Raise TooMuch beyond what is kept of a file, or when it is gone."""
        require_range(start, stop, self._size)
        if self._is_dropped:
            raise TooMuch("is in a compressed archive that was read on meanwhile")
        if stop > self._limit:
            raise TooMuch(f"is in a compressed archive, and needs more than its first {self._limit} bytes")
        missing = stop - len(self._content)
        if missing > 0:
            self._content += self._expanded.read(missing)
            if len(self._content) < stop:
                raise Malformed("ends before its archive's header says so")
        return bytes(self._content[start:stop])

    def drop(self) -> None:
        """Let go of the bytes: the archive is read on."""
        self._is_dropped = True
        self._content = bytearray()


@dataclass(frozen=True, slots=True)
class Sparse:
    """A file with holes, which are zeros: `pieces` are (place, bytes) of what is stored, one behind the other."""

    stored: Source
    pieces: list[tuple[int, int]]
    size: int

    def read(self, start: int, stop: int) -> bytes:
        """Return the bytes from `start` up to `stop`. Raise Malformed where the file ends before."""
        require_range(start, stop, self.size)
        found = bytearray(stop - start)
        at = 0
        for place, length in self.pieces:
            first, last = max(start, place), min(stop, place + length)
            if first < last:
                found[first - start : last - start] = self.stored.read(at + first - place, at + last - place)
            at += length
        return bytes(found)


class _HeaderFile:
    """The file that tarfile reads headers from: only so much for one member, whatever the header says."""

    def __init__(self, file: SeekableFile | Expanded) -> None:
        self._file = file
        self.left = _HEADER
        self.last = b""
        """What was read last."""

    def tell(self) -> int:
        """Return where the next byte is."""
        return self._file.tell()

    def seek(self, offset: int) -> int:
        """Go to a place."""
        return self._file.seek(offset)

    def read(self, size: int) -> bytes:
        """Return the next bytes, fewer where the archive ends."""
        self.left -= size
        if size < 0 or self.left < 0:
            raise TooMuch(f"has a member with more than {_HEADER} bytes of headers")
        self.last = self._file.read(size)
        return self.last


def _headers(file: _HeaderFile, limits: Limits) -> Iterator[tarfile.TarInfo]:
    """Yield the headers of an archive's members but directories. Raise Unreadable."""
    archive: tarfile.TarFile | None = None
    place = -1
    count = 0
    while True:
        file.left = _HEADER
        try:
            if archive is None:
                archive = tarfile.TarFile(fileobj=file, encoding="utf-8", errors="surrogateescape")  # type: ignore[arg-type]
            info = archive.next()
        except Unreadable:
            raise
        # Headers that lie make tarfile raise what its arithmetic raises.
        except (tarfile.TarError, ValueError, ArithmeticError, LookupError, TypeError, RecursionError) as error:
            raise Malformed(f"has a header that is none: {error!s:.200}") from None
        if info is None:
            # tarfile takes a header that is none for the end.
            if file.last.strip(b"\0") or len(file.last) not in (0, _BLOCK):
                raise Malformed(f"has no header at byte {archive.offset}")
            return
        archive.members = []  # type: ignore[attr-defined]  # It would keep all of them.
        count += 1
        if count > limits.entries:
            raise TooMuch(f"has more than {limits.entries} members")
        if info.offset <= place or archive.offset <= info.offset or info.size < 0:
            raise Malformed(f"has a member that leads back to byte {archive.offset}")
        place = info.offset
        if not info.isdir():
            yield info


def _judged(info: tarfile.TarInfo) -> tuple[str, str | None]:
    """Return a member's path, and why it isn't read."""
    path, refused = member_path(info.name)
    if info.type in _REFUSED:
        refused = _REFUSED[info.type]
    elif not info.isreg():
        refused = f"is of the type {info.type!r}, which is unknown"
    elif not _is_ordered(info):
        refused = "is a sparse file whose pieces overlap"
    return path, refused


def _is_ordered(info: tarfile.TarInfo) -> bool:
    end = 0
    for place, length in _pieces(info) or ():
        if place < end or length < 0:
            return False
        end = place + length
    return end <= info.size


def _pieces(info: tarfile.TarInfo) -> list[tuple[int, int]] | None:
    """Return where in a sparse file what is stored lies, as (place, bytes); None where a file is whole."""
    pieces = cast("list[tuple[int, int]] | None", info.sparse)
    # GNU tar fills its map of holes with pieces of no bytes.
    return None if pieces is None else [(place, length) for place, length in pieces if length]


def _stored_size(info: tarfile.TarInfo) -> int:
    """Return how many bytes of a member are in the archive."""
    pieces = _pieces(info)
    return info.size if pieces is None else sum(length for _, length in pieces)
