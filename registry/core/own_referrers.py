"""Referrers of the registry's own: what it has to say of an artifact, beside it, by the verbs by which anybody pushes.

They are `system:blacklake`'s: outside all quotas, and no work follows them. What says the same is made once; newer ones replace
it.
"""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final

import structlog

from mediatypes.digest import Digest
from mediatypes.names import RepositoryName
from mediatypes.oci import IMAGE_MANIFEST
from registry.core.audit import SYSTEM
from registry.core.blobs import Blobs
from registry.core.manifests import Manifests
from registry.core.uploads import Uploads
from registry.db import publications
from registry.db.pool import Database
from registry.errors import BlobUnknown, ManifestUnknown, StillReferenced

_log: Final = structlog.get_logger("registry.referrers")


@dataclass(frozen=True, slots=True)
class Place:
    """Beside which artifact of which repository: `subject` as Digest.to_bytes."""

    repository_id: int
    repository: RepositoryName
    subject: bytes


@dataclass(frozen=True, slots=True)
class NewReferrer:
    """A referrer's manifest, and its blobs."""

    content: bytes
    blobs: Sequence[bytes]


class OwnReferrers:
    """The verb that publishes."""

    def __init__(self, db: Database, blobs: Blobs, uploads: Uploads, manifests: Manifests) -> None:
        self._db = db
        self._blobs = blobs
        self._uploads = uploads
        self._manifests = manifests

    @property
    def may_replace(self) -> bool:
        """Whether older ones are deleted: where nothing may be, they stay beside newer ones."""
        return self._manifests.may_be_deleted

    async def put(self, place: Place, about: str, basis: bytes, make: Callable[[], Awaitable[NewReferrer]]) -> None:
        """Let there be one referrer that is about something and says that of which `basis` is the hash: make it where it isn't.

        Others of ours about the same are deleted then, where anything may be, also those that a try before has left. Nothing is
        done beside what is gone. Raise Unavailable, StorageError, and ManifestNonconforming where a schema refuses it.
        """
        known = await self._db.read(
            "find_publications",
            functools.partial(publications.of, repository_id=place.repository_id, subject=place.subject, about=about),
        )
        current = next((one.digest for one in known if one.basis == basis and one.is_stored), None)
        if current is None:
            current = await self._push(place, about, basis, await make())
        for one in known if self.may_replace else ():
            if current is not None and one.digest != current:
                await self._withdraw(place, one.digest)

    async def _push(self, place: Place, about: str, basis: bytes, made: NewReferrer) -> bytes | None:
        """Push a referrer, and return its digest; None where its subject is gone, and with it what was noted of it."""
        digest = Digest.of(made.content)
        # Noted first: what was pushed and is not known as ours would never be replaced.
        await self._db.transaction(
            "note_publication",
            functools.partial(
                publications.add,
                digest=digest.to_bytes(),
                repository_id=place.repository_id,
                subject=place.subject,
                about=about,
                basis=basis,
            ),
        )
        for blob in made.blobs:
            await self._push_blob(place.repository, blob)
        try:
            await self._manifests.push(
                place.repository,
                made.content,
                media_type=IMAGE_MANIFEST,
                reference=digest,
                extra_tags=(),
                actor=SYSTEM,
                is_derived=True,
            )
        except ManifestUnknown:
            return None
        return digest.to_bytes()

    async def _push_blob(self, name: RepositoryName, content: bytes) -> None:
        digest = Digest.of(content)
        try:
            await self._blobs.find(name, digest)
        except BlobUnknown:
            await self._uploads.push(name, digest, _body(content), length=len(content), actor=SYSTEM)

    async def _withdraw(self, place: Place, digest: bytes) -> None:
        old = Digest.from_bytes(digest)
        try:
            await self._manifests.delete(place.repository, old, actor=SYSTEM)
        except ManifestUnknown:
            pass  # somebody has deleted it
        except StillReferenced as error:
            _log.warning("an older referrer stays", repository=place.repository, digest=str(old), reason=str(error))
            return
        await self._db.transaction(
            "forget_publication",
            functools.partial(
                publications.remove, digest=digest, repository_id=place.repository_id, subject=place.subject
            ),
        )


async def _body(content: bytes) -> AsyncIterator[bytes]:
    yield content
