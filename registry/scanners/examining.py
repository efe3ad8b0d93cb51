"""What is done with a part of an artifact in the sandbox: an examiner looks at its files.

`answer` is called in a child of registry.sandboxed. Files in archives in archives are found, too, to a depth.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from mediatypes.files.archives import members
from mediatypes.files.expanding import Expanded
from mediatypes.files.reading import LIMITS, Limits, Source, TooMuch, Unreadable
from mediatypes.files.zips import BEGIN as ZIP
from mediatypes.files.zips import Zip
from mediatypes.models.artifact import Packing
from mediatypes.record import storable, storable_path
from registry.scanners.base import MOST_FINDINGS, SEVERITIES, Examiner, Severity, finding

_DEEPEST: Final = 3  # archives in archives, the layer included
_MOST_FILES: Final = 200_000
_MOST_TOLD: Final = 4 << 20  # bytes
_MOST_PROBLEMS: Final = 50
_HEAD: Final = 512
_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
_USTAR: Final = slice(257, 262)


def answer(task: dict[str, Any], source: Source) -> dict[str, Any]:
    """Return {"findings", "problems", "told"} of a task: `examiner`, and `packing` and `path` of what the source is."""
    part = _Part(_examiner(task["examiner"]))
    part.examine(source, Packing(task["packing"]), task["path"])
    return {"findings": [msgspec.to_builtins(one) for one in part.worst], "problems": part.problems, "told": part.told}


@functools.cache
def _examiner(place: str) -> Examiner:
    module, _, function = place.partition(":")
    found: Examiner = getattr(importlib.import_module(module), function)
    return found


class _Examination:
    """What is said of one file."""

    def __init__(self, part: _Part, path: str) -> None:
        self._part = part
        self._path = path

    def find(self, severity: Severity, rule: str, message: str) -> None:
        """Add a finding."""
        self._part.found[SEVERITIES.index(severity)].append(finding(severity, rule, self._path, message))

    def tell(self, value: Any) -> None:
        """Tell something for the scanner."""
        self._part.tell({"path": self._path, "value": value})


class _Part:
    """A part of an artifact as it is examined."""

    def __init__(self, examiner: Examiner) -> None:
        self._examiner = examiner
        self._files = 0
        self._room = _MOST_TOLD
        self.found: tuple[list[Any], ...] = tuple([] for _ in SEVERITIES)
        self.told: list[Any] = []
        self.problems: list[str] = []

    @property
    def worst(self) -> list[Any]:
        """The worst findings, so many as are kept."""
        return [one for found in reversed(self.found) for one in found][:MOST_FINDINGS]

    def tell(self, value: Any) -> None:
        """Keep what an examiner tells. Raise TooMuch."""
        self._room -= len(msgspec.msgpack.encode(value))
        if self._room < 0:
            raise TooMuch(f"has more to tell than {_MOST_TOLD} bytes")
        self.told.append(value)

    def examine(self, source: Source, packing: Packing, path: str, depth: int = 0) -> None:
        """Examine a file, or all files of an archive. What can't be is a problem."""
        try:
            if packing is Packing.RAW:
                self._file(path, source, depth)
                return
            for member in members(source, packing, LIMITS, path):
                if member.source is not None:
                    # Links and devices hold nothing of their own.
                    self._file(f"{path}!/{member.path}" if path else member.path, member.source, depth)
        except Unreadable as error:
            self._problem(path, error)

    def _file(self, path: str, source: Source, depth: int) -> None:
        self._files += 1
        if self._files > _MOST_FILES:
            raise TooMuch(f"has more than {_MOST_FILES} files, and the others are not scanned")
        path = storable_path(path)
        try:
            if self._is_whole(path, source):
                return
            self._inner(path, source, depth)
        except Unreadable as error:
            self._problem(path, error)
        except RecursionError:
            self._problem(path, TooMuch("is nested too deeply"))

    def _is_whole(self, path: str, source: Source) -> bool:
        """Say whether the examiner has looked at a file and at all that is in it."""
        try:
            return self._examiner(path, source, LIMITS, _Examination(self, path))
        except (Unreadable, RecursionError, MemoryError):
            raise
        except Exception as error:  # noqa: BLE001 - a defect of an examiner, or of a library: the other files are examined
            self._problem(path, TooMuch(f"is one that its scanner fails at ({type(error).__name__})"))
            return False

    def _inner(self, path: str, source: Source, depth: int) -> None:
        """Examine what is in a file that is an archive."""
        packing = _packing(source)
        if packing is None:
            return
        if depth + 1 >= _DEEPEST:
            raise TooMuch(f"is an archive in {depth} others, and is not looked into")
        if packing != "zip":
            self.examine(source, Packing(packing), path, depth + 1)
            return
        for name, entry in _entries(source, LIMITS):
            try:
                content = entry()
            except Unreadable as error:
                self._problem(f"{path}!/{storable_path(name)}", error)
                continue
            self._file(f"{path}!/{name}", content, depth + 1)

    def _problem(self, path: str, error: Exception) -> None:
        if len(self.problems) < _MOST_PROBLEMS:
            self.problems.append(storable(f"the file {path:.300} {error}"))


def _packing(source: Source) -> str | None:
    """Return which archive a file is by its beginning; None where it is none."""
    head = source.read(0, min(_HEAD, source.size))
    if head.startswith(ZIP):
        return "zip"
    if head[_USTAR] == b"ustar":
        return Packing.TAR
    for begin, packing in ((_GZIP, Packing.TAR_GZIP), (_ZSTD, Packing.TAR_ZSTD)):
        if head.startswith(begin) and _holds_tar(source, packing):
            return packing
    return None


def _holds_tar(source: Source, packing: Packing) -> bool:
    try:
        return Expanded(source, packing, LIMITS).read(_HEAD)[_USTAR] == b"ustar"
    except Unreadable:
        return False


def _entries(source: Source, limits: Limits) -> Iterator[tuple[str, Any]]:
    archive = Zip(source, limits)
    for name, entry in archive.entries.items():
        if not entry.is_dir():
            yield name, functools.partial(archive.opened, name)


def text_of(source: Source, longest: int) -> str | None:
    """Return what a text file holds, of a longer one the beginning; None where it is no text."""
    content = source.read(0, min(source.size, longest))
    if b"\0" in content[:8192]:
        return None
    try:
        return content.decode("utf-8-sig", "ignore" if len(content) < source.size else "strict")
    except UnicodeDecodeError:
        return content.decode("latin-1") if content.isascii() else None


# What the template of the sandbox has imported its children share. Of `models` see registry.scanners.installed.
for _name in ("pickles", "secrets", "licenses", "requirements"):
    importlib.import_module(f"registry.scanners.examiners.{_name}")
if importlib.util.find_spec("modelscan") is not None:
    importlib.import_module("registry.scanners.examiners.models")
