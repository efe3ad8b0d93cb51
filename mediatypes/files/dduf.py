"""DDUF (huggingface.co/docs/hub/dduf): the files of a diffusers pipeline in one zip archive that compresses nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

import msgspec

from mediatypes.files.plain import plain_text
from mediatypes.files.reading import Limits, Malformed, Reading, Source, Unsupported
from mediatypes.files.safetensors import SafetensorsReader
from mediatypes.files.telling import Telling
from mediatypes.files.weights import count_tensors, weigh
from mediatypes.files.zips import BEGIN as ZIP
from mediatypes.files.zips import Zip
from mediatypes.record import Provenance

_INDEX: Final = "model_index.json"


class DdufReader:
    """Reads the pipeline's index, and the headers of the safetensors files in it."""

    name = "dduf"

    def recognises(self, path: str, head: bytes) -> bool:
        """Say whether a file is a zip archive that is named .dduf."""
        return head.startswith(ZIP) and path.lower().endswith(".dduf")

    def read(self, path: str, source: Source, limits: Limits) -> Reading:
        """Return the tensors, by the folders of their files and their names. Raise Unreadable."""
        archive = Zip(source, limits)
        reading = Reading("dduf")
        telling = Telling(path, Provenance.HEADER, reading.facts)
        index = _index(archive)
        telling.tell("format", "dduf")
        telling.tell("framework", "diffusers")
        telling.tell("framework_version", index.get("_diffusers_version"), _INDEX)
        telling.tell("architecture", index.get("_class_name"), _INDEX)
        reading.raw["components"] = sorted(plain_text(name, 200) for name in index if not name.startswith("_"))[:100]
        for name in archive.entries:
            if not archive.is_stored(name):
                raise Unsupported(f"has the entry {name!r:.80}, which is compressed, as none may be")
            if name.endswith(".safetensors"):
                place = archive.place(name)
                folder = name.rpartition("/")[0].replace("/", ".")
                for tensor in SafetensorsReader().read(name, archive.opened(name), limits).tensors:
                    named = f"{folder}.{tensor.name}" if folder else tensor.name
                    assert tensor.offset is not None
                    reading.tensors.append(replace(tensor, name=named, offset=place + tensor.offset))
                count_tensors(len(reading.tensors), limits)
        weigh(telling, reading.tensors)
        return reading


def _index(archive: Zip) -> dict[str, Any]:
    try:
        return msgspec.json.decode(archive.begin(_INDEX, 1 << 20), type=dict[str, Any])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Malformed(f"has a {_INDEX} that isn't that of a pipeline: {error}") from error
