"""The catalog of Docker's API: repositories in byte order, page by page."""

from __future__ import annotations

from uuid import uuid4

import pytest

from tests.http.client import Client, refusal


@pytest.fixture
def names(client: Client) -> list[str]:
    """Return the names of five repositories with an image each, in byte order; none other lies between them."""
    prefix = f"cat-{uuid4().hex}"
    names = [prefix, f"{prefix}-a", f"{prefix}/a", f"{prefix}/a/b", f"{prefix}0"]
    for name in reversed(names):
        client.push_image(name, "v1")
    return names


def test_repositories_are_listed_in_byte_order(client: Client, names: list[str]) -> None:
    answer = client.get("/v2/_catalog")
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/json")
    listed = answer.json()["repositories"]
    assert listed == sorted(listed)
    assert [name for name in listed if name.startswith(names[0])] == names


def test_following_the_links_gives_every_repository_once(client: Client, names: list[str]) -> None:
    pages = client.pages("/v2/_catalog?n=3", "repositories")
    assert all(len(page) == 3 for page in pages[:-1])
    assert [name for page in pages for name in page] == client.get("/v2/_catalog").json()["repositories"]


def test_a_page_begins_after_last(client: Client, names: list[str]) -> None:
    answer = client.get("/v2/_catalog", params={"last": names[0], "n": "4"})
    assert answer.json()["repositories"] == names[1:]


def test_none_are_listed_when_none_are_asked_for(client: Client, names: list[str]) -> None:
    answer = client.get("/v2/_catalog?n=0")
    assert answer.json() == {"repositories": []}
    assert "Link" not in answer.headers


def test_head_has_the_headers_of_get_and_no_body(client: Client, names: list[str]) -> None:
    head, get = client.head("/v2/_catalog?n=2"), client.get("/v2/_catalog?n=2")
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["Link"] == get.headers["Link"]
    assert head.headers["Content-Length"] == get.headers["Content-Length"]


def test_a_repository_that_holds_no_manifest_is_not_listed(client: Client, repo: str) -> None:
    client.push_blob(repo, b"{}")
    client.start(f"{repo}/begun")
    assert repo not in str(client.get("/v2/_catalog").json())


def test_a_repository_whose_last_manifest_was_deleted_is_not_listed(client: Client, names: list[str]) -> None:
    digest = client.head(f"/v2/{names[1]}/manifests/v1").headers["Docker-Content-Digest"]
    assert client.delete(f"/v2/{names[1]}/manifests/{digest}").status_code == 202
    answer = client.get("/v2/_catalog", params={"last": names[0], "n": "3"})
    assert answer.json()["repositories"] == names[2:]


@pytest.mark.parametrize("n", ["-1", "all", ""])
def test_what_is_no_number_of_items_is_refused(client: Client, n: str) -> None:
    assert refusal(client.get("/v2/_catalog", params={"n": n}), 400, "UNSUPPORTED")["parameter"] == "n"
