"""What every reader of files takes and gives."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from mediatypes.record import Fact

HEAD: Final = 4096
"""Bytes of a file's beginning by which readers recognise it, fewer where it is shorter."""


class Unreadable(ValueError):
    """A file that a reader refuses; the message completes “the file …” and says what is wrong where."""


class Malformed(Unreadable):
    """A file that isn't of its format, or contradicts itself."""


class TooMuch(Unreadable):
    """A file that would cost more than `Limits` allow."""


class Unsupported(Unreadable):
    """A file of a variant of its format that is not read: encrypted, another version, a compression that is unknown."""


class Source(Protocol):
    """The bytes of one file, wherever they are."""

    @property
    def size(self) -> int:
        """The file's bytes."""

    def read(self, start: int, stop: int) -> bytes:
        """Return the bytes from `start` up to `stop`, exactly so many.

        Raise Malformed where the file ends before `stop`, TooMuch where more was read than the caller pays for.
        """


@dataclass(frozen=True, slots=True)
class Limits:
    """How much a reader may spend on a file before it refuses it."""

    header: int = 64 << 20  # bytes of a header, a footer or a document that is read whole
    entries: int = 200_000  # tensors, files of an archive, fields of a schema
    depth: int = 64  # objects in objects
    ratio: int = 200  # bytes that one compressed byte may become, above 1 MiB
    expanded: int = 8 << 30  # bytes that all of an archive may become
    buffered: int = 64 << 20  # bytes of one file that are kept, where a compressed archive lets it be read only once


LIMITS: Final = Limits()


@dataclass(frozen=True, slots=True)
class Tensor:
    """A tensor of a file, by its entry in the file's header.

    `dtype` is ModelPack's word (float32, bfloat16, float16, float8_e4m3, int8, uint8, bool …) or a GGML type (Q4_K) as it
    stands. `offset` counts bytes from the file's begin; None where the header doesn't say, or the bytes are compressed.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    offset: int | None
    size: int  # bytes


@dataclass(frozen=True, slots=True)
class Finding:
    """Something in a file that whoever loads it should know: `level` is "suspicious" or "dangerous"."""

    level: str
    rule: str
    """A short name of what was found: pickle-global, …"""
    message: str


@dataclass(slots=True)
class Reading:
    """What a file says of itself."""

    format: str
    """safetensors, gguf, onnx, pytorch, pickle, joblib, savedmodel, keras, hdf5, npy, npz, parquet, arrow, csv, jsonl …"""
    facts: list[Fact] = field(default_factory=list)
    tensors: list[Tensor] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    raw: dict[str, Any] = field(default_factory=dict)
    """The file's own metadata, by its own names, as JSON can hold it and without what is large (tokens, embedded weights)."""


class FileReader(Protocol):
    """Reads files of one format."""

    name: str

    def recognises(self, path: str, head: bytes) -> bool:
        """Say whether a file is to be read by this reader, by its path in the artifact and its first HEAD bytes."""

    def read(self, path: str, source: Source, limits: Limits) -> Reading:
        """Return what a file says of itself. Raise Unreadable."""
