"""From the scopes of an API key (registry.core.key_scopes) to what bounds its caller."""

from __future__ import annotations

from collections.abc import Iterable

from registry.auth.scopes import parse_scopes
from registry.auth.tokens import bound_of
from registry.core.access import Bound


def bound_of_key(scopes: Iterable[str]) -> Bound:
    """Return the most that a key with these scopes permits."""
    return bound_of([one._asdict() for one in parse_scopes(scopes)])
