"""What was found out of an artifact, published beside it as a referrer: where its repository asks for that, and never else.

The same findings give the same bytes, so it may be made any number of times (registry.core.own_referrers).
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Final

from mediatypes.digest import Digest
from mediatypes.files import tensor_index
from mediatypes.models.layers import TITLE
from mediatypes.models.own import TENSOR_INDEX
from mediatypes.names import RepositoryName
from mediatypes.oci import IMAGE_MANIFEST
from mediatypes.record import Kind
from registry.core.extraction import Also
from registry.core.jobs import PUBLISH
from registry.core.outbox import Enqueue
from registry.core.own_referrers import NewReferrer, OwnReferrers, Place
from registry.core.switches import Switch
from registry.db import artifacts, jobs, publications, switches
from registry.db.artifacts import SubjectRow
from registry.db.jobs import NewJob
from registry.db.pool import Connection, Database

_MOST_TENSORS: Final = 200_000  # of an artifact: an index of so many has some 30 MB
_EMPTY: Final = b"{}"
_EMPTY_TYPE: Final = "application/vnd.oci.empty.v1+json"


class Publication:
    """The verbs that publish."""

    def __init__(self, db: Database, referrers: OwnReferrers, enqueue: Enqueue) -> None:
        self._db = db
        self._referrers = referrers
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
        index = await asyncio.to_thread(_index, tensors)
        content = _manifest(Digest.from_bytes(subject), row, index)

        async def make() -> NewReferrer:
            return NewReferrer(content, (_EMPTY, index))

        place = Place(repository_id, RepositoryName(row.repository), subject)
        await self._referrers.put(place, publications.TENSOR_INDEX, Digest.of(content).to_bytes(), make)


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
