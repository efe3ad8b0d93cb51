"""Which pulls of a blob are answered by a redirect to the storage, so that its bytes don't pass through this server."""

from __future__ import annotations

import ipaddress
from collections.abc import Awaitable, Callable, Sequence
from typing import Final
from urllib.parse import urlsplit

from registry.http.call import Call

_WORTHWHILE: Final = 1 << 20  # bytes of a blob; a smaller one is sent sooner than the client is at another server


class Redirects:
    """Decides for each pull; who can't follow gets the bytes from here, and so does who has little to fetch."""

    def __init__(self, *, always: bool, spared: Sequence[str] = (), secure: bool = False) -> None:
        """Redirect every pull, or those of large blobs by clients that can follow.

        `spared` are beginnings of User-Agents that fail; `secure` says that clients reach us by https.
        """
        self._always = always
        self._spared = tuple(spared)
        self._secure = secure

    async def target(self, call: Call, size: int, signed_url: Callable[[], Awaitable[str | None]]) -> str | None:
        """Return where the client of `call` is sent for a blob of `size` bytes; None where it isn't.

        `signed_url` returns None where there is none.
        """
        if not self._always and (size < _WORTHWHILE or call.headers.get("user-agent", "").startswith(self._spared)):
            return None
        url = await signed_url()
        return url if url is not None and (self._always or self._can_follow(call, url)) else None

    def _can_follow(self, call: Call, url: str) -> bool:
        target, here = urlsplit(url), _host_of(call)
        there = target.hostname or ""
        if target.scheme == "http" and (self._secure or call.headers.get("x-forwarded-proto") == "https"):
            return False  # clients refuse, or would send in the clear what was asked for by https
        if _is_loopback(there) and not _is_loopback(here):
            return False  # the storage is on this machine, the client elsewhere
        # Go's clients send credentials along to other ports of a host, and to hosts below it; S3 refuses two kinds at once.
        return "authorization" not in call.headers or not (there == here or there.endswith(f".{here}"))


def _host_of(call: Call) -> str:
    try:
        return urlsplit("//" + call.headers.get("host", "")).hostname or ""
    except ValueError:
        return ""


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
