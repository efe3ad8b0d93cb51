"""Promotions (docs/promotion.md): a stage's tag comes to name what was in the stage before it, or what it has named earlier.

Each is one transaction: the tag, the row of the history and the event of the audit log. What policies say of it is judged
before, and still stands in it (registry.core.admission). Promotions into one repository come one after the other.
"""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import partial
from typing import Final, NamedTuple

from mediatypes.digest import Digest
from mediatypes.names import RepositoryName, Tag
from registry.core.access import Access, Caller, Permission, organisation_of
from registry.core.admission import Admission, PoliciesChanged, TagJudgement
from registry.core.audit import Action, Actor, Event, record, target_of
from registry.core.copying import Copying
from registry.core.delegation import oversee
from registry.core.promotion_plan import Place, placed, resolved, tag_in
from registry.core.stages import place_of
from registry.core.tag_rules import MOVING, asker_of, require_free
from registry.db import evidence, manifests, policies, promotions, repositories, tags
from registry.db.pool import Connection, Database
from registry.db.promotions import NewPromotion, StageKey, State
from registry.errors import (
    AccessDenied,
    ManifestUnknown,
    PromotionRefused,
    StageDenied,
    StageMoved,
    Unavailable,
)

LONGEST_REASON: Final = 500
"""Characters of why something is promoted."""

_ACTIONS: Final = {
    "promotion": Action.STAGE_PROMOTE,
    "rollback": Action.STAGE_ROLLBACK,
    "roll-forward": Action.STAGE_ROLL_FORWARD,
}


class Kind(StrEnum):
    """What became of a stage."""

    PROMOTION = "promotion"
    ROLLBACK = "rollback"
    ROLL_FORWARD = "roll-forward"
    FOUND = "found"
    """Something else had moved its tag, as was seen then."""


_MOST_MOVED: Final = 20  # times that a tag moves while a promotion looks at it


class _NotJudged(Exception):
    """A stage would come to name a manifest of which it is not known yet what policies say."""

    def __init__(self, digest: Digest) -> None:
        super().__init__()
        self.digest = digest


class _TagMoved(Exception):
    """Somebody else has moved a stage's tag since it was looked at."""


class _Passing(NamedTuple):
    """That a stage may name a manifest, as far as policies go."""

    digest: Digest
    judgement: TagJudgement


class Expected(NamedTuple):
    """What a stage must name for a promotion to be what its caller means; None: nothing."""

    digest: Digest | None


@dataclass(frozen=True, slots=True)
class Wish:
    """What goes with a promotion: why, and what the stage must name now, if that is said."""

    reason: str = ""
    expected: Expected | None = None


@dataclass(frozen=True, slots=True)
class Promoted:
    """What a stage's tag names now, and what it named before; the same where nothing had to be done.

    `warnings` are those of policies that only warn.
    """

    kind: Kind
    stage: str
    repository: RepositoryName
    tag: Tag
    digest: Digest
    before: Digest | None
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Roll:
    """How far back a stage goes, or forward again. `version` is that of a stage whose tag has one.

    What no longer passes is refused, unless it `is_forced`.
    """

    steps: int = 1
    is_forward: bool = False
    version: Tag | None = None
    is_forced: bool = False


class Promotions:
    """The verbs of `blacklake promote`. A `caller` may pull from the repository, or there is none for him."""

    def __init__(self, db: Database, access: Access, copying: Copying, admission: Admission) -> None:
        self._db = db
        self._access = access
        self._copying = copying
        self._admission = admission

    async def promote(
        self,
        name: RepositoryName,
        reference: Tag | Digest | None,
        stage: str,
        wish: Wish,
        *,
        caller: Caller,
        actor: Actor,
    ) -> Promoted:
        """Let a stage name what a reference names, or what the stage before it does, with all that belongs to that.

        Raise NameUnknown, ManifestUnknown, StageUnknown, StageDenied, StageMoved, PromotionRefused, TagImmutable, NotAdmitted,
        NotAdmittedYet, Unavailable, and what a push into another repository raises.
        """
        _require_reason(wish.reason)
        place = await self._place(name, stage, caller)
        await self._require_promoter(name, place, caller)
        digest, tag = await self._db.read("resolve_promoted", lambda conn: resolved(conn, name, reference, place))
        await self._copy(name, place, digest, caller, actor)

        async def promote(conn: Connection, passing: _Passing | None) -> Promoted:
            key, current, state = await self._found(conn, name, place, tag, caller, wish)
            if current == digest:
                return Promoted(Kind.PROMOTION, stage, place.repository, tag, digest, current)
            state = await _seen(conn, key, current, state)
            await self._require_passing(conn, place, key, digest, passing)
            new = NewPromotion(Kind.PROMOTION, digest, current, None, _id(state), wish.reason, False, actor.principal)
            return await self._move(conn, place, key, new, actor)

        return await self._judged("promote", place, tag, promote)

    async def roll(
        self,
        name: RepositoryName,
        stage: str,
        how: Roll,
        wish: Wish,
        *,
        caller: Caller,
        actor: Actor,
    ) -> Promoted:
        """Let a stage name again what it named so many steps before, or what rollbacks have left so many steps ago.

        What is forced is for administrators of the organisation, whether the stage names them or not. Raise as `promote` does,
        and DelegationDenied.
        """
        _require_reason(wish.reason)
        place = await self._place(name, stage, caller)
        if how.is_forced:
            await self._require_administrator(name, caller)
        else:
            await self._require_promoter(name, place, caller)
        tag = tag_in(place.stage, how.version)
        kind = Kind.ROLL_FORWARD if how.is_forward else Kind.ROLLBACK

        async def roll(conn: Connection, passing: _Passing | None) -> Promoted:
            key, current, state = await self._found(conn, name, place, tag, caller, wish)
            state, target = await _reached(conn, key, current, state, how)
            if not how.is_forced:
                await self._require_passing(conn, place, key, target.digest, passing)
            new = NewPromotion(
                kind, target.digest, current, target.id, _id(state), wish.reason, how.is_forced, actor.principal
            )
            return await self._move(conn, place, key, new, actor)

        return await self._judged("roll_stage", place, tag, roll)

    async def _place(self, name: RepositoryName, stage: str, caller: Caller) -> Place:
        return await self._db.read("find_stage", lambda conn: placed(conn, name, stage, caller))

    async def _require_promoter(self, name: RepositoryName, place: Place, caller: Caller) -> None:
        """Raise StageDenied where a caller, by his rights or by his credential, may not promote into a stage."""
        stage = place.stage
        held = await self._access.permitted(caller, place.repository)
        if not stage.is_restricted:
            if not held >= MOVING:
                raise StageDenied(name, stage.name, f"those who may push to {place.repository} and move tags there")
            return
        is_permitted = caller.bound is None or Permission.PUSH in caller.bound.permits(place.repository)
        is_operator = caller.principal_id is None and caller.bound is None
        if not (is_operator or (stage.is_promoter and is_permitted)):
            raise StageDenied(name, stage.name, ", ".join(stage.promoters) or "nobody")

    async def _require_administrator(self, name: RepositoryName, caller: Caller) -> None:
        if caller.bound is not None and not caller.bound.admin:
            raise AccessDenied("what no longer passes is promoted by a credential of all rights, not by a limited one")

        async def require(conn: Connection) -> None:
            await oversee(conn, organisation_of(name), by=caller.principal_id)

        await self._db.transaction("require_administrator", require)

    async def _copy(self, name: RepositoryName, place: Place, digest: Digest, caller: Caller, actor: Actor) -> None:
        """Copy what is promoted, as it is in the repository and as it is in the stage before, where it may have been signed.

        Nothing is copied from where the caller may not pull it. Raise NotAdmitted, NotAdmittedYet, Unavailable.
        """
        sources = [name] if place.previous is None else [name, place_of(place.previous, name)]
        others = [source for source in dict.fromkeys(sources) if source != place.repository]
        for source in others:
            with contextlib.suppress(ManifestUnknown):
                await self._admission.require(source, digest, caller)
        for source in others:
            with contextlib.suppress(ManifestUnknown):  # one of them has it, which is seen when the tag moves
                await self._copying.copy(source, place.repository, digest, actor=actor)

    async def _found(
        self, conn: Connection, name: RepositoryName, place: Place, tag: Tag, caller: Caller, wish: Wish
    ) -> tuple[StageKey, Digest | None, State | None]:
        """Return which stage it is, what its tag names and in which state it is; the state stays until the transaction ends.

        Raise StageMoved, and PromotionRefused where the stages are others than those that were found.
        """
        if await placed(conn, name, place.stage.name, caller) != place:
            raise PromotionRefused(f"the stages of {name} have just been changed; look at them, and decide again")
        repository_id, place_id = await repositories.find(conn, name), await repositories.find(conn, place.repository)
        if repository_id is None or place_id is None:
            raise PromotionRefused(f"nothing has been promoted to {place.stage.name} of {name} yet")
        await promotions.lock(conn, place_id)
        current = await promotions.named(conn, tag, repository_id=place_id)
        if wish.expected is not None and wish.expected.digest != current:
            raise StageMoved(name, place.stage.name, expected=_text(wish.expected.digest), now=_text(current))
        key = StageKey(repository_id, place.stage.name, place_id, tag)
        return key, current, await promotions.state(conn, key)

    async def _judged(
        self,
        named: str,
        place: Place,
        tag: Tag,
        act: Callable[..., Awaitable[Promoted]],
    ) -> Promoted:
        """Do a transaction once it is known what policies say of the manifest that it lets a tag name. Raise NotAdmitted."""
        passing: _Passing | None = None
        moved = 0
        while True:
            try:
                done = await self._db.transaction(named, partial(act, passing=passing))
                return replace(done, warnings=passing.judgement.warnings) if passing is not None else done
            except _NotJudged as error:
                digest = error.digest
            except PoliciesChanged:
                assert passing is not None
                digest = passing.digest
            except _TagMoved:
                moved += 1
                if moved == _MOST_MOVED:
                    raise Unavailable(f"{place.repository}:{tag}, which others move all the time,") from None
                continue
            again = passing is not None
            passing = _Passing(
                digest, await self._admission.judge_tags(place.repository, digest, [tag], None, again=again)
            )

    async def _require_passing(
        self, conn: Connection, place: Place, key: StageKey, digest: Digest, passing: _Passing | None
    ) -> None:
        """Raise _NotJudged or PoliciesChanged where it is not known that a stage may name a manifest now."""
        if passing is None or passing.digest != digest:
            raise _NotJudged(digest)
        epoch = await policies.epoch(conn, organisation_of(place.repository))
        await self._admission.confirm(conn, passing.judgement, repository_id=key.place_id, epoch=epoch)

    async def _move(self, conn: Connection, place: Place, key: StageKey, new: NewPromotion, actor: Actor) -> Promoted:
        """Let the tag name another manifest, and tell so. Raise ManifestUnknown, TagImmutable, _TagMoved.

        Manifests are locked before tags, as by pushes.
        """
        if not await manifests.held(conn, [new.digest], repository_id=key.place_id):
            raise ManifestUnknown(place.repository, str(new.digest))
        # What only spoke of another manifest is an artifact of its own by this tag.
        await evidence.raise_for(conn, [new.digest.to_bytes()], repository_id=key.place_id)
        others, ruled = await tags.point(
            conn,
            [key.tag],
            repository_id=key.place_id,
            digest=new.digest,
            asker=asker_of(place.repository, actor),
            by=actor.principal,
        )
        require_free(place.repository, ruled, by_promotion=True)
        moved = (
            await tags.move(conn, others, repository_id=key.place_id, digest=new.digest, by=actor.principal)
            if others
            else []
        )
        if moved != ([(key.tag, new.before)] if new.before not in (None, new.digest) else []):
            raise _TagMoved
        await promotions.add(conn, key, new)
        detail: dict[str, object] = {"stage": key.stage, "from": _text(new.before), "to": str(new.digest)}
        detail |= {"reason": new.reason} if new.reason else {}
        detail |= {"forced": True} if new.is_forced else {}
        await record(conn, Event(actor, _ACTIONS[new.kind], target_of(place.repository, key.tag), detail=detail))
        return Promoted(Kind(new.kind), key.stage, place.repository, key.tag, new.digest, new.before)


async def _seen(conn: Connection, key: StageKey, current: Digest | None, state: State | None) -> State | None:
    """Return the state in which a stage is, which is a new one where something else has moved its tag."""
    if current is None or (state is not None and state.digest == current):
        return state
    moved = NewPromotion(Kind.FOUND, current, _digest(state), None, _id(state), "", False, "")
    return State(await promotions.add(conn, key, moved), current)


async def _reached(
    conn: Connection, key: StageKey, current: Digest | None, state: State | None, how: Roll
) -> tuple[State | None, State]:
    """Return the state in which a stage is, and that to which so many steps lead. Raise PromotionRefused."""
    state = await _seen(conn, key, current, state)
    target: State | None = None
    if state is not None and how.is_forward:
        target = await promotions.descendant(conn, state.id, how.steps)
    elif state is not None:
        # Where the tag was deleted, the state before that is what it named last.
        target = await promotions.ancestor(conn, state.id, how.steps if current is not None else how.steps - 1)
    if target is None:
        what = "was rolled back from" if how.is_forward else "named"
        raise PromotionRefused(
            f"there is nothing that stage {key.stage} {what} {how.steps} step{'' if how.steps == 1 else 's'}"
            f" {'ago' if how.is_forward else 'before'}; look at its history"
        )
    return state, target


def _require_reason(reason: str) -> None:
    if len(reason) > LONGEST_REASON:
        raise PromotionRefused(f"the reason has {len(reason)} characters; {LONGEST_REASON} are the most")


def _text(digest: Digest | None) -> str | None:
    return str(digest) if digest is not None else None


def _digest(state: State | None) -> Digest | None:
    return state.digest if state is not None else None


def _id(state: State | None) -> int | None:
    return state.id if state is not None else None
