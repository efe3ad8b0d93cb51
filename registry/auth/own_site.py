"""From where a browser says that a request comes, where it says by itself who calls: by Basic, by a client's certificate."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from registry.errors import AccessDenied

_OWN_SITE: Final = ("same-origin", "none")  # `none`: the user typed the address (Fetch Metadata, §2.3)


def require_own_site(headers: Mapping[str, str], external_url: str | None = None) -> None:
    """Raise AccessDenied to a page of another site; `headers` are by lower-case names. What is no browser says nothing."""
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    host = headers.get("host", "").lower()
    own = (f"http://{host}", f"https://{host}", (external_url or "").rstrip("/").lower())
    if site not in (*_OWN_SITE, None) or (origin is not None and origin.lower() not in own):
        raise AccessDenied("a page of another site may not use this registry")
