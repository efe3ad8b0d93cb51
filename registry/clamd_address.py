"""Where a clamd is, as settings say it: `unix:///run/clamav/clamd.ctl` or `tcp://host:3310`."""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import urlsplit


class ClamdAddress(NamedTuple):
    """A socket's path, or a host and a port."""

    path: str | None
    host: str | None
    port: int | None


def parse_clamd(text: str) -> ClamdAddress:
    """Return an address. Raise ValueError where this is none."""
    parts = urlsplit(text)
    if parts.scheme == "unix" and not parts.netloc and parts.path not in ("", "/"):
        return ClamdAddress(parts.path, None, None)
    if parts.scheme == "tcp" and parts.hostname and parts.port is not None and parts.path in ("", "/"):
        return ClamdAddress(None, parts.hostname, parts.port)
    raise ValueError("this is neither unix:///run/clamav/clamd.ctl nor tcp://host:3310")
