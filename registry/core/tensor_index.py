"""The tensors of a file, as they are kept: MessagePack, compressed by zstd."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec
import zstandard

from mediatypes.files.reading import Tensor

_LEVEL: Final = 9  # names of layers repeat themselves: they take a tenth
_LARGEST: Final = 256 << 20  # bytes of an index that is read

_Row = tuple[str, str, tuple[int, ...], int | None, int]


def packed(tensors: Sequence[object]) -> bytes:
    """Return an index of tensors, each [name, dtype, shape, offset, size]. Raise ValueError where one isn't."""
    rows = msgspec.convert(tensors, list[_Row])
    return zstandard.ZstdCompressor(level=_LEVEL).compress(msgspec.msgpack.encode(rows))


def unpacked(content: bytes) -> list[Tensor]:
    """Return the tensors of an index."""
    decompressed = zstandard.ZstdDecompressor().decompress(content, max_output_size=_LARGEST)
    return [Tensor(*row) for row in msgspec.msgpack.decode(decompressed, type=list[_Row])]
