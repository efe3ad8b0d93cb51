"""Small real files of each format, and a way to read them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from sklearn.pipeline import Pipeline

from mediatypes.files.ranged import InMemory
from mediatypes.files.readers import reader_of
from mediatypes.files.reading import HEAD, LIMITS, Limits, Reading, Source
from tests.mediatypes.files import seeds

Read = Callable[..., Reading]


@dataclass
class Holed:
    """A long file whose bytes are zero behind its begin; it notes what is read of it."""

    begin: bytes
    size: int
    reads: list[int] = field(default_factory=list)

    def read(self, start: int, stop: int) -> bytes:
        assert 0 <= start <= stop <= self.size
        self.reads.append(stop - start)
        return self.begin[start:stop].ljust(stop - start, b"\0")


@pytest.fixture(scope="session")
def holed() -> type[Holed]:
    return Holed


@pytest.fixture(scope="session")
def read() -> Read:
    def read(path: str, content: bytes | Source, limits: Limits = LIMITS) -> Reading:
        source: Source = InMemory(content) if isinstance(content, bytes) else content
        reader = reader_of(path, source.read(0, min(HEAD, source.size)))
        assert reader is not None, f"no reader recognises {path}"
        return reader.read(path, source, limits)

    return read


@pytest.fixture(scope="session")
def recorded() -> Callable[[str], bytes]:
    return lambda name: (seeds.WEIGHTS / name).read_bytes()


@pytest.fixture(scope="session")
def said() -> Any:
    """Return what the libraries that wrote the recorded files say of them."""
    return seeds.SAID


@pytest.fixture(scope="session")
def pipeline() -> Pipeline:
    return seeds.PIPELINE


@pytest.fixture(scope="session")
def make_gguf() -> Callable[..., bytes]:
    return seeds.make_gguf


@pytest.fixture(scope="session")
def make_onnx() -> Callable[..., bytes]:
    return seeds.make_onnx


@pytest.fixture(scope="session")
def files() -> dict[str, bytes]:
    """Return small files of weights, by a path."""
    return seeds.WEIGHT_FILES
