"""The end of a session by one of its refresh tokens (RFC 7009)."""

from __future__ import annotations

from registry.auth.sessions import Sessions
from registry.errors import GrantRefused
from registry.http.call import Call
from registry.http.forms import read_form
from registry.http.limits import Networks
from registry.http.reply import Reply


class RevocationEndpoint:
    """POST of `/auth/revoke`. Whoever has a token may end its session; what is none, or no longer one, is answered the same."""

    def __init__(self, sessions: Sessions, networks: Networks) -> None:
        self._sessions = sessions
        self._networks = networks

    async def revoke(self, call: Call) -> Reply:
        """End a session (RFC 7009 §2.1, §2.2). Raise GrantRefused where the form names no token."""
        token = (await read_form(call)).get("token")
        if not token:
            raise GrantRefused("invalid_request", "token is missing: the refresh token whose session shall end")
        await self._sessions.end(token, address=self._networks.of(call), request_id=call.request_id)
        return Reply(200, [("Cache-Control", "no-store")])
