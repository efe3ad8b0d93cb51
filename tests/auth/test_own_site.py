"""Which requests of browsers are for pages of the registry itself: by its Host, and by its external URL behind a proxy."""

from __future__ import annotations

import pytest

from registry.auth.own_site import require_own_site
from registry.errors import AccessDenied

EXTERNAL = "https://Registry.example:8443/models/"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"origin": "http://inside:5000"},
        {"origin": "https://inside:5000", "sec-fetch-site": "same-origin"},
        {"origin": "https://registry.example:8443"},  # of the external URL, whose path no Origin has
        {"sec-fetch-site": "none"},
    ],
)
def test_the_host_that_was_asked_and_the_external_url_are_ours(headers: dict[str, str]) -> None:
    require_own_site({"host": "inside:5000", **headers}, EXTERNAL)


@pytest.mark.parametrize("external_url", [None, EXTERNAL])
@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://registry.example"},
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": ""},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": "cross-site", "origin": "http://inside:5000"},
    ],
)
def test_another_site_is_refused(headers: dict[str, str], external_url: str | None) -> None:
    with pytest.raises(AccessDenied):
        require_own_site({"host": "inside:5000", **headers}, external_url)
