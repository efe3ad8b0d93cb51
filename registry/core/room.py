"""How much is told of one artifact, whatever its manifest names: the room that what is read of its layers takes. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from registry.core.described import ReadLayer
from registry.db.readings import FoundReading

MOST_BYTES: Final = 16 << 20
"""Of what is read of an artifact's layers, as JSON: in memory it takes several times as many, for each job under way."""

_MOST_FILES: Final = 20_000
_MOST_TENSORS: Final = 1_000_000


@dataclass(slots=True)
class Room:
    """What is left of it for the next layer, and what has found none."""

    files: int = _MOST_FILES
    tensors: int = _MOST_TENSORS
    size: int = MOST_BYTES
    _layers: int = 0  # that are left out
    _files: int = 0  # of the layer that is told in part
    _first: str = ""

    @property
    def is_full(self) -> bool:
        """Say whether no further layer needs to be read."""
        return min(self.files, self.tensors, self.size) <= 0

    def take(self, layer: ReadLayer, found: FoundReading) -> None:
        """Give a layer its reading: the first files of it where there is no room for all, and none where it is too large."""
        self.size -= found.size
        if self.size < 0 or found.reading is None:
            self.leave_out(layer)
            return
        files = found.reading["files"]
        layer.reading = found.reading
        if len(files) > self.files:
            layer.reading = {**found.reading, "files": files[: self.files]}
            self._files = len(files) - self.files
            self._first = self._first or _name(layer)
        self.files -= len(layer.reading["files"])
        self.tensors -= sum(file.get("tensors", 0) for file in layer.reading["files"])

    def leave_out(self, layer: ReadLayer) -> None:
        """Note a layer of which nothing is told."""
        self._layers += 1
        self._first = self._first or _name(layer)

    def problems(self) -> list[str]:
        """Return what was left out, if anything was, in sentences for the artifact's reader."""
        found = []
        if self._first:
            parts = {"of its files": self._files, "layers": self._layers}
            beyond = " and ".join(f"{count} {what}" for what, count in parts.items() if count)
            bounds = f"{_MOST_FILES} files, {_MOST_TENSORS} tensors and {MOST_BYTES} bytes of what was read"
            found.append(
                f"from the layer {self._first} on {beyond} are left out: of an artifact no more is told than {bounds}"
            )
        return found


def _name(layer: ReadLayer) -> str:
    return layer.layer.path[:200] or layer.layer.descriptor.digest
