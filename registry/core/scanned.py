"""An artifact as scanners see it: its layers and its config, those of an index's children, and its annotations."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import json
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from mediatypes.digest import Digest
from mediatypes.models.artifact import Artifact, Descriptor, Packing, parse_artifact
from mediatypes.models.layers import packing_of, path_of
from mediatypes.ranges import ByteRange
from mediatypes.record import storable
from registry.db import artifacts
from registry.db.artifacts import HeldRow, SubjectRow
from registry.db.pool import Database
from registry.sandbox import Refused, Sandbox
from registry.scanners.base import Examined, ScannedBlob, finding
from registry.storage.base import BlobStore, StorageKey

_MOST_MANIFESTS: Final = 200  # of an index, and of indexes in it
_MOST_BLOBS: Final = 5000
_MOST_READ: Final = 16 << 30  # bytes that an examiner reads of a blob
_BESIDE: Final = 64 << 20  # bytes that it reads more than once
_MOST_FINDINGS: Final = 5000  # of an artifact, as they come together
_MOST_TOLD: Final = 20_000
_MOST_PROBLEMS: Final = 100
_ANNOTATIONS: Final = "(annotations)"
_CONFIG: Final = "(config)"


@dataclass(slots=True)
class Parts:
    """The parts of an artifact, and where their bytes are: in the storage, or here."""

    blobs: list[ScannedBlob] = field(default_factory=list)
    held: dict[str, HeldRow] = field(default_factory=dict)
    content: dict[str, bytes] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


class ScannedArtifact:
    """What scanners are given (registry.scanners.base.Scanned)."""

    def __init__(self, parts: Parts, record: dict[str, Any] | None, store: BlobStore, sandbox: Sandbox) -> None:
        self._parts = parts
        self._record = record
        self._store = store
        self._sandbox = sandbox

    @property
    def blobs(self) -> Sequence[ScannedBlob]:
        """Its parts."""
        return self._parts.blobs

    @property
    def problems(self) -> Sequence[str]:
        """What of it can't be scanned, and why."""
        return self._parts.problems

    @property
    def record(self) -> dict[str, Any] | None:
        """What is known of it."""
        return self._record

    async def stream(self, blob: ScannedBlob) -> AsyncGenerator[bytes, None]:
        """Yield the bytes of a part. Raise StorageError."""
        content = self._parts.content.get(blob.digest)
        if content is not None:
            yield content
            return
        key = StorageKey(self._parts.held[blob.digest].storage_key)
        async with contextlib.aclosing(self._store.read(key, ByteRange(0, blob.size))) as pieces:
            async for piece in pieces:
                yield piece

    async def examine(self, examiner: str) -> Examined:
        """Run an examiner over all files. Raise StorageError, and Refused where it may go well another time."""
        found = Examined()
        for blob in self._parts.blobs:
            try:
                said = await self._sandbox.run(
                    {"examiner": examiner, "packing": str(blob.packing), "path": blob.path},
                    functools.partial(self._fetched, blob),
                    size=blob.size,
                    budget=min(2 * blob.size + _BESIDE, _MOST_READ),
                )
                _add(found, said)
            except Refused as refusal:
                if not refusal.is_final:
                    raise
                found.problems.append(storable(f"the file {blob.path:.300} {refusal}"))
            if len(found.problems) > _MOST_PROBLEMS or len(found.findings) > _MOST_FINDINGS:
                found.problems.append(
                    f"it has more to tell than is kept, and what comes after {blob.path:.300} is not scanned"
                )
                break
        return found

    async def _fetched(self, blob: ScannedBlob, start: int, stop: int) -> bytes:
        content = self._parts.content.get(blob.digest)
        if content is not None:
            return content[start:stop]
        key = StorageKey(self._parts.held[blob.digest].storage_key)
        async with contextlib.aclosing(self._store.read(key, ByteRange(start, stop))) as pieces:
            return b"".join([piece async for piece in pieces])


def _add(found: Examined, said: Any) -> None:
    """Add what a child of the sandbox has said, which may be anything. Raise Refused."""
    try:
        found.findings += [
            finding(one["severity"], one["rule"], one["path"], one["message"]) for one in said["findings"]
        ]
        found.problems += [storable(str(one))[:1000] for one in said["problems"]]
        found.told += said["told"][: _MOST_TOLD - len(found.told)]
    except (AttributeError, KeyError, TypeError, ValueError):
        raise Refused("made its scanner say what makes no sense") from None


async def parts_of(db: Database, repository_id: int, subject: SubjectRow) -> Parts:
    """Return the parts of an artifact. Raise Unavailable."""
    parts = Parts()
    left = _MOST_MANIFESTS
    waiting = [("", subject.content)]
    while waiting:
        prefix, content = waiting.pop(0)
        artifact = await asyncio.to_thread(parse_artifact, content, None)
        await _add_parts(db, repository_id, artifact, prefix, parts)
        for child in artifact.manifests:
            if left == 0:
                parts.problems.append(f"it has more than {_MOST_MANIFESTS} manifests, and the others are not scanned")
                break
            left -= 1
            packed = Digest.parse(child.digest).to_bytes()
            row = await db.read(
                "find_subject", functools.partial(artifacts.subject, repository_id=repository_id, digest=packed)
            )
            if row is not None:  # else nobody can pull it from here; when it comes, this is asked for again
                waiting.append((f"{prefix}{child.digest[:19]}/", row.content))
    return parts


async def _add_parts(db: Database, repository_id: int, artifact: Artifact, prefix: str, parts: Parts) -> None:
    named = [(one, path_of(one), packing_of(one.media_type)) for one in artifact.layers]
    if artifact.config is not None:
        named.append((artifact.config, _CONFIG, Packing.RAW))
    wanted = [Digest.parse(one.digest).to_bytes() for one, *_ in named]
    held = await db.read("find_layers", lambda conn: artifacts.held(conn, wanted, repository_id=repository_id))
    for (descriptor, path, packing), packed in zip(named, wanted, strict=True):
        row = held.get(packed)
        if row is None:
            parts.problems.append(f"the blob {descriptor.digest} is not in the repository, and is not scanned")
        elif len(parts.blobs) >= _MOST_BLOBS:
            parts.problems.append(f"it has more than {_MOST_BLOBS} blobs, and the others are not scanned")
            break
        elif row.size:
            parts.held[descriptor.digest] = row
            parts.blobs.append(
                ScannedBlob(descriptor.digest, _path(prefix, descriptor, path, packing), packing, row.size)
            )
    annotations = _annotations(artifact)
    if annotations:
        digest = str(Digest.of(annotations))
        parts.content[digest] = annotations
        parts.blobs.append(ScannedBlob(digest, f"{prefix}{_ANNOTATIONS}", Packing.RAW, len(annotations)))


def _path(prefix: str, descriptor: Descriptor, path: str, packing: Packing) -> str:
    """Return what findings call a part: an archive lies at the artifact's root, whatever it is called."""
    if packing is not Packing.RAW:
        return prefix.rstrip("/")
    return prefix + (path or descriptor.digest[:19])


def _annotations(artifact: Artifact) -> bytes:
    """Return all annotations of a manifest as a text, a line each."""
    of = [artifact.annotations, *(one.annotations for one in (*artifact.layers, *artifact.manifests))]
    if artifact.config is not None:
        of.append(artifact.config.annotations)
    lines = [json.dumps({name: value}, ensure_ascii=False) for one in of for name, value in one.items()]
    return "\n".join(dict.fromkeys(lines)).encode(errors="backslashreplace")
