"""Parquet: the footer, read by ranges by pyarrow."""

from __future__ import annotations

from typing import Any, Final

from mediatypes.files.arrow_types import features_of, metadata_of, refusing
from mediatypes.files.plain import plain_object
from mediatypes.files.reading import Limits, Malformed, Reading, Source, TooMuch, Unsupported
from mediatypes.files.seekable import SeekableFile
from mediatypes.files.telling import Telling, present
from mediatypes.record import Provenance

_MAGIC: Final = b"PAR1"
_ENCRYPTED: Final = b"PARE"
_FOOTER: Final = 16 << 20  # bytes; pyarrow's objects for a footer take many times its bytes
_GROUPS: Final = 100  # row groups that are told of one by one


class Parquet:
    """Reads Parquet files."""

    name = "parquet"

    def recognises(self, path: str, head: bytes) -> bool:
        """Say whether this begins as a Parquet file."""
        return head.startswith((_MAGIC, _ENCRYPTED))

    def read(self, path: str, source: Source, limits: Limits) -> Reading:
        """Return fields, rows, row groups and the metadata of whoever wrote it. Raise Unreadable."""
        from pyarrow import parquet

        _require_footer(source, limits)
        file = SeekableFile(source)
        telling = Telling(path, Provenance.HEADER)
        with refusing(file):
            footer = parquet.read_metadata(file)
            telling.tell("features", features_of(footer.schema.to_arrow_schema(), limits))
            telling.tell("rows", footer.num_rows)
            return Reading(self.name, telling.facts, raw=_raw(footer, limits))


def _require_footer(source: Source, limits: Limits) -> None:
    """Refuse a footer that isn't there, or larger than is read, before pyarrow makes objects of it."""
    if source.size < 12:
        raise Malformed(f"has {source.size} bytes, fewer than the smallest Parquet file")
    end = source.read(source.size - 8, source.size)
    if end[4:] == _ENCRYPTED:
        raise Unsupported("is a Parquet file whose footer is encrypted")
    if end[4:] != _MAGIC:
        raise Malformed("doesn't end as a Parquet file does")
    length = int.from_bytes(end[:4], "little")
    if length > min(_FOOTER, limits.header):
        raise TooMuch(f"has a footer of {length} bytes")


def _raw(footer: Any, limits: Limits) -> dict[str, Any]:
    groups: list[dict[str, Any]] = []
    for position in range(min(footer.num_row_groups, _GROUPS)):
        group = footer.row_group(position)
        groups.append({"rows": group.num_rows, "bytes": group.total_byte_size})
    compression = None
    if footer.num_row_groups and footer.num_columns:
        compression = str(footer.row_group(0).column(0).compression).lower()
    return plain_object(
        present(
            version=footer.format_version,
            created_by=footer.created_by or None,
            rows=footer.num_rows,
            columns=footer.num_columns,
            row_groups=footer.num_row_groups,
            groups=groups,
            compression=compression,
            metadata=metadata_of(footer.metadata, limits) or None,
        )
    )
