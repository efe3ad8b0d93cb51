"""What is done with a blob in the sandbox: its files are found and read (`read`, in a child of registry.sandboxed)."""

from __future__ import annotations

from typing import Any, Final

from mediatypes.files.archives import Member, members
from mediatypes.files.readers import reader_of
from mediatypes.files.reading import HEAD, LIMITS, Reading, Source, Unreadable
from mediatypes.models.artifact import Packing
from mediatypes.record import is_plain, storable, storable_path

_MOST_FILES: Final = 20_000  # that are told of one blob


def read(task: dict[str, Any], source: Source) -> dict[str, Any]:
    """Return the files of a blob: `packing` and, where the blob is one file, its `path` are the task's.

    {"files": [{"path", "size", "start", "format", "facts", "tensors", "findings", "raw", "problem"} …], "problem"}: what went
    wrong with a file, or with the blob behind its last file, completes “the file …”.
    """
    files: dict[str, dict[str, Any]] = {}
    problem = None
    try:
        for member in members(source, Packing(task["packing"]), LIMITS, task["path"]):
            if len(files) >= _MOST_FILES:
                problem = f"has more than {_MOST_FILES} files, and the others are not told"
                break
            told = _told(member)
            files[told["path"]] = told  # whoever unpacks a path that comes twice has the last
    except Unreadable as error:
        problem = storable(str(error))
    return {"files": list(files.values()), "problem": problem}


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
        "tensors": [
            [storable(one.name), storable(one.dtype), one.shape, one.offset, one.size] for one in reading.tensors
        ],
        "findings": [
            {"level": one.level, "rule": one.rule, "message": storable(one.message)} for one in reading.findings
        ],
        "raw": reading.raw if is_plain(reading.raw) else {},
    }
