"""Locations: relative, so that they hold behind any proxy, unless an external URL is set.

An upload's state is in its path and row, never in a query string, which some clients drop.
"""

from __future__ import annotations

from urllib.parse import urlencode
from uuid import UUID

from registry.http.redirects import Redirects


class Links:
    """Makes the URLs that answers name: relative ones without an external URL. `redirects` says who is sent to the storage."""

    def __init__(self, external_url: str | None, redirects: Redirects | None = None) -> None:
        self.redirects = redirects
        self._base = (external_url or "").rstrip("/")

    def manifest(self, name: str, reference: str) -> str:
        """Return where a manifest is pulled from."""
        return f"{self._base}/v2/{name}/manifests/{reference}"

    def blob(self, name: str, digest: str) -> str:
        """Return where a blob is pulled from."""
        return f"{self._base}/v2/{name}/blobs/{digest}"

    def upload(self, name: str, upload_id: UUID) -> str:
        """Return where an upload is continued."""
        return f"{self._base}/v2/{name}/blobs/uploads/{upload_id}"

    def here(self, path: str) -> str:
        """Return the URL of a request's own path."""
        return self._base + path

    def next_page(self, path: str, **parameters: str | int | None) -> tuple[str, str]:
        """Return the Link header to the next page (RFC 8288)."""
        query = urlencode({name: value for name, value in parameters.items() if value is not None})
        return "Link", f'<{self._base}{path}?{query}>; rel="next"'
