"""A call to the API, by whom, and the door that says so; nothing here is of those who prove who they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol

from registry.core.access import ANONYMOUS_ID, Caller
from registry.core.audit import Actor
from registry.db.principals import StandingRow
from registry.errors import AdministratorNeeded
from registry.http.call import Call

SIGNED: Final = frozenset(("signature", "signature-input"))
"""Headers of which one at least has a request that is signed, whose body must be known to say who calls."""

NOBODY: Final = StandingRow(ANONYMOUS_ID, "anonymous", "", is_admin=False, is_disabled=False, organisation_id=None)
"""Who one is that nobody knows."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A call: who makes it, who he is now, and how events name him."""

    call: Call
    caller: Caller
    standing: StandingRow
    actor: Actor


class Door(Protocol):
    """Says who calls: one of those who prove it (Callers), or everybody (OpenCallers)."""

    async def admit(self, call: Call, content: bytes, *, is_for_readers: bool = False) -> Asked:
        """Return who calls; `content` is the body of a request that is signed. Readers may be anybody, by any credential.

        Raise Unauthorized, AccessDenied, RequestInvalid, TooManyRequests.
        """


def require_administrator(asked: Asked) -> None:
    """Raise AdministratorNeeded unless the caller may do everything in the registry, as the database has just said."""
    if not asked.standing.is_admin:
        raise AdministratorNeeded
