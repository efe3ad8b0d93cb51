"""Requests that no client of a registry sends are refused like any other, never by a traceback."""

from __future__ import annotations

import pytest

from tests.http.client import Wire, refusal
from tests.http.server import Registry


@pytest.mark.parametrize("path", ["/v2/", "/v2/a/manifests/x", "/metrics", "/nowhere"])
@pytest.mark.parametrize("host", ["a..b", "x" * 64 + ".example", "xn--\u00ff"])
def test_a_host_that_is_no_name_is_refused(raw: Wire, path: str, host: str) -> None:
    answer = raw.request("GET", path, [("Host", host)])
    refusal(answer, 403, "DENIED")


@pytest.mark.parametrize("path", ["/v2/a/manifests/x", "/v2/a/tags/list"])
def test_a_length_of_thousands_of_digits_is_no_defect(raw: Wire, path: str) -> None:
    assert 400 <= raw.request("GET", path, [("Content-Length", "0" * 5000)]).status < 500


def test_a_tunnel_is_refused(raw: Wire) -> None:
    assert 400 <= raw.request("CONNECT", "example.com:80").status < 500


def test_a_websocket_is_refused(raw: Wire, registry: Registry) -> None:
    upgrade = [
        *(("Connection", "Upgrade"), ("Upgrade", "websocket")),
        *(("Sec-WebSocket-Version", "13"), ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")),
    ]
    assert raw.request("GET", "/v2/chat", upgrade).status in (403, 404)
