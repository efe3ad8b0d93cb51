"""Rules of trust: which token of an issuer stands for whom, and the most that it may do, as PyPI's trusted publishing has it.

A rule names claims and their values; `*` stands at a value's end only, and for anything. A token fits where it is for the
rule's audience alone and every claim is there with such a value. Everything here is pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from mediatypes.names import InvalidName, parse_repository_name
from registry.auth.foreign_tokens import audiences_of
from registry.auth.scopes import Scope
from registry.core.access import path_of
from registry.db.trust import RuleRow

KINDS: Final = ("github", "gitlab", "kubernetes", "other")
"""Kinds of issuers: they say which claims a rule must name."""

ACTIONS: Final = ("pull", "push", "delete")

_OWN_FIELDS: Final = frozenset(("iss", "aud", "exp", "iat", "nbf", "jti"))
_CLAIM: Final = re.compile(r"[A-Za-z0-9_./:-]{1,128}", re.ASCII)
_LONGEST: Final = 512  # characters of a value
_MOST: Final = 32  # claims
_GITHUB: Final = "https://token.actions.githubusercontent.com"
_GITLAB: Final = "https://gitlab.com"


class Grant(NamedTuple):
    """What rules that fit a token let it do: for whom, by which rules, which of what was asked for, for how many seconds."""

    principal_id: int
    principal: str
    rules: tuple[str, ...]
    scopes: list[Scope]
    seconds: int


class TrustUnfit(ValueError):
    """A rule that can't be, or rules that contradict each other; the message says why."""


def fits(rule: RuleRow, claims: Mapping[str, Any]) -> bool:
    """Say whether a token with these claims, which are verified, is one that a rule means."""
    if claims.get("iss") != rule.issuer or audiences_of(dict(claims)) != {rule.audience}:
        return False
    return all(_matches(pattern, _text(claims, name)) for name, pattern in rule.claims.items())


def granted(rules: Iterable[RuleRow], wanted: Sequence[Scope]) -> Grant | None:
    """Return what rules let a token do that fits them all: their union; None without rules.

    Raise TrustUnfit where they stand for different principals: nobody could say who it is.
    """
    rules = list(rules)
    if not rules:
        return None
    names = tuple(rule.name for rule in rules)
    if len({rule.principal_id for rule in rules}) > 1:
        raise TrustUnfit(f"the rules {', '.join(names)} fit this token and stand for different principals")
    scopes = [scope for one in wanted if (scope := _cut(rules, one)) is not None]
    return Grant(rules[0].principal_id, rules[0].principal, names, scopes, min(rule.seconds for rule in rules))


def kind_of(url: str) -> str | None:
    """Return the kind of issuers that everybody knows; None for others."""
    if (
        url == _GITHUB or url.startswith(f"{_GITHUB}/") or url.endswith("/_services/token")
    ):  # the last: GitHub's own servers
        return "github"
    return "gitlab" if url == _GITLAB else None


def require_sound(kind: str, claims: Mapping[str, str]) -> None:
    """Raise TrustUnfit where a rule with these claims could not be meant: it would trust strangers, or nobody ever."""
    if not 0 < len(claims) <= _MOST:
        raise TrustUnfit(f"a rule names 1 to {_MOST} claims")
    for name, pattern in claims.items():
        _require_claim(name, pattern)
    if kind == "github":
        _require_owner(claims, "repository", "repository_owner")
    elif kind == "gitlab":
        _require_owner(claims, "project_path", "namespace_path")
    elif kind == "kubernetes":
        _require_account(claims)
    elif all(pattern.endswith("*") for pattern in claims.values()):
        raise TrustUnfit("a rule names the whole value of one claim at least, without *")


def _require_claim(name: str, pattern: str) -> None:
    if name in _OWN_FIELDS or _CLAIM.fullmatch(name) is None:
        raise TrustUnfit(f"“{name[:128]}” is no claim that a rule names")
    if not 0 < len(pattern) <= _LONGEST or not pattern.isprintable() or "*" in pattern[:-1]:
        raise TrustUnfit(f"the value of {name} is empty, too long, or has a * that doesn't stand at its end")


def _require_owner(claims: Mapping[str, str], thing: str, owner: str) -> None:
    """Require a name, and the number that stays with it when an account is deleted and somebody else takes the name."""
    numbers = {
        "repository": "repository_id",
        "repository_owner": "repository_owner_id",
        "project_path": "project_id",
        "namespace_path": "namespace_id",
    }
    exact = {name for name, pattern in claims.items() if not pattern.endswith("*")}
    below = re.fullmatch(r"[^/*]+/.*\*", claims.get(thing, ""))
    if not exact & {thing, owner} and below is None:
        raise TrustUnfit(
            f"a rule names {thing} (as owner/name or owner/*) or {owner}: anybody has tokens of this issuer"
        )
    if not any(re.fullmatch(r"[0-9]+", claims.get(numbers[one], ""), re.ASCII) for one in (thing, owner)):
        raise TrustUnfit(
            f"a rule names {numbers[thing]} or {numbers[owner]}, a number: a name may be somebody else's tomorrow"
        )


def _require_account(claims: Mapping[str, str]) -> None:
    subject = claims.get("sub", "")
    if re.fullmatch(r"system:serviceaccount:[a-z0-9-]+:(?:[a-z0-9.-]+|\*)", subject, re.ASCII) is None:
        raise TrustUnfit("a rule names sub as system:serviceaccount:NAMESPACE:NAME, or NAMESPACE:*")


def _matches(pattern: str, value: str | None) -> bool:
    if value is None:
        return False
    return value.startswith(pattern[:-1]) if pattern.endswith("*") else value == pattern


def _text(claims: Mapping[str, Any], name: str) -> str | None:
    """Return a claim as a text, inside of others where the name has slashes; None where it is none, or not there."""
    found = claims.get(name)
    if name not in claims:
        found = claims
        for part in name.split("/"):
            found = found.get(part) if isinstance(found, Mapping) else None
    if isinstance(found, bool):
        return str(found).lower()
    return str(found) if isinstance(found, str | int) else None


def _cut(rules: Iterable[RuleRow], wanted: Scope) -> Scope | None:
    """Return the part of what is wanted that rules permit. The catalog is no repository, so never in it."""
    if wanted.type != "repository":
        return None
    try:
        path = path_of(parse_repository_name(wanted.name))
    except InvalidName:
        return None
    permitted: frozenset[str] = frozenset()
    for rule in rules:
        if any(_matches(target, path) for target in rule.repositories):
            permitted |= rule.actions
    actions = permitted if "*" in wanted.actions else permitted & wanted.actions
    return wanted._replace(actions=actions) if actions else None
