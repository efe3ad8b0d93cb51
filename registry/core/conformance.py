"""Whether manifests conform to the schemas that are bound to their repositories (docs/schemas.md).

Of the bindings that cover a repository those for a manifest are the ones without an artifact type and those of its own; of
them the most specific target decides: the repository itself, then the longest prefix, the organisation last. All bindings of
that target count, but those that are off. Signatures and other manifests that only speak of another one, by a subject and
without a tag, are judged where their own artifact type is bound: else nobody could sign what a schema asks more of.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, TypeVar

from mediatypes.digest import Digest
from mediatypes.manifest import InvalidManifest, Manifest, parse_manifest
from mediatypes.names import RepositoryName
from mediatypes.oci import MANIFEST_TYPES
from mediatypes.record import storable
from registry.core.access import organisation_of, path_of
from registry.core.attachments import SIGNATURE_TAG
from registry.core.blobs import Blobs
from registry.core.configs import ConfigTooLarge, read_config
from registry.core.delegation import oversee
from registry.db import evidence, repositories, schema_bindings
from registry.db.pool import Connection, Database
from registry.db.schema_bindings import CoveringRow, Verdict
from registry.errors import BlobUnknown, ManifestInvalid, ManifestUnknown, MediaTypeUnsupported
from schemas.parts import LARGEST_DOCUMENT, AppliesTo
from schemas.reading import InvalidJson, read_json
from schemas.violations import LIMIT_RULE, TooMuch, Violation

if TYPE_CHECKING:
    from registry.core.ready_schemas import ReadySchemas
    from schemas.schema import Schema

Covering = tuple[CoveringRow, ...]
Name = TypeVar("Name", bound=str)

_REMEMBERED: Final = 4096  # repositories
_INLINE: Final = 1000  # steps that no other request waits for in a thread's queue: some milliseconds


class Mode(StrEnum):
    """What becomes of a manifest that doesn't conform."""

    OFF = "off"
    WARN = "warn"
    ENFORCE = "enforce"


class BindingsChanged(Exception):
    """A manifest was judged by other bindings than those that there are."""

    def __init__(self, covering: Covering) -> None:
        super().__init__()
        self.covering = covering


@dataclass(slots=True)
class Judgement:
    """What was judged, and where it does not conform: by mode."""

    judged: set[AppliesTo] = field(default_factory=set)
    found: list[tuple[Mode, AppliesTo, Violation]] = field(default_factory=list)

    def by(self, mode: Mode) -> list[Violation]:
        """Return the violations of what is bound in a mode."""
        return [violation for bound, _, violation in self.found if bound is mode]


class Conformance:
    """Judges manifests and records by what is bound to their repositories."""

    def __init__(self, db: Database, blobs: Blobs) -> None:
        self._db = db
        self._blobs = blobs
        # What covered a repository last only saves work: `require` asks for what does now, in the push's own transaction.
        self._remembered: OrderedDict[RepositoryName, Covering] = OrderedDict()
        self._ready: ReadySchemas | None = None
        self._judging = asyncio.Semaphore(1)

    def remembered(self, name: RepositoryName) -> Covering:
        """Return what covered a repository when that was asked for last."""
        return self._remembered.get(name, ())

    async def require(self, conn: Connection, name: RepositoryName, covering: Covering) -> None:
        """Raise BindingsChanged where a repository is covered by something else now, in the transaction of `conn`."""
        found = await schema_bindings.covering(conn, organisation=organisation_of(name), path=path_of(name))
        if found != covering:
            self._remembered[name] = found
            self._remembered.move_to_end(name)
            if len(self._remembered) > _REMEMBERED:
                self._remembered.popitem(last=False)
            raise BindingsChanged(found)

    async def judge(
        self,
        name: RepositoryName,
        manifest: Manifest,
        covering: Covering,
        *,
        is_attached: bool,
        config: bytes | None = None,
    ) -> Judgement:
        """Return where a manifest and its config don't conform; `config` is read from the repository where it isn't given.

        `is_attached` where it only speaks of another manifest. Raise BindingsChanged where what is bound is no more.
        """
        judgement = Judgement()
        bound = deciding(covering, manifest.artifact_type, is_attached=is_attached)
        if not bound:
            return judgement
        schemas = await self._schemas(name, bound)
        if manifest.config is None or all(schema.applies_to is not AppliesTo.CONFIG for schema in schemas):
            await self._add(judgement, schemas, AppliesTo.ANNOTATIONS, manifest.annotations)
            return judgement
        # The config is read while annotations are judged.
        reading = asyncio.create_task(self._config(name, manifest.config, config))
        reading.add_done_callback(lambda done: done.cancelled() or done.exception())  # where nobody is left who asks
        try:
            await self._add(judgement, schemas, AppliesTo.ANNOTATIONS, manifest.annotations)
            await self._add(judgement, schemas, AppliesTo.CONFIG, await reading)
        finally:
            reading.cancel()
        return judgement

    async def sample(
        self,
        name: RepositoryName,
        content: bytes,
        *,
        media_type: str,
        config: bytes | None = None,
        by: int | None,
    ) -> Judgement:
        """Judge a manifest as if it were pushed with a tag; nothing is stored. `by` administers the organisation.

        Raise MediaTypeUnsupported, ManifestInvalid, IdentityUnknown, DelegationDenied.
        """

        async def find(conn: Connection) -> Covering:
            await oversee(conn, organisation_of(name), by=by)
            return await schema_bindings.covering(conn, organisation=organisation_of(name), path=path_of(name))

        covering = await self._db.read("find_bindings", find)
        manifest = await asyncio.to_thread(read_manifest, content, media_type)
        return await by_present(
            covering, lambda present: self.judge(name, manifest, present, is_attached=False, config=config)
        )

    async def judge_record(
        self,
        name: RepositoryName,
        digest: Digest,
        record: Mapping[str, Any],
        *,
        artifact_type: str | None,
        is_attached: bool = False,
    ) -> list[Violation]:
        """Judge what is known of a stored manifest (mediatypes.record), record where that doesn't conform, and return it.

        `record` are the values by field, with `kind`. Nothing is refused any more. Raise ManifestUnknown.
        """

        async def judge(covering: Covering) -> Judgement:
            judgement = Judgement({AppliesTo.RECORD})
            bound = deciding(covering, artifact_type, is_attached=is_attached)
            await self._add(judgement, await self._schemas(name, bound), AppliesTo.RECORD, dict(record))
            return judgement

        judgement = await by_present(await self.covered(name), judge)

        async def keep(conn: Connection) -> None:
            repository_id = await repositories.find(conn, name)
            if repository_id is None or not await schema_bindings.hold(conn, digest, repository_id=repository_id):
                raise ManifestUnknown(name, str(digest))
            await self.record(conn, digest, judgement, repository_id=repository_id)
            await evidence.raise_for(conn, [digest.to_bytes()], repository_id=repository_id)

        await self._db.transaction("record_violations", keep)
        return [violation for _, _, violation in judgement.found]

    async def covered(self, name: RepositoryName) -> Covering:
        """Return what covers a repository now."""

        async def find(conn: Connection) -> Covering:
            return await schema_bindings.covering(conn, organisation=organisation_of(name), path=path_of(name))

        return await self._db.read("find_bindings", find)

    async def record(
        self, conn: Connection, digest: Digest, judgement: Judgement, *, repository_id: int, is_new: bool = False
    ) -> None:
        """Record in a transaction where a stored manifest does not conform, in place of what was found before.

        `is_new` where it was not stored before: then there is nothing to forget. The caller raises the manifest's evidence.
        """
        if not judgement.judged or (is_new and not judgement.found):
            return
        verdicts: dict[str, list[Verdict]] = {part: [] for part in judgement.judged}
        grouped: dict[tuple[AppliesTo, str], tuple[Mode, list[dict[str, str]]]] = {}
        for mode, part, one in judgement.found:
            told = {"pointer": one.pointer, "rule": one.rule, "message": one.message}
            _, others = grouped.setdefault((part, one.schema), (mode, []))
            others.append({key: storable(text) for key, text in told.items()})
        for (part, schema), (mode, told_of) in grouped.items():
            verdicts[part].append(Verdict(schema, mode, told_of))
        await schema_bindings.record(conn, digest, verdicts, repository_id=repository_id)

    async def _add(self, judgement: Judgement, schemas: Mapping[Schema, Mode], part: AppliesTo, document: Any) -> None:
        for schema, mode in schemas.items():
            if schema.applies_to is not part:
                continue
            await asyncio.sleep(0)  # other requests go on between two schemas, and the reading of a config begins
            judgement.judged.add(part)
            if isinstance(document, _Unread):
                violations = [Violation("", document.rule, document.message, schema.name.urn)]
            else:
                violations = await self._violations(schema, document)
            judgement.found += [(mode, part, one) for one in violations]

    async def _violations(self, schema: Schema, document: Any) -> list[Violation]:
        try:
            return schema.judge(document, steps=_INLINE)
        except TooMuch:
            async with self._judging:
                return await asyncio.to_thread(schema.judged, document)

    async def _config(self, name: RepositoryName, digest: Digest, given: bytes | None) -> Any:
        """Return the config blob's document, or why there is none."""
        if given is None:
            try:
                given = await read_config(self._blobs, name, digest, most=LARGEST_DOCUMENT)
            except BlobUnknown:
                return _Unread("config", "the config blob is not in the repository")
            except ConfigTooLarge as error:
                return _too_large(error.size)
        if len(given) > LARGEST_DOCUMENT:
            return _too_large(len(given))
        try:
            return read_json(given)
        except InvalidJson as error:
            return _Unread("config", f"the config {error}")

    async def _schemas(self, name: RepositoryName, bound: Sequence[CoveringRow]) -> dict[Schema, Mode]:
        """Return what is bound, each schema once, in the stricter mode where it is bound twice. Raise BindingsChanged."""
        found: dict[Schema, Mode] = {}
        if bound and self._ready is None:
            self._ready = await asyncio.to_thread(_ready_schemas, self._db)
        for row in bound:
            assert self._ready is not None
            schema = await self._ready.of(row)
            if schema is None:
                raise BindingsChanged(await self.covered(name))
            found[schema] = Mode.ENFORCE if found.get(schema) is Mode.ENFORCE else Mode(row.mode)
        return found


@dataclass(frozen=True, slots=True)
class _Unread:
    """Why a config has no document that could be judged."""

    rule: str
    message: str


def _too_large(size: int) -> _Unread:
    return _Unread(LIMIT_RULE, f"the config has {size} bytes; up to {LARGEST_DOCUMENT} are judged")


def _ready_schemas(db: Database) -> ReadySchemas:
    """Return what makes schemas ready. It takes its time and memory: a registry that has nothing bound imports none of it."""
    from registry.core.ready_schemas import ReadySchemas

    return ReadySchemas(db)


async def by_present(covering: Covering, judge: Callable[[Covering], Awaitable[Judgement]]) -> Judgement:
    """Return what `judge` says by what is bound: by `covering`, and once more where that is not what there is."""
    while True:
        try:
            return await judge(covering)
        except BindingsChanged as changed:
            covering = changed.covering


def read_manifest(content: bytes, media_type: str) -> Manifest:
    """Return what a manifest names. Raise MediaTypeUnsupported, ManifestInvalid."""
    if media_type not in MANIFEST_TYPES:
        raise MediaTypeUnsupported(media_type, MANIFEST_TYPES)
    try:
        return parse_manifest(content, media_type)
    except InvalidManifest as error:
        raise ManifestInvalid(str(error)) from None


def deciding(covering: Covering, artifact_type: str | None, *, is_attached: bool) -> Sequence[CoveringRow]:
    """Return the bindings by which a manifest is judged."""
    fitting = [
        row for row in covering if (row.artifact_type == artifact_type if row.artifact_type else not is_attached)
    ]
    if not fitting:
        return ()
    best = max((not row.is_prefix, len(row.target)) for row in fitting)
    return [row for row in fitting if (not row.is_prefix, len(row.target)) == best and row.mode != Mode.OFF]


def moving(names: Sequence[Name]) -> list[Name]:
    """Return those of a manifest's tags that people move: not those of signatures."""
    return [tag for tag in names if SIGNATURE_TAG.fullmatch(tag) is None]


def is_attached(names: Sequence[str], *, has_subject: bool) -> bool:
    """Say whether a manifest with these tags only speaks of another one."""
    return not moving(names) and (bool(names) or has_subject)
