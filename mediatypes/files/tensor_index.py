"""The tensors of a file, as they are kept: MessagePack, compressed by zstd; and beside it the digests of their bytes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import msgspec
import zstandard

from mediatypes.files.reading import Tensor, TooMuch
from mediatypes.record import storable

_LEVEL: Final = 9  # names of layers repeat themselves: they take a tenth
_LARGEST: Final = 64 << 20  # bytes that an index becomes, at most

_Row = tuple[str, str, tuple[int, ...], int | None, int]


class DigestedTensor(NamedTuple):
    """A tensor and the SHA-256 of its bytes; None where nobody has read them, or nobody can as they lie there."""

    tensor: Tensor
    sha256: bytes | None


def packed(tensors: Sequence[Tensor]) -> bytes:
    """Return an index of tensors, whose texts are as the database can hold them. Raise TooMuch where that is too large."""
    rows = [(storable(one.name), storable(one.dtype), one.shape, one.offset, one.size) for one in tensors]
    content = msgspec.msgpack.encode(rows)
    if len(content) > _LARGEST:
        raise TooMuch(f"has an index of tensors of more than {_LARGEST} bytes")
    return zstandard.ZstdCompressor(level=_LEVEL).compress(content)


def unpacked_size(content: bytes) -> int:
    """Return how many bytes an index becomes: its own word, to which `unpacked` holds it. Raise ValueError for what is none."""
    try:
        return zstandard.frame_content_size(content)
    except zstandard.ZstdError as error:
        raise ValueError(str(error)) from None


def unpacked(content: bytes) -> list[Tensor]:
    """Return the tensors of an index. Raise ValueError where that is none, or becomes too large."""
    try:
        if unpacked_size(content) > _LARGEST:  # in which case the next would take what it says
            raise ValueError(f"has an index of tensors of more than {_LARGEST} bytes")
        decompressed = zstandard.ZstdDecompressor().decompress(content, max_output_size=_LARGEST)
    except zstandard.ZstdError as error:
        raise ValueError(str(error)) from None
    return [Tensor(*row) for row in msgspec.msgpack.decode(decompressed, type=list[_Row])]


def packed_digests(digests: Sequence[bytes | None]) -> bytes:
    """Return digests of an index's tensors, in its order, as they are kept: uncompressed, since nothing makes them smaller."""
    return msgspec.msgpack.encode(digests)


def digested(content: bytes, digests: bytes | None) -> list[DigestedTensor]:
    """Return the tensors of an index with what `packed_digests` has returned for it; None: nothing yet."""
    tensors = unpacked(content)
    known = msgspec.msgpack.decode(digests, type=list[bytes | None]) if digests is not None else [None] * len(tensors)
    return [DigestedTensor(*pair) for pair in zip(tensors, known, strict=True)]
