"""Pages of other sites: a browser sends requests for them, with what it knows of us, and says itself where they come from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from registry.errors import AccessDenied

_OWN_SITE: Final = (None, "same-origin", "none")  # `none`: the user typed the address (Fetch Metadata, §2.3)


def require_own_site(headers: Mapping[str, str], external_url: str | None = None) -> None:
    """Raise AccessDenied where a browser says that a request, with headers by lower-case names, comes from another site.

    Ours is the Host that was asked, and `external_url`, whose path no Origin has (RFC 6454 §6.1).
    """
    origin, host, external = headers.get("origin"), headers.get("host", "").lower(), urlsplit(external_url or "")
    own = (f"http://{host}", f"https://{host}", f"{external.scheme}://{external.netloc}".lower())
    if origin is not None and origin.lower() not in own:
        raise AccessDenied(f"a page of “{origin[:128]}” may not use this registry")
    if headers.get("sec-fetch-site") not in _OWN_SITE:
        raise AccessDenied("a page of another site may not use this registry")
