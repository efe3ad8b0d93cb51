"""Keras's own format (.keras): a zip archive of a configuration in JSON and weights in HDF5 (saving_lib.py)."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import msgspec

from mediatypes.files.hdf5 import contents_of
from mediatypes.files.keras_config import tell_config
from mediatypes.files.reading import Limits, Malformed, Reading, Source
from mediatypes.files.telling import Telling
from mediatypes.files.weights import weigh
from mediatypes.files.zips import BEGIN as ZIP
from mediatypes.files.zips import Zip
from mediatypes.record import Provenance

_CONFIG: Final = "config.json"
_METADATA: Final = "metadata.json"
_WEIGHTS: Final = "model.weights.h5"


class _Metadata(msgspec.Struct):
    keras_version: str | None = None
    date_saved: str | None = None


class KerasReader:
    """Reads .keras archives."""

    name = "keras"

    def recognises(self, path: str, head: bytes) -> bool:
        """Say whether a file is a zip archive that is named .keras."""
        return head.startswith(ZIP) and path.lower().endswith(".keras")

    def read(self, path: str, source: Source, limits: Limits) -> Reading:
        """Return the weights, the configuration, and what loading it would run. Raise Unreadable."""
        archive = Zip(source, limits)
        if _CONFIG not in archive.entries:
            raise Malformed(f"has no entry {_CONFIG}, as archives of Keras have")
        reading = Reading("keras")
        telling = Telling(path, Provenance.HEADER, reading.facts)
        telling.tell("format", "keras")
        telling.tell("framework", "keras")
        if _METADATA in archive.entries:
            try:
                metadata = msgspec.json.decode(_document(archive, _METADATA, limits), type=_Metadata)
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
                raise Malformed(f"has a {_METADATA} that isn't Keras's: {error}") from error
            telling.tell("framework_version", metadata.keras_version, _METADATA)
        tell_config(reading, telling, _document(archive, _CONFIG, limits), _CONFIG)
        if _WEIGHTS in archive.entries:
            place = archive.place(_WEIGHTS) if archive.is_stored(_WEIGHTS) else None
            for tensor in contents_of(archive.opened(_WEIGHTS), limits).tensors:
                offset = None if place is None or tensor.offset is None else place + tensor.offset
                reading.tensors.append(replace(tensor, offset=offset))
        weigh(
            telling, reading.tensors, [tensor for tensor in reading.tensors if not tensor.name.startswith("optimizer")]
        )
        return reading


def _document(archive: Zip, name: str, limits: Limits) -> bytes:
    return archive.begin(name, limits.buffered + 1)
