"""Scopes of tokens (distribution's token specification: scope).

    scope   ::= resource (" " resource)*
    resource::= type ["(" class ")"] ":" name ":" action ("," action)*

A name may hold a colon of its own (`host:port/name`), so the first and the last one separate. The class is deprecated and
means nothing: `repository(plugin)` is `repository`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final, NamedTuple

MAX_SCOPES: Final = 100
"""Resources that one request may name."""

_LONGEST: Final = 400  # characters of a resource
_TYPE: Final = re.compile(r"([a-z0-9]+)(?:\([a-z0-9]+\))?", re.ASCII)
_ACTION: Final = re.compile(r"[a-z]+|\*", re.ASCII)


class InvalidScope(ValueError):
    """Text that is no scope; the message says why."""


class Scope(NamedTuple):
    """A resource, and what may be done, or is asked to be done, with it."""

    type: str
    name: str
    actions: frozenset[str]

    def __str__(self) -> str:
        return f"{self.type}:{self.name}:{','.join(sorted(self.actions))}"


def parse_scopes(texts: Iterable[str]) -> list[Scope]:
    """Return what `scope` parameters name; each may hold several, separated by spaces. Raise InvalidScope.

    A resource that is named twice is one with the actions of both.
    """
    found: dict[tuple[str, str], frozenset[str]] = {}
    resources = [resource for text in texts for resource in text.split(" ") if resource]
    if len(resources) > MAX_SCOPES:
        raise InvalidScope(f"more than {MAX_SCOPES} scopes are asked for")
    for resource in resources:
        scope = _parsed(resource)
        key = scope.type, scope.name
        found[key] = found.get(key, frozenset()) | scope.actions
    return [Scope(type_, name, actions) for (type_, name), actions in found.items()]


def _parsed(text: str) -> Scope:
    head, _, rest = text.partition(":")
    name, _, listed = rest.rpartition(":")
    type_ = _TYPE.fullmatch(head)
    actions = [action for action in listed.split(",") if action]
    is_whole = type_ is not None and name and all(_ACTION.fullmatch(action) for action in actions)
    if len(text) > _LONGEST or type_ is None or not is_whole:
        raise InvalidScope(f"“{text[:128]}” is not type:name:action,action")
    return Scope(type_[1], name, frozenset(actions))
