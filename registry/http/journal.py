"""What requests leave in the audit log that change nothing: pulls of whoever has said who he is."""

from __future__ import annotations

from typing import Final

from mediatypes.endpoints import Location, Resource
from registry.core.access import ANONYMOUS_ID
from registry.core.audit import Action, Event, actor_of
from registry.core.audit_buffer import EventBuffer
from registry.http.call import Call
from registry.http.limits import Networks

_PULLED: Final = frozenset((Resource.MANIFEST, Resource.BLOB))


class Journal:
    """Notes events, which are written a moment later. What anybody may pull, and nobody in particular has, is no event."""

    def __init__(self, buffer: EventBuffer, networks: Networks) -> None:
        self._buffer = buffer
        self._networks = networks

    def note(self, call: Call, at: Location | None, status: int) -> None:
        """Note a request that was answered with a status."""
        is_pull = at is not None and at.resource in _PULLED and call.method == "GET" and status < 400
        if at is not None and is_pull and call.caller.principal_id != ANONYMOUS_ID:
            mark = "@" if ":" in at.reference else ":"
            actor = actor_of(call.caller, address=self._networks.of(call), request_id=call.request_id)
            self._buffer.add(Event(actor, Action.PULL, f"{at.name}{mark}{at.reference}"))
