"""`BLACKLAKE_AUTH=open`: whoever reaches the address may do everything, but no web page may.

A page of a foreign site can make a browser send requests to loopback addresses. It can't choose the Host of a name that it
doesn't own, unless by DNS rebinding, where the Host is the page's own: so only loopback names and the external URL's are
accepted as Host, and an Origin must be the same.
"""

from __future__ import annotations

import ipaddress
from typing import Final
from urllib.parse import urlsplit

from registry.errors import AccessDenied

_REMEMBERED: Final = 1024  # hosts that were found to be loopback names: a client may make up any number of them


class OpenAccess:
    """Decides by Host and Origin. `any_host` is for `--insecure-open`, where the operator vouches for the network."""

    def __init__(self, *, external_url: str | None, any_host: bool) -> None:
        self._external = urlsplit(external_url).netloc.lower() if external_url else None
        self._any_host = any_host
        self._accepted: set[str] = set()

    def require(self, host: str | None, origin: str | None) -> None:
        """Raise AccessDenied unless a request with these headers may be answered."""
        host = (host or "").lower()
        if host not in self._accepted:
            if not (self._any_host or host == self._external or _is_loopback(host)):
                raise AccessDenied(
                    f"this registry is open to loopback names only, not to “{host[:128]}”;"
                    " use localhost, or set BLACKLAKE_EXTERNAL_URL to the URL under which it is reached"
                )
            if not self._any_host and len(self._accepted) < _REMEMBERED:
                self._accepted.add(host)
        if origin is not None and _authority(origin) not in {host, self._external}:
            raise AccessDenied(f"a page of “{origin[:128]}” may not use this registry")


def _authority(origin: str) -> str:
    """Return an origin's host and port as Host has them; "null" for what is no URL."""
    try:
        return urlsplit(origin).netloc.lower() or "null"
    except ValueError:
        return "null"


def _is_loopback(host: str) -> bool:
    try:
        name = urlsplit(f"//{host}").hostname or ""
        return name == "localhost" or name.endswith(".localhost") or ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
