"""Manifests: resolve, push and delete them, byte for byte."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Final

from mediatypes.digest import Digest
from mediatypes.manifest import Manifest, referrer_descriptor
from mediatypes.names import RepositoryName, Tag
from registry.core.access import ALL, EVERYONE, PULL, Access, Caller, Permission, organisation_of
from registry.core.admission import Admission, PoliciesChanged, TagJudgement
from registry.core.attachments import attached_to
from registry.core.audit import Action, Actor, Event, record, target_of
from registry.core.conformance import (
    Conformance,
    Covering,
    Judgement,
    Mode,
    by_present,
    is_attached,
    moving,
    read_manifest,
)
from registry.core.contents import Contents
from registry.core.evidence import NewArtifact
from registry.core.policy import DeletionRule, SparseRule
from registry.core.tag_rules import asker_of, require_free
from registry.db import blobs, evidence, manifests, repositories, tags
from registry.db.lookups import Batcher
from registry.db.manifests import ManifestAnswer, ManifestQuestion, NewManifest
from registry.db.pool import Connection, Database
from registry.db.verdicts import Answer
from registry.errors import (
    AccessMissing,
    DigestMismatch,
    ManifestBlobUnknown,
    ManifestNonconforming,
    ManifestUnknown,
    TagMoveDenied,
    schema_shown,
)

MAX_MANIFEST_SIZE: Final = 4 << 20
"""Bytes: what the specification asks every registry to accept, and the most that any need be prepared for."""

_HINTS: Final = 4096
_PARSE_INLINE: Final = 64 << 10


@dataclass(frozen=True, slots=True)
class StoredManifest:
    """A manifest as it was pushed."""

    digest: Digest
    media_type: str
    content: bytes


@dataclass(frozen=True, slots=True)
class PushedManifest:
    """What a push answers with: OCI-Subject names the subject, OCI-Tag the tags, Warning where it doesn't conform."""

    digest: Digest
    subject: Digest | None
    tags: tuple[Tag, ...]
    warnings: tuple[str, ...] = ()


class TagsMoved(Exception):
    """Tags name something else than what they may move from."""


class Manifests:
    """The verbs of end-3 (pull), end-7 (push) and end-9 (delete)."""

    def __init__(
        self,
        db: Database,
        contents: Contents,
        access: Access,
        admission: Admission,
        conformance: Conformance,
        *,
        sparse: SparseRule,
        deletion: DeletionRule,
    ) -> None:
        self._db = db
        self._access = access
        self._admission = admission
        self._conformance = conformance
        self._sparse = sparse
        self._deletion = deletion
        self._parsing = asyncio.Semaphore(1)  # a hostile manifest of 4 MiB takes twenty times as much to read
        self._contents = contents
        # What a tag named last: only saves sending bytes that are here already; the answer always comes from the query.
        self._hints: OrderedDict[tuple[RepositoryName, Tag], bytes] = OrderedDict()
        self._lookups: Batcher[ManifestQuestion, ManifestAnswer] = Batcher(self._look_up)

    async def resolve(self, name: RepositoryName, reference: Tag | Digest, caller: Caller = EVERYONE) -> StoredManifest:
        """Return the manifest that a tag or digest names now, whatever policies say.

        Raise AccessMissing, AccessLost, ManifestUnknown.
        """
        return (await self._resolved(name, reference, caller))[0]

    async def pull(
        self, name: RepositoryName, reference: Tag | Digest, caller: Caller
    ) -> tuple[StoredManifest, Sequence[str]]:
        """Return the manifest that a tag or digest names now, which policies let the caller have; and their warnings (end-3).

        Raise AccessMissing, AccessLost, ManifestUnknown, NotAdmitted, NotAdmittedYet, Unavailable.
        """
        found, repository_id, answer = await self._resolved(name, reference, caller)
        if not answer.epoch:
            return found, ()
        return found, await self._admission.admit(name, repository_id, found.digest, answer, caller)

    async def _resolved(
        self, name: RepositoryName, reference: Tag | Digest, caller: Caller
    ) -> tuple[StoredManifest, int, Answer]:
        asker = self._access.asked_by(caller, name)
        if isinstance(reference, Digest):
            packed = reference.to_bytes()
            question = ManifestQuestion(name, None, packed, packed if packed in self._contents else None, *asker)
        else:
            hint = self._hints.get((name, reference))
            question = ManifestQuestion(name, reference, None, hint if hint in self._contents else None, *asker)
        row, epochs, answer = await self._lookups.find(question)
        await self._access.confirm(caller, name, PULL, epochs)
        if row is None:
            raise ManifestUnknown(name, str(reference))
        content = await self._contents.of(row)
        if content is None:  # deleted in between: a tag may name another one by now
            return await self._resolved(name, reference, caller)
        if row.digest != question.known and question.tag is not None:
            self._remember(name, question.tag, row.digest)
        found = StoredManifest(Digest.from_bytes(row.digest), row.media_type, content)
        return found, row.repository_id, answer

    async def push(
        self,
        name: RepositoryName,
        content: bytes,
        *,
        media_type: str,
        reference: Tag | Digest,
        extra_tags: Sequence[Tag] | Mapping[Tag, Collection[Digest]],
        held: frozenset[Permission] = ALL,
        actor: Actor | None = None,
        is_derived: bool = False,
    ) -> PushedManifest:
        """Store a manifest and point its tags at it, all or nothing (end-7).

        `held` is what the pusher may do: who may sign, but not push, stores referrers and signature tags only. An `actor` is
        recorded in the audit log (`core.audit`), as with the other verbs. What the registry itself has derived (`is_derived`)
        needs its subject to be there, else ManifestUnknown is raised, and no work follows it. Where it is said of
        `extra_tags` from which manifests they may move, TagsMoved is raised where one names another. Raise
        MediaTypeUnsupported, ManifestInvalid, ManifestNonconforming, DigestMismatch, ManifestBlobUnknown, AccessMissing,
        TagMoveDenied, TagImmutable, TagProtected, or NotAdmitted where a policy decides on a tag; nothing is stored then.
        """
        if len(content) <= _PARSE_INLINE:
            manifest = read_manifest(content, media_type)
        else:
            async with self._parsing:
                manifest = await asyncio.to_thread(read_manifest, content, media_type)
        digest = Digest.of(content, reference.algorithm if isinstance(reference, Digest) else "sha256")
        if isinstance(reference, Digest) and reference != digest:
            raise DigestMismatch(str(reference), str(digest))
        names = (*extra_tags,) if isinstance(reference, Digest) else (reference, *extra_tags)
        is_signature = is_attached(names, has_subject=manifest.subject is not None)
        if Permission.PUSH not in held and not is_signature:
            raise AccessMissing(name, ("pull", "push"))
        new = NewManifest(
            digest=digest,
            media_type=media_type,
            artifact_type=manifest.artifact_type,
            subject=manifest.subject,
            referrer=referrer_descriptor(manifest, digest, len(content)) if manifest.subject else None,
            content=content,
            references=frozenset((*manifest.blobs, *manifest.children)),
        )

        by = actor.principal if actor is not None else None

        async def store(conn: Connection, covering: Covering, judgement: Judgement, admitted: TagJudgement) -> None:
            await self._conformance.require(conn, name, covering)
            if refused := judgement.by(Mode.ENFORCE):
                raise ManifestNonconforming(name, [asdict(one) for one in refused])
            repository_id, epoch = await repositories.find_with_epoch(conn, name, organisation_of(name))
            if repository_id is None:
                repository_id = await repositories.find_or_create(conn, name)
            if names:
                await self._admission.confirm(conn, admitted, repository_id=repository_id, epoch=epoch)
            await self._require_content(conn, name, manifest, repository_id)
            if is_derived and not await manifests.held(
                conn, [*filter(None, [new.subject])], repository_id=repository_id
            ):
                raise ManifestUnknown(name, str(new.subject))
            is_new = await manifests.put(conn, new, repository_id=repository_id, is_told=not is_derived)
            await self._conformance.record(conn, digest, judgement, repository_id=repository_id, is_new=is_new)
            others = (
                await self._point(conn, name, names, repository_id=repository_id, digest=digest, held=held, actor=actor)
                if names
                else []
            )
            moved = await tags.move(conn, others, repository_id=repository_id, digest=digest, by=by) if others else []
            if isinstance(extra_tags, Mapping) and any(before not in extra_tags[tag] for tag, before in moved):
                raise TagsMoved
            if known := _spoken_of(names):
                await evidence.raise_for(conn, known, repository_id=repository_id)
            if actor is not None:
                await record(conn, *_pushed(actor, name, new, names, moved, warned=len(judgement.found)))

        judgement, admitted = await self._stored(name, manifest, store, new, names, is_attached=is_signature)
        warnings = (
            *(
                f"{one.pointer or 'the config'} {one.message} ({schema_shown(one.schema)})"
                for one in judgement.by(Mode.WARN)
            ),
            *admitted.warnings,
        )
        return PushedManifest(digest, manifest.subject, names, warnings)

    async def _point(
        self,
        conn: Connection,
        name: RepositoryName,
        names: Sequence[Tag],
        *,
        repository_id: int,
        digest: Digest,
        held: frozenset[Permission],
        actor: Actor | None,
    ) -> list[Tag]:
        """Let new tags name a manifest; return those that name another one and may be moved.

        Raise TagMoveDenied, TagImmutable, TagProtected.
        """
        by = actor.principal if actor is not None else None
        others, ruled = await tags.point(
            conn, names, repository_id=repository_id, digest=digest, asker=asker_of(name, actor), by=by
        )
        denied = [] if Permission.TAG_MOVE in held else moving(others)
        if denied:
            raise TagMoveDenied(name, denied)
        require_free(name, ruled)
        return others

    @property
    def may_be_deleted(self) -> bool:
        """Whether DELETE is possible at all (BLACKLAKE_DELETE)."""
        return self._deletion.enabled

    async def delete(self, name: RepositoryName, digest: Digest, *, actor: Actor | None = None) -> None:
        """Delete a manifest and the tags that name it (end-9).

        Raise ManifestUnknown, StillReferenced, DeletionDisabled, TagImmutable, TagProtected.
        """
        self._deletion.permit()

        async def remove(conn: Connection) -> None:
            repository_id = await repositories.find(conn, name)
            locked = (
                await manifests.lock(conn, digest, repository_id=repository_id, asker=asker_of(name, actor))
                if repository_id is not None
                else None
            )
            if repository_id is None or locked is None:
                raise ManifestUnknown(name, str(digest))
            named, ruled = locked
            require_free(name, ruled)
            await self._deletion.require_unused(conn, digest, repository_id=repository_id)
            await manifests.delete(
                conn, digest, repository_id=repository_id, by=actor.principal if actor is not None else None
            )
            if about := _spoken_of(named):
                await evidence.raise_for(conn, about, repository_id=repository_id)
            if actor is not None:
                event = Event(actor, Action.MANIFEST_DELETE, target_of(name, digest), detail={"tags": named})
                await record(conn, event)

        await self._db.transaction("delete_manifest", remove)

    async def _stored(
        self,
        name: RepositoryName,
        manifest: Manifest,
        store: Callable[..., Awaitable[None]],
        new: NewManifest,
        names: Sequence[Tag],
        *,
        is_attached: bool,
    ) -> tuple[Judgement, TagJudgement]:
        """Store a manifest that was judged by what is bound when that commits; return the judgements.

        It is judged before the transaction, which may take as long as the storage does to tell the config; where something
        else is bound by then, once more.
        """
        artifact = NewArtifact(new.media_type, new.content)
        admitted = await self._admission.judge_tags(name, new.digest, names, artifact)

        async def judge(covering: Covering) -> Judgement:
            judgement = await self._conformance.judge(name, manifest, covering, is_attached=is_attached)
            await self._db.transaction(
                "push_manifest", partial(store, covering=covering, judgement=judgement, admitted=admitted)
            )
            return judgement

        while True:
            try:
                return await by_present(self._conformance.remembered(name), judge), admitted
            except PoliciesChanged:
                admitted = await self._admission.judge_tags(name, new.digest, names, artifact, again=True)

    async def _require_content(
        self, conn: Connection, name: RepositoryName, manifest: Manifest, repository_id: int
    ) -> None:
        """Lock what the manifest names against deletion. Raise ManifestBlobUnknown where something is missing.

        An index may name blobs as well: clients that cache builds keep layers in one.
        """
        missing: list[str] = []
        if manifest.children:
            children = await manifests.held(conn, manifest.children, repository_id=repository_id)
            others = [digest for digest in manifest.children if digest not in children]
            if others and not self._sparse.children:
                as_blobs = await blobs.held(conn, others, repository_id=repository_id)
                missing += [str(digest) for digest in others if digest not in as_blobs]
        if manifest.blobs:
            there = await blobs.held(conn, manifest.blobs, repository_id=repository_id)
            if not self._sparse.blobs:
                missing += [str(d) for d in manifest.blobs if d in manifest.required and d not in there]
        if missing:
            raise ManifestBlobUnknown(name, missing)

    def _remember(self, name: RepositoryName, tag: Tag, digest: bytes) -> None:
        self._hints[name, tag] = digest
        self._hints.move_to_end((name, tag))
        if len(self._hints) > _HINTS:
            self._hints.popitem(last=False)

    async def _look_up(self, questions: Sequence[ManifestQuestion]) -> list[ManifestAnswer]:
        return await self._db.read("look_up_manifests", lambda conn: manifests.look_up(conn, questions))


def _spoken_of(names: Sequence[str]) -> list[bytes]:
    """Return the manifests that what these tags name speaks of."""
    return [about.to_bytes() for about in map(attached_to, names) if about is not None]


def _pushed(
    actor: Actor,
    name: RepositoryName,
    new: NewManifest,
    names: Sequence[Tag],
    moved: Sequence[tuple[Tag, Digest]],
    *,
    warned: int,
) -> list[Event]:
    """Return the events of a push: its own, and one of each tag that named another manifest before."""
    detail: dict[str, object] = {"tags": names, "media_type": new.media_type, "size": len(new.content)}
    if new.artifact_type is not None:
        detail["artifact_type"] = new.artifact_type
    if new.subject is not None:
        detail["subject"] = str(new.subject)
    if warned:
        detail["violations"] = warned
    return [
        Event(actor, Action.MANIFEST_PUSH, target_of(name, new.digest), detail=detail),
        *(
            Event(actor, Action.TAG_MOVE, target_of(name, tag), detail={"from": str(before), "to": str(new.digest)})
            for tag, before in moved
        ),
    ]
