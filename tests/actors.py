"""Who acts in tests, and from where."""

from __future__ import annotations

from typing import Final

from registry.core.access import CredentialKind
from registry.core.audit import Action, Actor, Event

OPERATOR: Final = Actor(None, "local:tests", CredentialKind.LOCAL)

ORIGIN: Final = {"address": "192.0.2.9", "request_id": "request-9"}
"""From where, and in which request, somebody acts whom only the answer names."""

LOGIN: Final = Event(OPERATOR, Action.LOGIN, "browser")
"""What begins a session, where it doesn't matter what."""


def acting(principal_id: int | None) -> Actor:
    """Return a principal as who acts; None stands for the operator."""
    return OPERATOR if principal_id is None else Actor(principal_id, "somebody", CredentialKind.PASSWORD)
