"""Where the pages are, as browsers see it: the origin, the cookies that belong to it, and who may send forms to it."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import urlsplit

from werkzeug.http import dump_cookie, parse_cookie

from registry.errors import AccessDenied, RequestInvalid
from registry.http.call import Call
from registry.http.parse import host_of

SESSION: Final = "blacklake"
"""The cookie of who is logged in,"""

VISITOR: Final = "blacklake-visitor"
"""of who isn't, which the login's form is bound to,"""

ATTEMPT: Final = "blacklake-attempt"
"""and of a login that is under way at an issuer."""

_LOOPBACK: Final = re.compile(r"(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])(?::\d{1,5})?", re.ASCII)
_LOCAL: Final = re.compile(r"/(?:[A-Za-z0-9._~!$&'()*+,;=:@%?-][A-Za-z0-9._~!$&'()*+,;=:@%/?-]*)?", re.ASCII)
_LONGEST_LOCAL: Final = 1024


class Site:
    """The site. Without an external URL it is where a browser itself has reached us."""

    def __init__(self, external_url: str | None, *, is_secure: bool = False) -> None:
        """Be at `external_url`; `is_secure` where we speak TLS ourselves."""
        external = urlsplit((external_url or "").rstrip("/"))
        self._external = f"{external.scheme}://{external.netloc}".lower() if external_url else None
        self._is_secure = is_secure
        self.base = external.path
        """The path before every page's, which a proxy takes away."""

    @property
    def is_https(self) -> bool:
        """Say whether browsers reach the site by https only."""
        return self._is_secure if self._external is None else self._external.startswith("https://")

    def host(self, call: Call) -> str:
        """Return the host, with its port, by which clients reach the registry. Raise RequestInvalid where Host is none."""
        if self._external is not None:
            return urlsplit(self._external).netloc
        host = host_of(call)
        if host is None:
            raise RequestInvalid("Host names no host")
        return host.lower()

    def callback(self, call: Call) -> str:
        """Return where an issuer sends browsers back to. Raise RequestInvalid where that isn't known.

        A Host may be anybody's word: without an external URL only loopback is believed.
        """
        if self._external is None and not self._is_loopback(call):
            raise RequestInvalid(
                "logins by an issuer need BLACKLAKE_EXTERNAL_URL here, the URL that browsers come back to"
            )
        return f"{self._origins(call)[0]}{self.base}/auth/callback"

    def require_same_origin(self, call: Call) -> None:
        """Raise AccessDenied unless a browser itself says that a request comes from one of our pages."""
        origin, fetch_site = call.headers.get("origin"), call.headers.get("sec-fetch-site")
        if origin is None and fetch_site is None:
            raise AccessDenied("your browser doesn't say which page this comes from (Origin); use a current one")
        if (origin is not None and origin.lower() not in self._origins(call)) or fetch_site not in (
            None,
            "same-origin",
        ):
            ours = self._origins(call)[0]
            raise AccessDenied(f"a page of another site than {ours} has sent this; nothing was done")

    def cookie(self, call: Call, name: str) -> str:
        """Return what a cookie of ours holds, "" where the browser has none."""
        return parse_cookie(call.headers.get("cookie", "")).get(self._name(call, name), "")

    def keep(self, call: Call, name: str, value: str, *, seconds: int | None = None) -> tuple[str, str]:
        """Return the header that lets a browser keep a cookie, until it is closed or for some seconds.

        `__Host-` binds a cookie to this very host by https (RFC 6265bis §4.1.3.2): no neighbour below the same domain can set
        it. On loopback without TLS browsers would drop such a cookie, and there is no neighbour either.
        """
        return "Set-Cookie", dump_cookie(
            self._name(call, name),
            value,
            max_age=seconds,
            path="/",
            secure=not self._is_plain(call),
            httponly=True,
            samesite="Lax",
        )

    def drop(self, call: Call, name: str) -> tuple[str, str]:
        """Return the header that takes a cookie away."""
        return self.keep(call, name, "", seconds=0)

    def _name(self, call: Call, name: str) -> str:
        return name if self._is_plain(call) else f"__Host-{name}"

    def _is_plain(self, call: Call) -> bool:
        return not self.is_https and self._is_loopback(call)

    def _is_loopback(self, call: Call) -> bool:
        return _LOOPBACK.fullmatch(call.headers.get("host", "").lower()) is not None

    def _origins(self, call: Call) -> tuple[str, ...]:
        if self._external is not None:
            return (self._external,)
        host = self.host(call)
        return (f"https://{host}",) if self._is_secure else (f"http://{host}", f"https://{host}")


def local(path: str) -> str:
    """Return a path of this site as it was given, or "" for anything that could lead elsewhere (an open redirect)."""
    return path if len(path) <= _LONGEST_LOCAL and _LOCAL.fullmatch(path) is not None else ""
