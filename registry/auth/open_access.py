"""`BLACKLAKE_AUTH=open`: whoever reaches the address may do everything, but no web page may.

A page of a foreign site can make a browser send requests to loopback addresses. It can't choose the Host of a name that it
doesn't own, unless by DNS rebinding, where the Host is the page's own: so only loopback names and the external URL's are
accepted as Host. A browser's own words on where a request comes from, Origin and Sec-Fetch-Site, must say: from here.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection, Mapping
from typing import Final
from urllib.parse import urlsplit

from registry.auth.own_site import require_own_site
from registry.core.access import EVERYONE, Caller
from registry.errors import AccessDenied

_LOOPBACK: Final = re.compile(
    r"(?:(?:[a-z0-9_-]{1,63}\.){0,8}localhost|127(?:\.\d{1,3}){3}|\[::1\])(?::\d{1,5})?", re.ASCII
)
_ADDRESS: Final = re.compile(r"\[([0-9a-f:.]{2,45})\](?::\d{1,5})?|([0-9.]{7,15})(?::\d{1,5})?", re.ASCII)


class OpenAccess:
    """Decides by headers. `any_host` is for `--insecure-open`, where the operator vouches for the network."""

    def __init__(self, *, external_url: str | None, any_host: bool) -> None:
        self._external_url = external_url
        self._external = urlsplit(external_url or "").netloc.lower()
        self._any_host = any_host

    async def admit(self, headers: Mapping[str, str], *, peer: str = "", repeated: Collection[str] = ()) -> Caller:
        """See Gate. Nobody is asked who he is."""
        del peer, repeated
        self.require(headers)
        return EVERYONE

    def require(self, headers: Mapping[str, str]) -> None:
        """Raise AccessDenied unless a request with these headers, by lower-case names, may be answered."""
        host = headers.get("host", "").lower()
        origin, site = headers.get("origin"), headers.get("sec-fetch-site")
        # A browser gives neither of the two with a GET of the page's own host without TLS, but always a language.
        from_browser = origin is not None or site is not None or "accept-language" in headers
        if not self._is_ours(host, from_browser=from_browser):
            raise AccessDenied(
                f"this registry is open to loopback names only, not to “{host[:128]}”;"
                " use localhost, or set BLACKLAKE_EXTERNAL_URL to the URL under which it is reached"
            )
        require_own_site(headers, self._external_url)

    def _is_ours(self, host: str, *, from_browser: bool) -> bool:
        if _LOOPBACK.fullmatch(host) is not None or (host and host == self._external):
            return True
        # A name could be one that a page's owner points here; an address can't.
        return self._any_host and (not from_browser or _is_address(host))


def _is_address(host: str) -> bool:
    match = _ADDRESS.fullmatch(host)
    try:
        return match is not None and bool(ipaddress.ip_address(match[1] or match[2]))
    except ValueError:
        return False
