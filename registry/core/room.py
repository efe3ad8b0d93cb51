"""How much is told of one artifact, whatever its manifest names: the room that what is read of its layers takes. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from registry.core.described import ReadLayer
from registry.db.readings import FoundReading

MOST_BYTES: Final = 16 << 20
"""Of what is read of an artifact's layers, as JSON: in memory it takes several times as many, for each job under way."""

_MOST_NAMES: Final = (
    16  # of one blob: a reader goes by the name, too, and would read the same bytes by each of thousands
)
_MOST_FILES: Final = 20_000
_MOST_TENSORS: Final = 1_000_000


@dataclass(slots=True)
class Room:
    """What is left of it for the next layer, and what has found none."""

    files: int = _MOST_FILES
    tensors: int = _MOST_TENSORS
    size: int = MOST_BYTES
    names: int = _MOST_NAMES
    _manners: dict[bytes, set[str]] = field(default_factory=dict)  # by blob
    _unread: int = 0  # names by which a blob is not read
    _first_unread: str = ""
    _layers: int = 0  # that are left out
    _files: int = 0  # of the layer that is told in part
    _first: str = ""

    @property
    def is_full(self) -> bool:
        """Say whether no further layer needs to be read."""
        return min(self.files, self.tensors, self.size) <= 0

    def admits(self, digest: bytes, manner: str) -> bool:
        """Say whether a blob is read in this manner, too: it is in the first few that are asked for."""
        manners = self._manners.setdefault(digest, set())
        if len(manners) < self.names:
            manners.add(manner)
        return manner in manners

    def list_unread(self, layer: ReadLayer, file: dict[str, Any]) -> None:
        """Give a layer that is not read the one file that it is, of which nothing but its place is told."""
        self.take(layer, FoundReading(0, {"files": [file], "problem": None}))
        if file["size"]:  # an empty one has nothing more to tell
            self._unread += 1
            self._first_unread = self._first_unread or _name(layer)

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
        if self._unread:
            found.append(
                f"from {self._first_unread} on {self._unread} files are listed and not read: each is a blob that was read by"
                f" {_MOST_NAMES} other names"
            )
        return found


def _name(layer: ReadLayer) -> str:
    return layer.layer.path[:200] or layer.layer.descriptor.digest
