"""What a refused client is told of where to get a token (RFC 9110 §11.6.1; distribution's token specification)."""

from __future__ import annotations

from registry.errors import Unauthorized
from registry.http.call import Call
from registry.http.parse import host_of


class Challenges:
    """Makes WWW-Authenticate headers. Without an external URL the realm is where the client itself has reached us.

    A Host that is no host and port is not repeated: the realm has none then.
    """

    def __init__(
        self, external_url: str | None, service: str, *, realm: str | None = None, is_secure: bool = False
    ) -> None:
        """Tell `realm`, that of another token server, instead of our own; `is_secure` where we speak TLS ourselves."""
        self._realm = realm
        self._external_url = external_url
        self._service = service
        self._scheme = "https" if is_secure else "http"

    def header(self, call: Call, error: Unauthorized) -> tuple[str, str]:
        """Return the challenge that answers a call."""
        base = (self._external_url or self._reached(call)).rstrip("/")
        parameters = {"realm": self._realm or f"{base}/auth/token", "service": self._service}
        if error.scopes:
            parameters["scope"] = " ".join(error.scopes)
        if error.problem is not None and "authorization" in call.headers:
            parameters["error"] = error.problem
        shown = ",".join(f'{name}="{_quoted(value)}"' for name, value in parameters.items())
        return "WWW-Authenticate", f"Bearer {shown}"

    def _reached(self, call: Call) -> str:
        host = host_of(call)
        return f"{self._scheme}://{host}" if host is not None else ""


def _quoted(value: str) -> str:
    return "".join(letter for letter in value if letter.isascii() and letter.isprintable() and letter not in '"\\')
