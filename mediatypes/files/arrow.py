"""Arrow IPC, as a file and as a stream (Arrow columnar format, “Serialization and Interprocess Communication”).

pyarrow reads the schema. How many rows there are stands in the metadata of each record batch, and pyarrow passes over a
stream's batches only by reading them: so the messages are walked here, by their lengths.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

from mediatypes.files.arrow_types import features_of, metadata_of, refusing
from mediatypes.files.plain import plain_object
from mediatypes.files.ranged import Part
from mediatypes.files.reading import Limits, Malformed, Reading, Source, TooMuch, Unsupported
from mediatypes.files.seekable import SeekableFile
from mediatypes.files.telling import Telling, present
from mediatypes.record import Provenance

_MAGIC: Final = b"ARROW1"
_CONTINUED: Final = b"\xff\xff\xff\xff"
_SCHEMA, _BATCH = 1, 3  # MessageHeader of Message.fbs
_METADATA: Final = 16 << 20  # bytes of one message's metadata
_AHEAD: Final = 1024  # bytes in which the metadata of most record batches ends
_MESSAGES: Final = 2000  # of which the rows are counted: each costs a read


class Arrow:
    """Reads Arrow files and streams."""

    name = "arrow"

    def recognises(self, path: str, head: bytes) -> bool:
        """Say whether this begins as an Arrow file, or as a stream of messages whose first is a schema."""
        if head.startswith(_MAGIC):
            return True
        if not head.startswith(_CONTINUED) or len(head) < 8:
            return False
        try:
            return _Message.parse(head[8:]).kind == _SCHEMA
        except Malformed:
            return False

    def read(self, path: str, source: Source, limits: Limits) -> Reading:
        """Return fields and, where it doesn't have very many batches, rows. Raise Unreadable."""
        from pyarrow import ipc

        is_file = source.size >= 8 and source.read(0, 6) == _MAGIC
        if is_file and source.read(source.size - 6, source.size) != _MAGIC:
            raise Malformed("doesn't end as an Arrow file does")
        # An Arrow file is a stream between its magic strings, with a footer behind.
        stream = Part(source, 8 if is_file else 0, source.size)
        _require_schema(stream, limits)
        file = SeekableFile(stream, 4 << 10)  # most schemas are shorter
        telling = Telling(path, Provenance.HEADER)
        with refusing(file):
            schema = ipc.open_stream(file).schema
            telling.tell("features", features_of(schema, limits))
            columns, metadata = len(schema), metadata_of(schema.metadata, limits)
        rows, batches = _counted(stream, limits)
        telling.tell("rows", rows)
        raw = present(
            packing="file" if is_file else "stream",
            columns=columns,
            rows=rows,
            batches=batches,
            metadata=metadata or None,
        )
        return Reading(self.name, telling.facts, raw=plain_object(raw))


@dataclass(frozen=True, slots=True)
class _Message:
    """What the metadata of a message says (Message.fbs)."""

    kind: int
    rows: int  # of a record batch
    body: int  # bytes

    @classmethod
    def parse(cls, metadata: bytes) -> _Message:
        """Read the fields header_type, header and bodyLength. Raise Malformed."""
        try:
            table = _Table(metadata, struct.unpack_from("<I", metadata, 0)[0])
            kind = table.number("<B", 1)
            rows = 0
            if kind == _BATCH:
                header = table.place(2)
                rows = _Table(metadata, header + struct.unpack_from("<I", metadata, header)[0]).number("<q", 0)
            body = table.number("<q", 3)
        except struct.error:
            raise Malformed("has a message whose metadata points behind its end") from None
        if rows < 0 or body < 0:
            raise Malformed("has a message with a negative length")
        return cls(kind, rows, body)


@dataclass(frozen=True, slots=True)
class _Table:
    """A table of FlatBuffers: at its start stands how far before it its vtable lies, with a place for each field."""

    content: bytes
    start: int

    def place(self, field: int) -> int:
        """Return where a field lies; 0 where it isn't there and has its default."""
        vtable = self.start - struct.unpack_from("<i", self.content, self.start)[0]
        if vtable < 0:
            raise struct.error
        length = struct.unpack_from("<H", self.content, vtable)[0]
        position = 4 + 2 * field
        offset = struct.unpack_from("<H", self.content, vtable + position)[0] if position + 2 <= length else 0
        return self.start + offset if offset else 0

    def number(self, kind: str, field: int) -> int:
        """Return a field that is a number."""
        place = self.place(field)
        return int(struct.unpack_from(kind, self.content, place)[0]) if place else 0


def _require_schema(stream: Source, limits: Limits) -> None:
    """Refuse a schema that is larger than is read, before pyarrow makes objects of it."""
    prefix = stream.read(0, min(8, stream.size))
    if len(prefix) < 8 or prefix[:4] != _CONTINUED:
        raise Unsupported("is of Arrow before 0.15, or no Arrow file")
    _metadata_length(prefix, limits)


def _metadata_length(prefix: bytes, limits: Limits) -> int:
    length = int.from_bytes(prefix[4:8], "little", signed=True)
    if length < 0:
        raise Malformed("has a message with a negative length")
    if length > min(_METADATA, limits.header):
        raise TooMuch(f"has a message with {length} bytes of metadata")
    return length


def _counted(stream: Source, limits: Limits) -> tuple[int | None, int | None]:
    """Return how many rows and batches the messages have together; None where there are more messages than are walked."""
    position = rows = batches = 0
    for _ in range(_MESSAGES):
        ahead = stream.read(position, min(position + _AHEAD, stream.size))
        if not ahead:  # A stream may end without saying so.
            return rows, batches
        if len(ahead) < 8 or ahead[:4] != _CONTINUED:
            raise Malformed(f"has no message at byte {position}")
        length = _metadata_length(ahead, limits)
        if length == 0:
            return rows, batches
        metadata = ahead[8 : 8 + length]
        if len(metadata) < length:
            metadata += stream.read(position + 8 + len(metadata), position + 8 + length)
        message = _Message.parse(metadata)
        rows += message.rows
        batches += message.kind == _BATCH
        position += 8 + length + message.body
        if position > stream.size:
            raise Malformed(f"ends within a message, before byte {position}")
    return None, None
