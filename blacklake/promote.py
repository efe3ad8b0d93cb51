"""`blacklake promote`: artifacts into stages, and stages back to what they named before (docs/promotion.md)."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from typing import Annotated, Any, Final

from cyclopts import Parameter

from blacklake.admin.door import Door, Where, opened
from blacklake.admin.tables import printable, show
from blacklake.admin.words import Json
from blacklake.references import Named, named, url_of
from blacklake.settings import USAGE, Refused

_COLUMNS: Final = ("promoted_at", "kind", "stage", "tag", "digest", "promoted_by", "reason")
_ARTIFACT: Final = "ORG/NAME, ORG/NAME:TAG or ORG/NAME@DIGEST; without TAG, what the stage before names."


@Parameter(name="*")
@dataclasses.dataclass(frozen=True, kw_only=True)
class Ways:
    """What is done with a stage other than promoting into it."""

    rollback: Annotated[bool, Parameter(negative=(), help="Go back to what the stage named before.")] = False
    roll_forward: Annotated[bool, Parameter(negative=(), help="Go on to what a rollback has left.")] = False
    history: Annotated[bool, Parameter(negative=(), help="List what became of the stage, or of all.")] = False
    steps: Annotated[int | None, Parameter(help="How many steps to roll.")] = None
    force: Annotated[
        bool, Parameter(negative=(), help="Roll to what policies refuse by now; for administrators, and recorded.")
    ] = False


def promote(
    artifact: Annotated[str, Parameter(help=_ARTIFACT)],
    stage: str | None = None,
    /,
    *,
    reason: Annotated[str, Parameter(help="Why, for the history.")] = "",
    expected: Annotated[
        str | None, Parameter(help="Do it only if the stage names this now: a digest, or `nothing`.")
    ] = None,
    as_json: Json = False,
    ways: Ways | None = None,
    where: Where | None = None,
) -> None:
    """Promote an artifact into a stage, in one audited step that policies decide on. Log in by `blacklake login`."""
    ways, where, ref = ways or Ways(), where or Where(), named(artifact, "")
    _require_sense(ways, stage)
    if ref.host is not None:
        if where.server is not None:
            raise Refused("the artifact names a registry already: leave --server out", USAGE)
        where = dataclasses.replace(where, server=url_of(ref.host, ca_file=where.ca_file))
    with opened(where, is_promoting=True) as door:
        if ways.history:
            show(door.promotions(ref.repository, stage), _COLUMNS, as_json=as_json)
            return
        assert stage is not None
        done = _done(door, ref, stage, ways, reason=reason, expected=expected)
    for line in [json.dumps(done)] if as_json else [_said(done), *_warnings(done)]:
        print(printable(line))


def _done(door: Door, ref: Named, stage: str, ways: Ways, *, reason: str, expected: str | None) -> dict[str, Any]:
    """Promote, or roll; return what has become of the stage."""
    done: dict[str, Any]
    if not (ways.rollback or ways.roll_forward):
        done = door.promote(ref.repository, ref.reference or None, stage, expected=expected, reason=reason)
        return done
    if ":" in ref.reference:
        raise Refused(
            "a rollback goes by steps: name the repository, with a tag only where the stage has versions", USAGE
        )
    done = door.roll_stage(
        ref.repository,
        stage,
        steps=ways.steps if ways.steps is not None else 1,
        forward=ways.roll_forward,
        version=ref.reference or None,
        expected=expected,
        reason=reason,
        forced=ways.force,
    )
    return done


def _require_sense(ways: Ways, stage: str | None) -> None:
    if ways.rollback + ways.roll_forward + ways.history > 1:
        raise Refused("--rollback, --roll-forward and --history are three things: say one of them", USAGE)
    if stage is None and not ways.history:
        raise Refused("say the stage, too: blacklake promote ORG/NAME:TAG STAGE", USAGE)
    if (ways.steps is not None or ways.force) and not (ways.rollback or ways.roll_forward):
        raise Refused("--steps and --force are for --rollback and --roll-forward", USAGE)
    if ways.steps is not None and not 1 <= ways.steps <= 1000:
        raise Refused("--steps are 1 to 1000", USAGE)


def _warnings(done: Mapping[str, Any]) -> list[str]:
    return [f"warning: {warning}" for warning in done.get("warnings", ())]


def _said(done: Mapping[str, Any]) -> str:
    """Return in a sentence what has become of a stage."""
    where = f"{done['repository']}:{done['tag']}"
    if done["before"] == done["digest"]:
        return f"stage {done['stage']} names {done['digest']} already ({where})"
    way = {"rollback": " again, rolled back", "roll-forward": " again, rolled forward"}.get(done["kind"], "")
    before = f"; before, it named {done['before']}" if done["before"] is not None else ""
    return f"stage {done['stage']} names {done['digest']}{way} ({where}){before}"
