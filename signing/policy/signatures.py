"""Whether somebody has signed or attested: for one signer, and for compositions of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from signing.policy.context import Context, Judgement
from signing.policy.outcomes import Outcome, at_least
from signing.policy.requirements import By, ByAll, ByAny, ByAtLeast, BySigner
from signing.steps import Step
from signing.verified import Rejected, Verified

Suits = Callable[[Verified], tuple[Outcome, str]]
"""Says whether a verified signature is what is asked for; where it isn't, why: completes “sha256:…, layer 1: …”."""

_MOST_NOTES: Final = 20
_SAID: Final = 300  # characters of what a signature says of itself


@dataclass(frozen=True, slots=True)
class _Tried:
    judgement: Judgement
    suited: tuple[Verified, ...] = ()


def signed(context: Context, by: By, what: str, suits: Suits, *, first: Suits | None = None) -> Judgement:
    """Return whether there is `what` (`a signature`) by whom it is asked of.

    With `first`, of a signer's signatures that suit it the one counts of which somebody trusted knows the earliest time: who
    signs again, or has a signature stamped again, changes nothing.
    """
    return _tried(context, by, what, suits, first).judgement


def _tried(context: Context, by: By, what: str, suits: Suits, first: Suits | None) -> _Tried:
    if isinstance(by, BySigner):
        return _by_signer(context, by.name, what, suits, first)
    parts = [_tried(context, one, what, suits, first) for one in by.of]
    branches = tuple(part.judgement.branch(f"{what} by {one.told()}") for part, one in zip(parts, by.of, strict=True))
    outcomes = [part.judgement.outcome for part in parts]
    met = outcomes.count(Outcome.MET)
    reason = f"{met} of {len(parts)} have"
    match by:
        case ByAll():
            outcome = at_least(len(parts), outcomes)
        case ByAny():
            outcome = at_least(1, outcomes)
        case ByAtLeast():
            distinct = most_distinct([part.suited for part in parts])
            undecided = outcomes.count(Outcome.UNDECIDED)
            outcome = at_least(by.count, [Outcome.MET] * distinct + [Outcome.UNDECIDED] * undecided)
            if distinct < met:
                reason += f", with {distinct} different keys or identities between them"
    return _Tried(Judgement(outcome, reason, branches), tuple(one for part in parts for one in part.suited))


def _by_signer(context: Context, name: str, what: str, suits: Suits, first: Suits | None) -> _Tried:
    found = context.found(name)
    if isinstance(found, str):
        return _Tried(Judgement(Outcome.UNDECIDED, found))
    notes = [_note(rejected) for rejected in found.rejected]
    suited: list[Verified] = []
    undecided: list[str] = []
    valid: list[Verified] = []
    for verified in found.verified:
        if verified.valid_until is not None and context.has_passed(verified.valid_until):
            notes.append(f"{verified.where}: holds no more since {verified.valid_until.isoformat()}")
        else:
            valid.append(verified)
    for verified in valid if first is None else _earliest(valid, first):
        outcome, why = suits(verified)
        if outcome is Outcome.MET:
            suited.append(verified)
            continue
        notes.append(f"{verified.where}: {why}"[:_SAID])
        if outcome is Outcome.UNDECIDED:
            undecided.append(why)
    return _Tried(_judged(context, what, name, suited, undecided, notes), tuple(suited))


def _earliest(found: Sequence[Verified], suits: Suits) -> list[Verified]:
    """Return the signature that was the first of those that suit, where somebody knows that of one, and all that don't."""
    timed = {
        number: one.signed_at
        for number, one in enumerate(found)
        if one.signed_at is not None and suits(one)[0] is Outcome.MET
    }
    earliest = min(timed, key=timed.__getitem__, default=None)
    return [one for number, one in enumerate(found) if earliest in (None, number) or suits(one)[0] is not Outcome.MET]


def _judged(
    context: Context, what: str, name: str, suited: list[Verified], undecided: list[str], notes: list[str]
) -> Judgement:
    told = tuple(notes[:_MOST_NOTES])
    if len(notes) > _MOST_NOTES:
        told += (f"and {len(notes) - _MOST_NOTES} others",)
    if suited:
        first = suited[0]
        return Judgement(Outcome.MET, f"by {name}, {first.signer[:_SAID]} ({first.where})", notes=told)
    if undecided:
        return Judgement(Outcome.UNDECIDED, f"{what} by {name}: {undecided[0]}", notes=told)
    if context.lacks is not None:
        return Judgement(
            Outcome.UNDECIDED, f"there is none by {name} in what could be read: {context.lacks[:_SAID]}", notes=told
        )
    others = "1 other was" if len(notes) == 1 else f"{len(notes)} others were"
    looked = f"; {others} not accepted: {notes[0]}" if notes else ", nor any other"
    return Judgement(
        Outcome.UNMET, f"there is no {what.removeprefix('a ').removeprefix('an ')} by {name}{looked}", notes=told
    )


def _note(rejected: Rejected) -> str:
    try:
        step = f"step {rejected.step} ({Step(rejected.step).name.lower()})"
    except ValueError:
        step = f"step {rejected.step}"
    return f"{rejected.where}: {step}: {rejected.reason}"[:_SAID]


def most_distinct(suited: Iterable[Iterable[Verified]]) -> int:
    """Return how many signers have signed if each needs a key or an identity of its own: the largest matching.

    Signatures by the same key, or by the same identity of the same issuer, are by one and the same, also where one is by both.
    """
    groups = [list(signatures) for signatures in suited]
    same: dict[object, object] = {}

    def root(token: object) -> object:
        while (following := same.setdefault(token, token)) != token:
            token = following
        return token

    tokens = [[_tokens(one) for one in group] for group in groups]
    for token, *others in (several for group in tokens for several in group):
        for other in others:
            same[root(other)] = root(token)
    candidates = [{root(several[0]) for several in group} for group in tokens]
    taken: dict[object, int] = {}

    def finds(signer: int, tried: set[object]) -> bool:
        for one in candidates[signer] - tried:
            tried.add(one)
            if one not in taken or finds(taken[one], tried):
                taken[one] = signer
                return True
        return False

    return sum(finds(signer, set()) for signer in range(len(groups)))


def _tokens(verified: Verified) -> list[object]:
    tokens: list[object] = [("key", verified.key)] if verified.key is not None else []
    if verified.identity is not None:
        tokens.append(("identity", verified.issuer, verified.identity))
    return tokens or [("signer", verified.signer)]
