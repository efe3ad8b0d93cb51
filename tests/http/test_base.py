"""end-1: whether this is a registry."""

from __future__ import annotations

import pytest

from tests.http.client import Client


@pytest.mark.parametrize("path", ["/v2/", "/v2"])
def test_the_base_path_answers_with_an_empty_json_object(client: Client, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.json() == {}


def test_head_of_the_base_path_has_the_headers_of_get_and_no_body(client: Client) -> None:
    head, get = client.head("/v2/"), client.get("/v2/")
    assert head.status_code == 200
    assert head.content == b""
    assert head.headers["Content-Length"] == get.headers["Content-Length"] == "2"


def test_a_query_on_the_base_path_is_ignored(client: Client) -> None:
    assert client.get("/v2/?n=what").status_code == 200
