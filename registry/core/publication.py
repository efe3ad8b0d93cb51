"""What was found out of an artifact, published beside it as a referrer: where its repository asks for that, and never else.

A referrer is made by the verbs by which anybody pushes, as `system:blacklake`: outside all quotas, and no work follows it. The
same findings give the same bytes, so it may be made any number of times; newer ones replace it.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import asdict
from typing import Any, Final

import structlog

from mediatypes.digest import Digest
from mediatypes.files import tensor_index
from mediatypes.models.layers import TITLE
from mediatypes.models.own import TENSOR_INDEX
from mediatypes.names import RepositoryName
from mediatypes.oci import IMAGE_MANIFEST
from mediatypes.record import Kind
from registry.core.audit import SYSTEM
from registry.core.blobs import Blobs
from registry.core.extraction import Also
from registry.core.jobs import PUBLISH
from registry.core.manifests import Manifests
from registry.core.outbox import Enqueue
from registry.core.switches import Switch
from registry.core.uploads import Uploads
from registry.db import artifacts, jobs, publications, switches
from registry.db.artifacts import SubjectRow
from registry.db.jobs import NewJob
from registry.db.pool import Connection, Database
from registry.errors import BlobUnknown, DeletionDisabled, ManifestUnknown, StillReferenced

_MOST_TENSORS: Final = 200_000  # of an artifact: an index of so many has some 30 MB
_EMPTY: Final = b"{}"
_EMPTY_TYPE: Final = "application/vnd.oci.empty.v1+json"

_log = structlog.get_logger("registry.publication")


class Publication:
    """The verbs that publish."""

    def __init__(
        self,
        db: Database,
        blobs: Blobs,
        uploads: Uploads,
        manifests: Manifests,
        enqueue: Enqueue,
    ) -> None:
        self._db = db
        self._blobs = blobs
        self._uploads = uploads
        self._manifests = manifests
        self._enqueue = enqueue

    async def ask(self, conn: Connection, repository_id: int, digest: bytes) -> None:
        """Ask for publication of what was found out of an artifact, where there is any and its repository wants it.

        It is a job of its own, added in the transaction that keeps the description.
        """
        if await switches.is_on(conn, Switch.PUBLISH, repository_id=repository_id) and await publications.has_tensors(
            conn, repository_id=repository_id, digest=digest
        ):
            added = await jobs.add(conn, [NewJob(PUBLISH, repository_id, digest)])
            await self._enqueue(conn, added, priority=0)

    async def publish(self, repository_id: int, digest: bytes, *, also: Also) -> None:
        """Publish the tensor index of an artifact; nothing of one that is gone. `also` is done in either case.

        One with too many tensors has that as a problem of what is told of it, until it is described again.
        Raise Unavailable, StorageError, and ManifestNonconforming where a schema that is bound to tensor indexes refuses it.
        """
        subject = await self._wanted(repository_id, digest)
        problem = None
        if subject is not None:
            count, rows = await self._db.read(
                "find_tensors",
                lambda conn: publications.tensors(conn, repository_id=repository_id, digest=digest, most=_MOST_TENSORS),
            )
            if rows:
                await self._publish(repository_id, digest, subject, rows)
            elif count > _MOST_TENSORS:
                problem = f"its tensor index is not published: it has {count} tensors, and of more than {_MOST_TENSORS} none is"

        async def finish(conn: Connection) -> None:
            if problem is not None:
                await publications.add_problem(conn, problem, repository_id=repository_id, digest=digest)
            await also(conn)

        await self._db.transaction("finish_publication", finish)

    async def _wanted(self, repository_id: int, digest: bytes) -> SubjectRow | None:
        async def find(conn: Connection) -> SubjectRow | None:
            if not await switches.is_on(conn, Switch.PUBLISH, repository_id=repository_id):
                return None
            return await artifacts.subject(conn, repository_id=repository_id, digest=digest)

        return await self._db.read("find_publication_subject", find)

    async def _publish(
        self, repository_id: int, subject: bytes, row: SubjectRow, tensors: Sequence[tuple[str, bytes]]
    ) -> None:
        name = RepositoryName(row.repository)
        index = await asyncio.to_thread(_index, tensors)
        content = _manifest(Digest.from_bytes(subject), row, index)
        digest = Digest.of(content)
        known = await self._db.read(
            "find_publications", lambda conn: publications.of(conn, repository_id=repository_id, subject=subject)
        )
        if not await self._is_stored(repository_id, digest):
            # Noted first: what was pushed and is not known as ours would never be replaced.
            await self._db.transaction(
                "note_publication",
                lambda conn: publications.add(conn, digest.to_bytes(), repository_id=repository_id, subject=subject),
            )
            for blob in (_EMPTY, index):
                await self._push_blob(name, blob)
            try:
                await self._manifests.push(
                    name,
                    content,
                    media_type=IMAGE_MANIFEST,
                    reference=digest,
                    extra_tags=(),
                    actor=SYSTEM,
                    is_derived=True,
                )
            except ManifestUnknown:
                return  # the subject is gone, and with it what was noted of it
        for other in known:
            if other != digest.to_bytes():
                await self._withdraw(name, repository_id, subject, other)

    async def _is_stored(self, repository_id: int, digest: Digest) -> bool:
        packed = digest.to_bytes()
        found = await self._db.read(
            "find_subject", lambda conn: artifacts.subject(conn, repository_id=repository_id, digest=packed)
        )
        return found is not None

    async def _push_blob(self, name: RepositoryName, content: bytes) -> None:
        digest = Digest.of(content)
        try:
            await self._blobs.find(name, digest)
        except BlobUnknown:
            await self._uploads.push(name, digest, _body(content), length=len(content), actor=SYSTEM)

    async def _withdraw(self, name: RepositoryName, repository_id: int, subject: bytes, digest: bytes) -> None:
        """Delete a referrer of ours that a newer one replaces."""
        old = Digest.from_bytes(digest)
        try:
            await self._manifests.delete(name, old, actor=SYSTEM)
        except ManifestUnknown:
            pass  # somebody has deleted it
        except (StillReferenced, DeletionDisabled) as error:
            _log.warning("an older tensor index stays", repository=name, digest=str(old), reason=str(error))
            return
        await self._db.transaction(
            "forget_publication",
            lambda conn: publications.remove(conn, digest, repository_id=repository_id, subject=subject),
        )


def _index(packed: Sequence[tuple[str, bytes]]) -> bytes:
    """Return the document of a tensor index, of packed ones by path: the same bytes for the same tensors."""
    files = [
        {"path": path, "tensors": [asdict(one) for one in tensor_index.unpacked(content)]} for path, content in packed
    ]
    spec = {"tensors": sum(len(file["tensors"]) for file in files), "files": files}
    document = {"schema": f"blacklake/{Kind.TENSOR_INDEX}", "schemaVersion": "1.0.0", "spec": spec}
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


def _manifest(subject: Digest, row: SubjectRow, index: bytes) -> bytes:
    layer = _descriptor(TENSOR_INDEX, index) | {"annotations": {TITLE: "tensor-index.json"}}
    document = {
        "schemaVersion": 2,
        "mediaType": IMAGE_MANIFEST,
        "artifactType": TENSOR_INDEX,
        "config": _descriptor(_EMPTY_TYPE, _EMPTY),
        "layers": [layer],
        "subject": {"mediaType": row.media_type, "digest": str(subject), "size": len(row.content)},
    }
    return json.dumps(document, separators=(",", ":")).encode()


def _descriptor(media_type: str, content: bytes) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": str(Digest.of(content)), "size": len(content)}


async def _body(content: bytes) -> AsyncIterator[bytes]:
    yield content
