"""Scopes of API keys: the most that a key permits, whatever its owner may do.

    scope   ::= "repository:" pattern ":" action ("," action)* | "registry:catalog:*" | "registry:admin:*"
    action  ::= "pull" | "push" | "delete" | "*"

A pattern is a repository's name, or with `*` at its end, and nowhere else, whatever begins so, `/` included. Names are compared
as they are: `library/*` is not `bert`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from mediatypes.names import MAX_NAME_LENGTH, InvalidName, parse_repository_name
from registry.errors import IdentityRefused

MOST: Final = 100
"""Scopes of a key."""

_REGISTRY: Final = ("registry:catalog:*", "registry:admin:*")
_ACTIONS: Final = frozenset(("pull", "push", "delete", "*"))
_PREFIX: Final = re.compile(rf"(?:[a-z0-9][a-z0-9._/-]{{0,{MAX_NAME_LENGTH - 1}}})?\*", re.ASCII)


def require_scopes(scopes: Sequence[str]) -> list[str]:
    """Return scopes, each once. Raise IdentityRefused where one is none, or there are too many or none."""
    if not 0 < len(scopes) <= MOST:
        raise IdentityRefused(f"a key that is limited has 1 to {MOST} scopes")
    for scope in scopes:
        if not _is_scope(scope):
            raise IdentityRefused(
                f"scope “{scope[:128]}” is none of repository:PATTERN:ACTIONS (PATTERN a repository, or with * at its end;"
                f" ACTIONS of pull,push,delete,*), {' and '.join(_REGISTRY)}"
            )
    return list(dict.fromkeys(scopes))


def _is_scope(text: str) -> bool:
    kind, _, rest = text.partition(":")
    pattern, _, listed = rest.rpartition(":")
    if kind != "repository":
        return text in _REGISTRY
    actions = listed.split(",")
    return _is_pattern(pattern) and _ACTIONS.issuperset(actions) and len(set(actions)) == len(actions)


def _is_pattern(text: str) -> bool:
    if text.endswith("*"):
        return _PREFIX.fullmatch(text) is not None
    try:
        parse_repository_name(text)
    except InvalidName:
        return False
    return True
