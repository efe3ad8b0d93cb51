"""What the project's nginx sends to a second node when the first leaves without an answer, and what it tells the nodes."""

from __future__ import annotations

from pathlib import Path

import pytest
import requests

from conformance.nginx import listener, program, proxying
from tests.deploy.deaf import deaf_nodes
from tests.tools import needed

SESSION = "/v2/a/b/blobs/uploads/9f0c"


@pytest.mark.parametrize(
    ("method", "path", "times"),
    [
        ("GET", "/v2/a/b/manifests/v1", 2),
        ("HEAD", "/v2/a/b/manifests/v1", 2),
        ("PUT", "/v2/a/b/manifests/v1", 2),
        ("GET", SESSION, 2),
        ("POST", "/v2/a/b/blobs/uploads/", 1),
        ("PATCH", SESSION, 1),
        ("PUT", SESSION, 1),
        ("DELETE", SESSION, 1),
        ("DELETE", "/v2/a/b/manifests/v1", 1),
    ],
)
def test_only_what_is_safe_to_repeat_is_sent_to_another_node(
    method: str, path: str, times: int, tmp_path: Path
) -> None:
    needed(program)
    with deaf_nodes() as (nodes, heard), listener() as sock, proxying(sock, tmp_path / "nginx", nodes) as url:
        answer = requests.request(method, url + path, data=b"{}" if method in ("PUT", "PATCH") else None)
    assert answer.status_code == 503
    assert [(request.method, request.path) for request in heard] == [(method, path)] * times


def test_nodes_learn_under_which_name_the_client_asked(tmp_path: Path) -> None:
    needed(program)
    path = "/v2/a//b/%2E%2E/c?n=%41"
    with deaf_nodes() as (nodes, heard), listener() as sock, proxying(sock, tmp_path / "nginx", nodes) as url:
        prepared = requests.Request("POST", url, headers={"Host": "registry.example:8443"}).prepare()
        prepared.url = url + path
        with requests.Session() as session:
            session.send(prepared)
    (request,) = heard
    assert request.path == path
    told = {
        name: request.headers[name] for name in ("host", "x-forwarded-host", "x-forwarded-proto", "x-forwarded-for")
    }
    assert told == {
        "host": "registry.example:8443",
        "x-forwarded-host": "registry.example:8443",
        "x-forwarded-proto": "http",
        "x-forwarded-for": "127.0.0.1",
    }
    assert len(request.headers["x-request-id"]) == 32
