"""The tensors of a file, as they are kept: MessagePack, compressed by zstd; and beside it the digests of their bytes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import msgspec
import zstandard

from mediatypes.files.reading import Tensor

_LEVEL: Final = 9  # names of layers repeat themselves: they take a tenth
_LARGEST: Final = 256 << 20  # bytes of an index that is read

_Row = tuple[str, str, tuple[int, ...], int | None, int]


class DigestedTensor(NamedTuple):
    """A tensor and the SHA-256 of its bytes; None where nobody has read them, or nobody can as they lie there."""

    tensor: Tensor
    sha256: bytes | None


def packed(tensors: Sequence[object]) -> bytes:
    """Return an index of tensors, each [name, dtype, shape, offset, size]. Raise ValueError where one isn't."""
    rows = msgspec.convert(tensors, list[_Row])
    return zstandard.ZstdCompressor(level=_LEVEL).compress(msgspec.msgpack.encode(rows))


def unpacked(content: bytes) -> list[Tensor]:
    """Return the tensors of an index."""
    decompressed = zstandard.ZstdDecompressor().decompress(content, max_output_size=_LARGEST)
    return [Tensor(*row) for row in msgspec.msgpack.decode(decompressed, type=list[_Row])]


def packed_digests(digests: Sequence[bytes | None]) -> bytes:
    """Return digests of an index's tensors, in its order, as they are kept: uncompressed, since nothing makes them smaller."""
    return msgspec.msgpack.encode(digests)


def digested(content: bytes, digests: bytes | None) -> list[DigestedTensor]:
    """Return the tensors of an index with what `packed_digests` has returned for it; None: nothing yet."""
    tensors = unpacked(content)
    known = msgspec.msgpack.decode(digests, type=list[bytes | None]) if digests is not None else [None] * len(tensors)
    return [DigestedTensor(*pair) for pair in zip(tensors, known, strict=True)]
