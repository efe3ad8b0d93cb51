"""`external_url`: where clients reach the registry under another name, every URL that it tells is absolute."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.http.client import Client, digest_of, image_of
from tests.http.conftest import fresh
from tests.http.server import serving

BASE = "https://registry.example.com/oci"
CONTENT = b"seen from outside"


@pytest.fixture(scope="module")
def named(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    with serving(tmp_path_factory.mktemp("named"), external_url=f"{BASE}/") as registry:
        client = Client(registry)
        with client.session:
            yield client


def inside(location: str) -> str:
    """Return the path that a proxy would hand on."""
    assert location.startswith(f"{BASE}/v2/")
    return location.removeprefix(BASE)


def test_every_location_of_an_upload_is_absolute(named: Client) -> None:
    location = named.start(fresh())
    for method in ("PATCH", "GET"):
        answer = named.request(method, inside(location), data=CONTENT if method == "PATCH" else None)
        location = answer.headers["Location"]
    answer = named.finish(inside(location), digest_of(CONTENT))
    assert answer.status_code == 201
    assert named.get(inside(answer.headers["Location"])).content == CONTENT


def test_the_locations_of_a_mount_and_of_a_manifest_are_absolute(named: Client) -> None:
    source, target = fresh(), fresh()
    named.push_blob(source, b"{}")
    params = {"mount": digest_of(b"{}"), "from": source}
    mounted = named.post(f"/v2/{target}/blobs/uploads/", params=params)
    assert named.get(inside(mounted.headers["Location"])).content == b"{}"
    pushed = named.put_manifest(target, image_of(), "v1")
    assert named.get(inside(pushed.headers["Location"])).content == image_of()


def test_links_to_the_next_page_are_absolute(named: Client) -> None:
    repo = fresh()
    named.push_blob(repo, b"{}")
    named.push_manifest(repo, image_of(), params={"tag": ["a", "b"]})
    answer = named.get(f"/v2/{repo}/tags/list?n=1")
    assert named.get(inside(answer.links["next"]["url"])).json()["tags"] == ["b"]
