"""What requests leave in the audit log that change nothing: pulls and denials of whoever has said who he is.

What changes something records itself, in its own transaction (core.audit).
"""

from __future__ import annotations

from typing import Final

from mediatypes.endpoints import Location, Resource
from registry import errors
from registry.core.access import ANONYMOUS_ID
from registry.core.audit import Action, Actor, Event, Outcome, actor_of, target_of
from registry.core.audit_buffer import EventBuffer
from registry.core.limits import MemoryCounter, RateLimit
from registry.errors import RegistryError
from registry.http.call import Call
from registry.http.limits import Networks

DENIALS: Final = 600
"""Denials a minute of one principal, in one process; more are counted by `audit.drop`, and crowd out nobody else's events."""

_PULLED: Final = frozenset((Resource.MANIFEST, Resource.BLOB))
_UPLOADED: Final = frozenset((Resource.UPLOADS, Resource.UPLOAD))
_IN_REPOSITORIES: Final = _PULLED | _UPLOADED
DECIDED: Final = (
    errors.AccessMissing,
    errors.AccessLost,
    errors.CatalogDenied,
    errors.TagMoveDenied,
    errors.NotAdmitted,
    errors.NotAdmittedYet,
    errors.StillReferenced,
    errors.DeletionDisabled,
    errors.OrganisationUnknown,
    errors.DelegationDenied,
)
"""Refusals that are decisions about somebody, not mistakes of his."""


class Journal:
    """Notes events, which are written a moment later. Nothing is noted of the anonymous: strangers can't fill the log."""

    def __init__(self, buffer: EventBuffer, networks: Networks) -> None:
        self._buffer = buffer
        self._networks = networks
        self._denials = RateLimit(DENIALS, MemoryCounter())

    def actor_of(self, call: Call) -> Actor:
        """Return who makes a call, once its caller is known."""
        return actor_of(call.caller, address=self._networks.of(call), request_id=call.request_id)

    def note(self, call: Call, at: Location | None, status: int) -> None:
        """Note a request that was answered with a status."""
        target = call.pulled
        if at is not None and at.resource in _PULLED:
            target = target_of(at.name, at.reference)
        if target is not None and call.method == "GET" and status < 400 and call.caller.principal_id != ANONYMOUS_ID:
            address = self._networks.of(call)
            self._buffer.add_pull(call.caller, target, address=address, request_id=call.request_id)

    async def deny(self, call: Call, at: Location | None, error: RegistryError) -> None:
        """Note a request that was refused, where that was a decision about somebody who is known."""
        if call.caller.principal_id == ANONYMOUS_ID or not isinstance(error, DECIDED):
            return
        actor = self.actor_of(call)
        if (await self._denials.count(f"{actor.principal_id} {actor.principal}")).is_refused:
            self._buffer.drop()
            return
        action, target = _attempted(call, at)
        detail = {"reason": type(error).__name__, **error.detail}
        self._buffer.add(Event(actor, action, target, Outcome.DENIED, detail))


def _attempted(call: Call, at: Location | None) -> tuple[Action, str]:
    """Return what a call would have done to what, in the words of the event that it would have left."""
    if at is None or at.resource not in _IN_REPOSITORIES:
        return Action.ACCESS, f"{call.method} {call.path}"
    if at.resource in _UPLOADED:
        return Action.BLOB_PUSH, at.name
    target = target_of(at.name, at.reference)
    if call.method in ("GET", "HEAD"):
        return Action.PULL, target
    if call.method == "PUT":
        return Action.MANIFEST_PUSH, target
    if at.resource is Resource.BLOB:
        return Action.BLOB_DELETE, target
    return (Action.MANIFEST_DELETE if ":" in at.reference else Action.TAG_DELETE), target
