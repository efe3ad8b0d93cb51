"""Rules of tags (docs/promotion.md): immutable tags, and protected ones with who may make, move and delete them.

A tag falls under all rules whose target its repository is, or begins with, and whose pattern it fits: each of them counts, so
that nobody loosens on a repository what is asked on its organisation. Tags of signatures fall under none: they are written anew
for each signature.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Final, NamedTuple

from mediatypes.names import RepositoryName
from registry.core.access import Permission, organisation_of, path_of
from registry.core.audit import Action, Actor, Event, record
from registry.core.conformance import moving
from registry.core.delegation import grantable, require_grantable
from registry.core.subjects import Target, find_subject, parse_target, target_at
from registry.db import tag_rules
from registry.db.pool import Connection, Database
from registry.db.tag_rules import Asker, Ruled, RuleKey, RuleRow
from registry.errors import IdentityRefused, TagImmutable, TagProtected

MOST_RULES: Final = 500
"""Rules of an organisation: whoever pushes a tag may have to look at all of them."""
MOST_NAMED: Final = 100
"""Principals and teams that a rule or a stage may name."""

_PATTERN: Final = re.compile(r"[A-Za-z0-9_*][A-Za-z0-9._*-]{0,127}", re.ASCII)
_MOST_STARS: Final = 8


class RuleKind(StrEnum):
    """What a rule does."""

    IMMUTABLE = "immutable"
    """What a tag names first, it names for good."""
    PROTECTED = "protected"
    """Only some, and promotions, make, move and delete a tag."""


class ListedRule(NamedTuple):
    """A rule as lists tell it; where a protected tag has no `movers`, promotions alone move it."""

    target: str
    pattern: str
    kind: str
    movers: list[str]
    created_at: datetime
    created_by: str


class TagRules:
    """The verbs of `blacklake admin tag`. `actor` and `by` are who asks (registry.core.delegation)."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def put(
        self, target: str, pattern: str, kind: RuleKind, movers: Sequence[str] = (), *, actor: Actor
    ) -> Target:
        """Let the tags of a target that fit a pattern fall under a rule; return the target.

        A rule that is there gets other movers. Raise IdentityUnknown, IdentityRefused, DelegationDenied.
        """
        on, key = _key(target, pattern, kind)
        if movers and kind is RuleKind.IMMUTABLE:
            raise IdentityRefused(f"immutable tags are moved by nobody; protect {pattern} to say who may")

        async def put(conn: Connection) -> None:
            found = await grantable(conn, on, by=actor.principal_id)
            named = await people(conn, movers)
            if await tag_rules.count(conn, organisation_id=found.organisation_id) >= MOST_RULES:
                raise IdentityRefused(f"{on.organisation} has {MOST_RULES} rules of tags, which are the most")
            await tag_rules.put(conn, key, named, organisation_id=found.organisation_id, created_by=actor.principal)
            detail = {"pattern": pattern, "kind": kind} | ({"movers": sorted(movers)} if movers else {})
            await record(conn, Event(actor, Action.TAG_RULE_PUT, str(on), detail=detail))

        await self._db.transaction("put_tag_rule", put)
        return on

    async def remove(self, target: str, pattern: str, kind: RuleKind, *, actor: Actor) -> None:
        """Take the very rule back. Raise IdentityRefused, IdentityUnknown, DelegationDenied."""
        on, key = _key(target, pattern, kind)

        async def remove(conn: Connection) -> None:
            found = await grantable(conn, on, by=actor.principal_id)
            if not await tag_rules.remove(conn, key, organisation_id=found.organisation_id):
                raise IdentityRefused(f"tags {pattern} of {on} are not {kind}; list the rules there")
            detail = {"pattern": pattern, "kind": kind}
            await record(conn, Event(actor, Action.TAG_RULE_REMOVE, str(on), detail=detail))

        await self._db.transaction("remove_tag_rule", remove)

    async def listed(self, target: str, *, by: int | None) -> list[ListedRule]:
        """Return the rules that cover a target or what is in it, by target. Raise as `remove` does."""
        on = parse_target(target)

        async def find(conn: Connection) -> list[RuleRow]:
            found = await require_grantable(conn, on, by=by)
            return await tag_rules.listed(
                conn, organisation_id=found.organisation_id, target=on.path, is_prefix=on.is_prefix
            )

        return [
            ListedRule(
                str(target_at(row.target, is_prefix=row.is_prefix)),
                row.pattern,
                row.kind,
                row.movers,
                row.created_at,
                row.created_by,
            )
            for row in await self._db.read("list_tag_rules", find)
        ]


def asker_of(name: RepositoryName, actor: Actor | None) -> Asker:
    """Return who changes tags of a repository, as statements take it."""
    return Asker(organisation_of(name), path_of(name), actor.principal_id if actor is not None else None)


def require_free(name: RepositoryName, ruled: Sequence[Ruled], *, by_promotion: bool = False) -> None:
    """Let pass what rules permit of changes of a repository's tags. Raise TagImmutable, TagProtected."""
    for one in ruled:
        if not moving([one.tag]):
            continue
        target = str(target_at(one.rule.target, is_prefix=one.rule.is_prefix))
        if one.rule.kind == RuleKind.PROTECTED:
            if not one.is_mover and not by_promotion:
                raise TagProtected(name, one.tag, pattern=one.rule.pattern, target=target)
        elif not one.is_new:
            raise TagImmutable(name, one.tag, pattern=one.rule.pattern, target=target)


async def people(conn: Connection, subjects: Sequence[str]) -> list[tuple[int | None, int | None]]:
    """Return principals and teams by their ids, (principal, team). Raise IdentityUnknown, IdentityRefused."""
    if len(subjects) > MOST_NAMED:
        raise IdentityRefused(f"{len(subjects)} principals and teams are named; {MOST_NAMED} are the most")
    if "anonymous" in subjects:
        raise IdentityRefused("anonymous is everybody; name users, robots, services and teams")
    found = [await find_subject(conn, text) for text in subjects]
    return [(None, one.team_id) if one.team_id is not None else (one.principal_id, None) for one in found]


def require_pattern(pattern: str, what: str = "pattern") -> None:
    """Raise IdentityRefused where a text is no pattern of tags."""
    if _PATTERN.fullmatch(pattern) is None or pattern.count("*") > _MOST_STARS or "**" in pattern:
        raise IdentityRefused(
            f"{what} “{pattern[:128]}” can't be: it is a tag in which up to {_MOST_STARS} `*` stand for any text, as in v1.*"
        )


def _key(target: str, pattern: str, kind: RuleKind) -> tuple[Target, RuleKey]:
    """Return what a rule is of. Raise IdentityRefused."""
    on = parse_target(target)
    require_pattern(pattern)
    return on, RuleKey(on.path, on.is_prefix, pattern, kind)


MOVING: Final = frozenset((Permission.PUSH, Permission.TAG_MOVE))
"""What whoever moves tags may do with their repository."""
