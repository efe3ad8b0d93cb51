"""What is done with a blob in the sandbox: its files are found and read (`answer`, in a child of registry.sandboxed)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from mediatypes.files import tensor_index
from mediatypes.files.archives import Member, members
from mediatypes.files.readers import reader_of
from mediatypes.files.reading import HEAD, LIMITS, Reading, Source, Tensor, TooMuch, Unreadable
from mediatypes.models.artifact import Packing
from mediatypes.record import is_plain, storable, storable_path

_MOST_FILES: Final = 20_000  # that are told of one blob
_MOST_TENSORS: Final = 200_000  # likewise
_MOST_PACKED: Final = 5 << 20  # bytes of their indexes
_MOST_BYTES: Final = 10 << 20  # of all else that is told of it


def answer(task: dict[str, Any], source: Source) -> Any:
    """Do a task: `read` a blob, or say which `readers` the `names` of one would choose."""
    return readers(task["names"], source) if "names" in task else read(task, source)


def readers(names: Sequence[str], source: Source) -> list[str]:
    """Return the names of the readers by which a blob that is one file would be read under each name; "" for none."""
    head = source.read(0, min(HEAD, source.size))
    found = (reader_of(name, head) for name in names)
    return [reader.name if reader is not None else "" for reader in found]


def read(task: dict[str, Any], source: Source) -> dict[str, Any]:
    """Return the files of a blob: `packing` and, where the blob is one file, its `path` are the task's.

    {"files": [{"path", "size", "start", "format", "facts", "tensors", "findings", "raw", "problem"} …], "problem"}: what went
    wrong with a file, or with the blob behind its last file, completes “the file …”. `tensors` is an index of them
    (mediatypes.files.tensor_index); a file without any has none.
    """
    files: dict[str, dict[str, Any]] = {}
    problem = None
    room = _Room()
    try:
        for member in members(source, Packing(task["packing"]), LIMITS, task["path"]):
            if len(files) >= _MOST_FILES:
                raise TooMuch(f"has more than {_MOST_FILES} files, and the others are not told")
            told = room.fitted(_told(member))
            files[told["path"]] = told  # whoever unpacks a path that comes twice has the last
    except Unreadable as error:
        problem = storable(str(error))
    return {"files": list(files.values()), "problem": problem}


class _Room:
    """What is left of it for the next file of a blob."""

    def __init__(self) -> None:
        self._tensors = _MOST_TENSORS
        self._packed = _MOST_PACKED
        self._bytes = _MOST_BYTES

    def fitted(self, told: dict[str, Any]) -> dict[str, Any]:
        """Return what there is room for of what is told of a file: its findings first. Raise TooMuch where that is nothing."""
        tensors = told.pop("tensors", None)
        if _size(told) > self._bytes:
            told = {name: told[name] for name in ("path", "size", "start", "format", "findings") if name in told}
            told["problem"] = (
                f"has more to tell than there is room for: of a layer's files {_MOST_BYTES} bytes are told"
            )
        if tensors:
            told |= self._index(tensors)
        self._bytes -= _size(told | {"tensors": None})
        if self._bytes < 0:
            raise TooMuch(f"has more to tell of its files than {_MOST_BYTES} bytes, and the others are not told")
        return told

    def _index(self, tensors: Sequence[Tensor]) -> dict[str, Any]:
        """Return the index of a file's tensors, or the problem that there is no room for it."""
        if len(tensors) > self._tensors:
            return {"problem": f"has tensors that are not listed: of a layer no more than {_MOST_TENSORS} are"}
        try:
            packed = tensor_index.packed(tensors)
        except TooMuch as error:
            return {"problem": str(error)}
        if len(packed) > self._packed:
            return {
                "problem": f"has tensors that are not listed: a layer's indexes of them have {_MOST_PACKED} bytes at most"
            }
        self._tensors -= len(tensors)
        self._packed -= len(packed)
        return {"tensors": packed}


def _size(told: dict[str, Any]) -> int:
    return len(msgspec.msgpack.encode(told))


def _told(member: Member) -> dict[str, Any]:
    told: dict[str, Any] = {"path": storable_path(member.path), "size": member.size, "start": member.start}
    if member.source is None:
        return told | {"problem": member.refused}
    try:
        found = _read(member.path, member.source)
    except Unreadable as error:
        return told | {"problem": storable(str(error))}
    except RecursionError:
        return told | {"problem": "is nested too deeply"}
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001 - a defect of a reader, or of a library: the others of the archive are read
        return told | {"problem": f"is one that its reader fails at ({type(error).__name__})"}
    return told | (_plain(found) if found is not None else {})


def _read(path: str, source: Source) -> Reading | None:
    reader = reader_of(path, source.read(0, min(HEAD, source.size)))
    return reader.read(path, source, LIMITS) if reader is not None else None


def _plain(reading: Reading) -> dict[str, Any]:
    return {
        "format": reading.format,
        "facts": [[fact.field, fact.value, int(fact.provenance), fact.at] for fact in reading.facts],
        "tensors": reading.tensors,
        "findings": [
            {"level": one.level, "rule": one.rule, "message": storable(one.message)} for one in reading.findings
        ],
        "raw": reading.raw if is_plain(reading.raw) else {},
    }
