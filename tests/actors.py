"""Who changes identities in tests."""

from __future__ import annotations

from typing import Final

from registry.core.access import CredentialKind
from registry.core.audit import Actor

OPERATOR: Final = Actor(None, "local:tests", CredentialKind.LOCAL)


def acting(principal_id: int | None) -> Actor:
    """Return a principal as who acts; None stands for the operator."""
    return OPERATOR if principal_id is None else Actor(principal_id, "somebody", CredentialKind.PASSWORD)
