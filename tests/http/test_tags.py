"""end-8: tags are listed in byte order, page by page."""

from __future__ import annotations

import pytest

from tests.http.client import Client, image_of, refusal

# In the order of their bytes, which is neither that of a dictionary nor that of version numbers.
TAGS = ["0", "1.10.0", "1.9.0", "A", "B-1", "Z", "_", "_a", "a", "a-b", "a.b", "a0", "aB", "a_b", "ab", "b", "z" * 128]


@pytest.fixture
def path(client: Client, repo: str) -> str:
    """Return the path of the list of a repository with TAGS."""
    client.push_blob(repo, b"{}")
    client.push_manifest(repo, image_of(), params={"tag": TAGS[::-1]})
    return f"/v2/{repo}/tags/list"


def test_all_tags_are_listed_in_byte_order(client: Client, repo: str, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.json() == {"name": repo, "tags": TAGS}
    assert "Link" not in answer.headers


def test_head_has_the_headers_of_get_and_no_body(client: Client, path: str) -> None:
    head, get = client.head(f"{path}?n=2"), client.get(f"{path}?n=2")
    assert (head.status_code, head.content) == (200, b"")
    for name in ("Content-Type", "Content-Length", "Link"):
        assert head.headers[name] == get.headers[name]


@pytest.mark.parametrize("n", [1, 2, 5, 16])
def test_following_the_links_gives_every_tag_once(client: Client, path: str, n: int) -> None:
    assert client.pages(f"{path}?n={n}", "tags") == [TAGS[at : at + n] for at in range(0, len(TAGS), n)]


@pytest.mark.parametrize("n", [17, 18, 1000, 9_999_999_999])
def test_a_page_that_holds_all_has_no_link(client: Client, path: str, n: int) -> None:
    assert client.pages(f"{path}?n={n}", "tags") == [TAGS]


def test_a_link_names_the_last_tag_and_the_size(client: Client, path: str) -> None:
    assert client.get(f"{path}?n=3").headers["Link"] == f'<{path}?n=3&last=1.9.0>; rel="next"'


def test_no_tags_are_listed_when_none_are_asked_for(client: Client, path: str) -> None:
    answer = client.get(f"{path}?n=0")
    assert answer.json()["tags"] == []
    assert "Link" not in answer.headers


def test_last_works_without_n(client: Client, path: str) -> None:
    assert client.get(f"{path}?last=Z").json()["tags"] == TAGS[TAGS.index("Z") + 1 :]


@pytest.mark.parametrize("last", ["Z0", "/", "", "zzzz", "é", "a/b", "%25"])
def test_last_need_not_be_a_tag(client: Client, path: str, last: str) -> None:
    answer = client.get(path, params={"last": last, "n": "100"})
    assert answer.json()["tags"] == [tag for tag in TAGS if tag.encode() > last.encode()]


def test_behind_the_last_tag_the_list_is_empty(client: Client, path: str) -> None:
    assert client.get(path, params={"last": TAGS[-1]}).json()["tags"] == []


@pytest.mark.parametrize("n", ["-1", "x", "1.5", "", "+1", "٣", "1" * 11, "0x10", " 1"])
def test_what_is_no_number_of_items_is_refused(client: Client, path: str, n: str) -> None:
    assert refusal(client.get(path, params={"n": n}), 400, "UNSUPPORTED")["parameter"] == "n"


def test_the_tags_of_an_unknown_repository_are_not_found(client: Client, repo: str) -> None:
    assert refusal(client.get(f"/v2/{repo}/tags/list"), 404, "NAME_UNKNOWN")["name"] == repo


def test_a_repository_of_blobs_only_has_no_tags(client: Client, repo: str) -> None:
    client.push_blob(repo, b"{}")
    assert client.get(f"/v2/{repo}/tags/list").json() == {"name": repo, "tags": []}


def test_tags_of_a_repository_whose_name_continues_this_one_are_not_listed(client: Client, repo: str) -> None:
    client.push_image(repo, "mine")
    client.push_image(f"{repo}/more", "theirs")
    assert client.get(f"/v2/{repo}/tags/list").json()["tags"] == ["mine"]
    assert client.get(f"/v2/{repo}/more/tags/list").json()["tags"] == ["theirs"]
