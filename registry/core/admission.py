"""Admission: what policies let through, on pulls and on moves of tags (docs/admission.md).

A pull asks for what is known with its own lookup (registry.db.verdicts): where no policy is there, or a verdict is, nothing
more is asked. Else the artifact is judged here. Nothing is admitted that could not be decided.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final
from weakref import WeakValueDictionary

from mediatypes.digest import Digest
from mediatypes.names import RepositoryName
from mediatypes.oci import INDEX_TYPES
from registry import metrics
from registry.core.access import PUSH, Access, Caller, organisation_of
from registry.core.attachments import subject_of
from registry.core.covering import Covering, Coverings
from registry.core.decisions import Decision, Judged, Outcome, earliest, kept, read, without_reasons
from registry.core.evidence import Gathered, Gathering, NewArtifact
from registry.core.judge import Judge
from registry.db import manifests, policies, repositories, trust_roots, verdicts
from registry.db.pool import Connection, Database
from registry.db.verdicts import Answer, Grounds, NewVerdict, StandingRow, UserRow
from registry.errors import ManifestUnknown, NotAdmitted, NotAdmittedYet, Unavailable
from signing.policy.verdict import Verdict

_DEEPEST: Final = 3  # what speaks of what speaks of something
_MOST_USERS: Final = 10  # manifests that name a blob, and are judged for it
# Of manifests that name a blob so many are looked at; the second where the first are not all, since it takes its time.
_AMONG: Final = (500, 200_000)
_REMEMBERED: Final = 65_536  # blobs
_FAILED_SECONDS: Final = 10  # for which nobody has judged again what has just failed: it may take all the time there is
_MOST_FAILED: Final = 4096
_MOST_WITH_INDEX: Final = (4096, 16 << 10)  # of so many that are remembered; bytes of one
_PATIENCE: Final = 60.0  # seconds for all that one request needs to have decided


class PoliciesChanged(Exception):
    """What was judged is not what there is: it has to be judged again."""


@dataclass(frozen=True, slots=True)
class TagJudgement:
    """That tags may name a manifest, and what that stands on: an epoch, and the evidence of manifests, None of absent ones."""

    epoch: int
    evidence: dict[bytes, int | None]
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Place:
    """Where an artifact is judged, and by what."""

    name: RepositoryName
    repository_id: int
    covering: Covering


@dataclass(frozen=True, slots=True)
class _Own:
    """What policies say of a manifest by itself."""

    evidence: int | None
    verdicts: list[Verdict]


@dataclass(frozen=True, slots=True)
class _WithIndex:
    """What policies say of a manifest with the signatures of an index of this evidence, too: nothing where it has none."""

    evidence: int
    verdicts: list[Verdict]


class Admission:
    """Decides, with the database and the sandbox."""

    def __init__(self, db: Database, access: Access, gathering: Gathering, judge: Judge) -> None:
        self._db = db
        self._access = access
        self._gathering = gathering
        self._judge = judge
        self._coverings = Coverings(db)
        # Of what is asked by many at once one judges, and the others find its verdict.
        self._judging: WeakValueDictionary[tuple[int, bytes], asyncio.Lock] = WeakValueDictionary()
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._failed: OrderedDict[tuple[object, ...], float] = OrderedDict()
        # By all that they stand on, but the time: each pull of what is refused would else judge it with its indexes again.
        self._with_index: OrderedDict[tuple[object, ...], bytes] = OrderedDict()
        # By which manifest a blob was admitted last only saves work: the lookup says whether it still is.
        self._through: OrderedDict[tuple[RepositoryName, Digest], bytes] = OrderedDict()

    async def admit(
        self, name: RepositoryName, repository_id: int, digest: Digest, answer: Answer, caller: Caller
    ) -> Sequence[str]:
        """Return what who pulls a manifest is warned of; `answer` is its lookup's.

        Raise NotAdmitted, NotAdmittedYet, Unavailable where it could not be decided, ManifestUnknown where it is gone.
        """
        if answer.epoch == 0 or not (await self._coverings.of(name, answer.epoch)).on_pull:
            return ()
        if answer.outcome is not None:
            metrics.count_admission("pull", answer.outcome)
            return answer.warnings or ()
        try:
            decision = await self._decide(name, repository_id, digest)
        except Unavailable:
            metrics.count_admission("pull", "undecided")
            if await self._may_push(name, caller):
                return ()
            raise
        refusal = decision.refusal(f"{name}@{digest}")
        if refusal is None:
            metrics.count_admission("pull", decision.outcome)
            return decision.warnings
        await self._spare("pull", name, caller, refusal)
        return [*refusal.message.splitlines()[1:], *decision.warnings]

    def through(self, name: RepositoryName, blob: Digest) -> bytes | None:
        """Return a manifest by which a blob was admitted."""
        return self._through.get((name, blob))

    async def admit_blob(self, name: RepositoryName, blob: Digest, answer: Answer, caller: Caller) -> None:
        """Let a blob be pulled that an admitted manifest of the repository names. Raise as `admit` does."""
        if answer.epoch == 0 or not (await self._coverings.of(name, answer.epoch)).on_pull:
            return
        if answer.outcome is not None:
            metrics.count_admission("blob", answer.outcome)
            return
        if await self._may_push(name, caller):
            metrics.count_admission("blob", "spared")
            return
        try:
            refusal = await self._refusal_of_blob(name, blob)
        except Unavailable:
            metrics.count_admission("blob", "undecided")
            raise
        if refusal is None:
            metrics.count_admission("blob", Outcome.ADMITTED)
        else:
            await self._spare("blob", name, caller, refusal)

    async def is_mountable(self, source: RepositoryName, blob: Digest, caller: Caller) -> bool:
        """Say whether a repository has policies that let a caller pull a blob of it. Raise Unavailable."""
        if not (await self._coverings.now(source)).on_pull:
            return False
        return await self._may_push(source, caller) or await self._refusal_of_blob(source, blob) is None

    async def withheld(self, name: RepositoryName, digest: Digest, caller: Caller) -> Decision | None:
        """Return what is decided of a manifest that policies keep from a caller; None where he may read it.

        Raise ManifestUnknown, Unavailable.
        """
        try:
            await self.require(name, digest, caller)
        except (NotAdmitted, NotAdmittedYet):
            decision = await self.decision(name, digest)
            return decision if decision.outcome is Outcome.DENIED else None
        return None

    async def require(self, name: RepositoryName, digest: Digest, caller: Caller) -> None:
        """Let something be read of a manifest that was looked up otherwise. Raise as `admit` does."""

        async def find(conn: Connection) -> tuple[int | None, int]:
            return await repositories.find(conn, name), await policies.epoch(conn, organisation_of(name))

        repository_id, epoch = await self._db.read("find_epoch", find)
        if repository_id is None:
            raise ManifestUnknown(name, str(digest))
        await self.admit(name, repository_id, digest, Answer(epoch, None, None), caller)

    async def decision(self, name: RepositoryName, digest: Digest) -> Decision:
        """Return what policies say of a stored manifest, with all verdicts. Raise ManifestUnknown, Unavailable."""
        repository_id = await self._db.read("find_repository", lambda conn: repositories.find(conn, name))
        if repository_id is None:
            raise ManifestUnknown(name, str(digest))
        return await self._decide(name, repository_id, digest)

    async def deployable(self, name: RepositoryName, digest: Digest) -> Decision:
        """Return what policies say of a stored manifest that is to run: as an artifact of its own, whatever it speaks of.

        Raise ManifestUnknown, Unavailable.
        """
        repository_id = await self._db.read("find_repository", lambda conn: repositories.find(conn, name))
        async with _patience():
            place = _Place(name, repository_id or 0, await self._coverings.now(name))
            row = await self._standing(place, digest.to_bytes())
            if row is None:
                raise ManifestUnknown(name, str(digest))
            return await self._of_its_own(place, digest, row)

    async def covering(self, name: RepositoryName) -> Covering:
        """Return the policies that cover a repository now."""
        return await self._coverings.now(name)

    async def judge_tags(
        self, name: RepositoryName, digest: Digest, tags: Sequence[str], new: NewArtifact | None, *, again: bool = False
    ) -> TagJudgement:
        """Say that tags may name a manifest, stored or `new`, before the transaction that lets them, in which `confirm` stands.

        Judged by the policies that are remembered, or `again` by those that there are. Raise NotAdmitted, Unavailable, and
        ManifestUnknown where it is neither.
        """
        covers = await self._coverings.now(name) if again else self._coverings.remembered(name)
        deciding = covers.on_tags(tags)
        if not deciding:
            return TagJudgement(covers.epoch, {})
        try:
            decision = await self._decide_on_tag(name, covers, digest, new)
        except Unavailable:
            metrics.count_admission("tag", "undecided")
            raise
        refusal = decision.refusal(f"{name}@{digest} as {', '.join(tags)}", among=deciding)
        if refusal is not None:
            metrics.count_admission("tag", Outcome.DENIED)
            raise refusal
        metrics.count_admission("tag", Outcome.ADMITTED)
        held: dict[bytes, int | None] = dict(zip(decision.grounds.digests, decision.grounds.evidence, strict=True))
        warnings = tuple(one.line for one in decision.judged if one.policy in deciding and one.warns)
        return TagJudgement(decision.epoch, held | {digest.to_bytes(): decision.evidence}, warnings)

    async def confirm(self, conn: Connection, judgement: TagJudgement, *, repository_id: int, epoch: int) -> None:
        """Raise PoliciesChanged where a judgement doesn't stand any more; else its evidence does until the transaction ends.

        `epoch` is the organisation's, read in the transaction.
        """
        if epoch != judgement.epoch:
            raise PoliciesChanged
        if judgement.evidence:
            held = await verdicts.hold(conn, [*judgement.evidence], repository_id=repository_id)
            if {digest: held.get(digest) for digest in judgement.evidence} != judgement.evidence:
                raise PoliciesChanged

    async def _spare(self, gate: str, name: RepositoryName, caller: Caller, refusal: NotAdmitted) -> None:
        """Let those read who may push, or nobody could sign. Raise NotAdmitted to others."""
        if await self._may_push(name, caller):
            metrics.count_admission(gate, "spared")
            return
        metrics.count_admission(gate, Outcome.DENIED)
        if await self._access.is_narrowed(caller, name, PUSH):
            raise NotAdmittedYet(name, refusal)
        raise refusal

    async def _may_push(self, name: RepositoryName, caller: Caller) -> bool:
        if caller.bound is not None and name in caller.bound.unadmitted:
            caller = replace(caller, bound=None)
        return bool(PUSH & await self._access.permitted(caller, name))

    async def _refusal_of_blob(self, name: RepositoryName, blob: Digest) -> NotAdmitted | None:
        """Return None where an admitted manifest names a blob, else why none is."""
        place = await self._place(name)
        if place is None:
            return None
        first: NotAdmitted | None = None
        async with _patience():
            users = await self._users(place, blob)
            others = " (of the manifests that name it the newest were judged; pull another one first)"
            for user in users:
                decision = await self._decided(place, user.digest) if not user.is_admitted else None
                refusal = None
                if decision is not None:
                    beyond = others if user.among > len(users) else ""
                    refusal = decision.refusal(f"{name}@{blob}, of {decision.digest}{beyond},")
                if user.is_admitted or (decision is not None and refusal is None):
                    self._remember(name, blob, user.digest)
                    return None
                first = first or refusal
        return first or NotAdmitted(
            f"{name}@{blob}",
            [],
            lines=["no manifest of the repository has it as config or layer; who may push reads it"],
        )

    async def _users(self, place: _Place, blob: Digest) -> list[UserRow]:
        """Return manifests that name a blob; where one is known to be admitted, that is the first."""
        found: list[UserRow] = []
        for among in _AMONG:
            found = await self._db.read(
                "find_users",
                functools.partial(
                    verdicts.using,
                    digest=blob.to_bytes(),
                    index_types=sorted(INDEX_TYPES),
                    repository_id=place.repository_id,
                    epoch=place.covering.epoch,
                    limit=_MOST_USERS,
                    among=among,
                ),
            )
            if found and (found[0].is_admitted or found[0].among < among):
                break
        return found

    def _remember(self, name: RepositoryName, blob: Digest, user: bytes) -> None:
        self._through[name, blob] = user
        self._through.move_to_end((name, blob))
        if len(self._through) > _REMEMBERED:
            self._through.popitem(last=False)

    async def _place(self, name: RepositoryName) -> _Place | None:
        repository_id = await self._db.read("find_repository", lambda conn: repositories.find(conn, name))
        return _Place(name, repository_id, await self._coverings.now(name)) if repository_id is not None else None

    async def _decide(self, name: RepositoryName, repository_id: int, digest: Digest) -> Decision:
        """Return what is decided of a manifest now, by policies of now. Raise ManifestUnknown, Unavailable."""
        async with _patience():
            place = _Place(name, repository_id, await self._coverings.now(name))
            decision = await self._decided(place, digest.to_bytes())
        if decision is None:
            raise ManifestUnknown(name, str(digest))
        return decision

    async def _decide_on_tag(
        self, name: RepositoryName, covers: Covering, digest: Digest, new: NewArtifact | None
    ) -> Decision:
        """Return what is decided of a manifest that is to have a tag, by which it is an artifact of its own."""
        async with _patience():
            repository_id = await self._db.read("find_repository", lambda conn: repositories.find(conn, name))
            place = _Place(name, repository_id or 0, covers)
            row = await self._standing(place, digest.to_bytes())
            if row is not None:
                return await self._of_its_own(place, digest, row)
            async with self._turn(place):
                gathered = await self._gathering.of(place.repository_id, digest, new)
                if gathered is None:
                    raise ManifestUnknown(name, str(digest))
                found = await self._judged_by(place, gathered)
        return Decision(digest, covers.epoch, None, _put_together(covers, found))

    async def _decided(self, place: _Place, packed: bytes, depth: int = 0) -> Decision | None:
        """Return what is decided of a manifest, and keep it; None where it is not there."""
        row = await self._standing(place, packed)
        if row is None:
            return None
        digest = Digest.from_bytes(packed)
        if not place.covering.policies:
            return Decision(digest, place.covering.epoch, row.evidence, ())
        about = await self._about(place, packed, row) if depth < _DEEPEST else None
        if about is not None:
            decision = await self._decided(place, about.to_bytes(), depth + 1)
            if decision is not None:
                found = _speaking(digest, row.evidence, about, decision)
                if row.outcome is None and found.outcome is not Outcome.DENIED:
                    await self._keep(place, found, own=None)
                return found
        return await self._of_its_own(place, digest, row)

    async def _about(self, place: _Place, packed: bytes, row: StandingRow) -> Digest | None:
        """Return the manifest of which one only speaks; None of an artifact."""
        subject = Digest.from_bytes(row.subject) if row.subject is not None else None
        if subject is None and not row.tags:
            return None
        content = await self._db.read(
            "read_manifest", lambda conn: manifests.content(conn, repository_id=place.repository_id, digest=packed)
        )
        if content is None:
            return None
        about = await asyncio.to_thread(subject_of, row.media_type, content, row.tags, subject)
        if about is None or row.media_type not in INDEX_TYPES:
            return about
        lists = await self._db.read(
            "find_listed",
            lambda conn: verdicts.lists_referrers(conn, packed, about.to_bytes(), repository_id=place.repository_id),
        )
        return about if lists else None

    async def _of_its_own(self, place: _Place, digest: Digest, row: StandingRow) -> Decision:
        own = await self._own(place, digest, row)
        judged = list(_put_together(place.covering, own.verdicts))
        grounds: dict[bytes, int] = {}
        if not all(one.verdict.passes for one in judged):
            await self._by_indexes(place, digest, own.evidence, judged, grounds)
        decision = Decision(
            digest,
            place.covering.epoch,
            own.evidence,
            tuple(judged),
            Grounds(tuple(grounds), tuple(grounds.values())),
        )
        if grounds and row.outcome is None and decision.outcome is not Outcome.DENIED:
            await self._keep(place, decision, own=own.verdicts)
        return decision

    async def _by_indexes(
        self, place: _Place, digest: Digest, evidence: int | None, judged: list[Judged], grounds: dict[bytes, int]
    ) -> None:
        """Let an artifact pass where an index that contains it has the signatures that it lacks; add these to `grounds`."""
        found = await self._gathering.indexes(place.repository_id, digest)
        about = (place.repository_id, digest.to_bytes())
        gathered: Gathered | None = None
        is_decided = True
        # One of all who ask at once has it judged.
        async with self._judging.setdefault(about, asyncio.Lock()), contextlib.AsyncExitStack() as held:
            for index, number in found:
                key = (*about, place.covering.epoch, evidence, index, number)
                said = self._remembered_with_index(key, number)
                if said is None and not self._has_failed(key):
                    if gathered is None:
                        await held.enter_async_context(self._turn(place))
                        gathered = await self._gathering.of(place.repository_id, digest)
                    if gathered is None:
                        raise ManifestUnknown(place.name, str(digest))
                    with contextlib.suppress(Unavailable):
                        said = await self._by_index(place, gathered, index, key)
                if said is None:
                    is_decided = False
                    continue
                for position, (one, other) in enumerate(zip(judged, said.verdicts, strict=False)):
                    if other.passes and not one.verdict.passes:
                        judged[position] = Judged(one.policy, other, index)
                        grounds[index.to_bytes()] = said.evidence
                if all(one.verdict.passes for one in judged):
                    return
        if not is_decided:
            raise Unavailable(f"a decision about {digest}", _FAILED_SECONDS)

    async def _by_index(self, place: _Place, gathered: Gathered, index: Digest, key: tuple[object, ...]) -> _WithIndex:
        """Have policies judge a manifest with an index that contains it, and remember what they say."""
        container = await self._gathering.of(place.repository_id, index)
        if container is None or container.number is None:
            return _WithIndex(0, [])
        with self._noting_failure(key):
            found = await self._judged_by(place, gathered, container)
        briefly = [one if one.passes else without_reasons(one) for one in found]
        self._remember_with_index((*key[:3], gathered.number, index, container.number), kept(briefly))
        return _WithIndex(container.number, found)

    def _remembered_with_index(self, key: tuple[object, ...], evidence: int) -> _WithIndex | None:
        known = self._with_index.get(key)
        if known is None:
            return None
        found = read(known)
        until = earliest(one.valid_until for one in found)
        if until is not None and until <= datetime.now(UTC):
            return None
        self._with_index.move_to_end(key)
        return _WithIndex(evidence, found)

    def _remember_with_index(self, key: tuple[object, ...], content: bytes) -> None:
        most, largest = _MOST_WITH_INDEX
        if len(content) > largest:
            return
        self._with_index[key] = content
        self._with_index.move_to_end(key)
        if len(self._with_index) > most:
            self._with_index.popitem(last=False)

    async def _own(self, place: _Place, digest: Digest, row: StandingRow) -> _Own:
        """Return what policies say of a manifest by itself: what is known; else one of all who ask at once has it judged."""
        if row.own is not None:
            return _Own(row.evidence, read(row.own))
        packed = digest.to_bytes()
        lock = self._judging.setdefault((place.repository_id, packed), asyncio.Lock())
        async with lock:
            again = await self._standing(place, packed)
            if again is None:
                raise ManifestUnknown(place.name, str(digest))
            if again.own is not None:
                return _Own(again.evidence, read(again.own))
            own = await self._judged_once(place, digest, again.evidence)
            judged = _put_together(place.covering, own.verdicts)
            decision = Decision(digest, place.covering.epoch, own.evidence, judged)
            await self._keep(place, decision, own=own.verdicts)
            return own

    async def _judged_once(self, place: _Place, digest: Digest, evidence: int) -> _Own:
        """Have a manifest judged; what could not be is not tried again for a while, unless something is another."""
        key = (place.repository_id, digest.to_bytes(), place.covering.epoch, evidence)
        if self._has_failed(key):
            raise Unavailable(f"a decision about {digest}", _FAILED_SECONDS)
        async with self._turn(place):
            gathered = await self._gathering.of(place.repository_id, digest)
            if gathered is None:
                raise ManifestUnknown(place.name, str(digest))
            with self._noting_failure(key):
                return _Own(gathered.number, await self._judged_by(place, gathered))

    def _turn(self, place: _Place) -> asyncio.Lock:
        """Return what one holds who gathers and has judged: what an organisation holds keeps no other one waiting."""
        return self._turns.setdefault(organisation_of(place.name), asyncio.Lock())

    def _has_failed(self, key: tuple[object, ...]) -> bool:
        """Say whether something could not be judged a moment ago."""
        return time.monotonic() < self._failed.get(key, 0.0)

    @contextlib.contextmanager
    def _noting_failure(self, key: tuple[object, ...]) -> Iterator[None]:
        try:
            yield
        except Unavailable:
            self._failed[key] = time.monotonic() + _FAILED_SECONDS
            self._failed.move_to_end(key)
            if len(self._failed) > _MOST_FAILED:
                self._failed.popitem(last=False)
            raise

    async def _judged_by(self, place: _Place, gathered: Gathered, index: Gathered | None = None) -> list[Verdict]:
        """Return what each policy of a place says, in their order; if need be with an index that contains the artifact."""
        wanted = [(policy.id, policy.version) for policy in place.covering.policies]

        async def find(conn: Connection) -> tuple[dict[int, bytes], dict[str, bytes]]:
            return await policies.contents(conn, wanted), await trust_roots.contents(conn, organisation_of(place.name))

        contents, roots = await self._db.read("read_policies", find)
        given = [(version, contents[number]) for number, version in wanted]
        return await self._judge.verdicts(
            given,
            roots,
            gathered.evidence,
            now=(index or gathered).now,
            index=index.evidence if index is not None else None,
        )

    async def _standing(self, place: _Place, packed: bytes) -> StandingRow | None:
        return await self._db.read(
            "find_verdict",
            lambda conn: verdicts.standing(
                conn, repository_id=place.repository_id, digest=packed, epoch=place.covering.epoch
            ),
        )

    async def _keep(self, place: _Place, decision: Decision, *, own: list[Verdict] | None) -> None:
        """Keep what was decided. What is refused is kept as it was judged, and put together anew for each who asks."""
        assert decision.evidence is not None
        outcome = decision.outcome
        new = NewVerdict(
            decision.epoch,
            decision.evidence,
            kept(own) if own is not None else None,
            earliest(one.valid_until for one in own or ()),
            outcome if outcome is not Outcome.DENIED else None,
            decision.warnings,
            decision.grounds,
            decision.valid_until,
        )
        digest = decision.digest.to_bytes()
        await self._db.statement(
            "keep_verdict",
            lambda conn: verdicts.put(conn, new, repository_id=place.repository_id, digest=digest),
        )


def _speaking(digest: Digest, evidence: int, about: Digest, decision: Decision) -> Decision:
    """Return what is decided of a manifest that speaks of another one: what is of that."""
    assert decision.evidence is not None
    grounds = Grounds((about.to_bytes(), *decision.grounds.digests), (decision.evidence, *decision.grounds.evidence))
    return Decision(digest, decision.epoch, evidence, decision.judged, grounds, about)


def _put_together(covers: Covering, found: Sequence[Verdict]) -> tuple[Judged, ...]:
    return tuple(Judged(policy, verdict) for policy, verdict in zip(covers.policies, found, strict=True))


@contextlib.asynccontextmanager
async def _patience() -> AsyncIterator[None]:
    """Bound the time that a request waits. Raise Unavailable."""
    try:
        async with asyncio.timeout(_PATIENCE):
            yield
    except TimeoutError as error:
        raise Unavailable("a decision by policies") from error
