"""HDF5 and what Keras saves in it, read by pyfive, which is written in Python and reads a file-like object by ranges.

pyfive trusts what it reads, so all that it raises over a broken file is translated here, and the bytes that it may read are
counted: each of its loops reads.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import pyfive
from pyfive.core import InvalidHDF5File

from mediatypes.files.dtypes import of_numpy
from mediatypes.files.keras_config import tell_config
from mediatypes.files.plain import plain
from mediatypes.files.ranged import Counted
from mediatypes.files.reading import Limits, Malformed, Reading, Source, Tensor, TooMuch, Unreadable, Unsupported
from mediatypes.files.seekable import SeekableFile
from mediatypes.files.telling import Telling
from mediatypes.files.weights import checked_name, count_tensors, elements, weigh
from mediatypes.record import Provenance

_MAGIC: Final = b"\x89HDF\r\n\x1a\n"
_NAMES: Final = (".h5", ".hdf5", ".keras")
_BLOCK: Final = 4 << 10  # bytes; a file's descriptions lie between its arrays
_BUDGET: Final = 32 << 20  # bytes of descriptions
_CONTIGUOUS: Final = 1  # layout class (HDF5 File Format Specification, IV.A.2.i)
_UNDEFINED: Final = (1 << 64) - 1


@dataclass(slots=True)
class Contents:
    """A file's datasets as tensors, and the attributes of its root that are texts."""

    tensors: list[Tensor] = field(default_factory=list)
    attributes: dict[str, str] = field(default_factory=dict)


class Hdf5Reader:
    """Reads the datasets of HDF5 files, and of Keras's also the model's configuration."""

    name = "hdf5"

    def recognises(self, path: str, head: bytes) -> bool:
        """Say whether a file begins as HDF5 files do, or behind a block of the user's is named as they are."""
        return head.startswith(_MAGIC) or (_MAGIC in head[512:] and path.lower().endswith(_NAMES))

    def read(self, path: str, source: Source, limits: Limits) -> Reading:
        """Return the datasets as tensors, by their paths in the file. Raise Unreadable."""
        contents = contents_of(source, limits)
        said = contents.attributes
        reading = Reading("hdf5")
        telling = Telling(path, Provenance.HEADER, reading.facts)
        telling.tell("format", reading.format)
        reading.tensors = contents.tensors
        if "keras_version" in said or path.lower().endswith(".weights.h5"):
            telling.tell("framework", "keras")
            telling.tell("framework_version", said.get("keras_version"), "/keras_version")
        if "model_config" in said:
            tell_config(reading, telling, said["model_config"].encode(), "/model_config")
        reading.raw |= plain({name: text for name, text in said.items() if len(text) <= 1000})
        weigh(
            telling, reading.tensors, [tensor for tensor in reading.tensors if not tensor.name.startswith("optimizer")]
        )
        return reading


def contents_of(source: Source, limits: Limits) -> Contents:
    """Return what an HDF5 file holds, without reading its arrays. Raise Unreadable."""
    contents = Contents()
    counted = Counted(source, min(limits.header, _BUDGET))
    with _translated():
        opened = pyfive.File(SeekableFile(counted, _BLOCK))

        def look_at(name: str, found: Any) -> None:
            if isinstance(found, pyfive.Dataset):
                contents.tensors.append(_tensor(name, found, opened.userblock_size, source.size))
                count_tensors(len(contents.tensors), limits)

        opened.visititems(look_at, noindex=True)
        for name, value in list(opened.attrs.items())[:100]:
            if isinstance(value, bytes | str):
                contents.attributes[name] = value if isinstance(value, str) else value.decode("utf-8", "replace")
    return contents


def _tensor(name: str, dataset: Any, begin: int, end: int) -> Tensor:
    shape, count = elements(name, dataset.shape or ())
    known = of_numpy(dataset.dtype.str) or ("struct", int(dataset.dtype.itemsize))
    offset = None
    if dataset.id.layout_class == _CONTIGUOUS and dataset.id.data_offset != _UNDEFINED:
        offset = begin + int(dataset.id.data_offset)
        if offset + count * known[1] > end:
            raise Malformed(f"ends within the array {name!r:.80}")
    return Tensor(checked_name(name), known[0], shape, offset, count * known[1])


@contextmanager
def _translated() -> Iterator[None]:
    """Raise what pyfive raises over what it can't read as Malformed or Unsupported."""
    try:
        yield
    except Unreadable:
        raise
    except InvalidHDF5File as error:
        raise Malformed(f"is no sound HDF5: {error!s:.100}") from error
    except (NotImplementedError, UserWarning) as error:
        raise Unsupported(f"is HDF5 of a kind that isn't read: {error!s:.100}") from error
    except (RecursionError, MemoryError) as error:
        raise TooMuch("is HDF5 that is nested or large beyond reason") from error
    except (struct.error, zlib.error, ValueError, LookupError, TypeError, AttributeError, ArithmeticError) as error:
        raise Malformed(f"is no sound HDF5: {error!s:.100}") from error
    except (AssertionError, OSError, EOFError, RuntimeError, UnboundLocalError, StopIteration) as error:
        raise Malformed(f"is no sound HDF5: {error!s:.100}") from error
