"""Two nodes behind the project's nginx: whichever takes a request, the registry is one."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
import requests

from tests.deploy.nodes import two_nodes
from tests.lifecycle.artifact import MANIFEST, digest
from tests.lifecycle.serving import Registry

CHUNK = 1 << 20


class Behind(NamedTuple):
    """What runs: nginx at `url`, and the nodes."""

    url: str
    nodes: tuple[Registry, Registry]
    directory: Path

    def took(self, request_id: str) -> list[int]:
        """Return which nodes have logged a request."""
        return [number for number, node in enumerate(self.nodes) if f'"request_id":"{request_id}"' in log(node)]


def log(node: Registry) -> str:
    return node.log_text().replace('": "', '":"')


@pytest.fixture
def behind(tmp_path: Path, database_url: str) -> Iterator[Behind]:
    """Return two nodes on one PostgreSQL and one directory, and nginx before them."""
    with two_nodes(tmp_path, database_url, f"file://{tmp_path}/blobs") as (url, nodes):
        yield Behind(url, nodes, tmp_path)


def upload(behind: Behind, chunks: list[bytes]) -> tuple[str, list[str]]:
    """Send each chunk in a PATCH of its own; return the blob's Location and the ids of the PATCHes."""
    begun = requests.post(f"{behind.url}/v2/team/bert/blobs/uploads/")
    assert begun.status_code == 202, begun.text
    location, first, ids = begun.headers["Location"], 0, []
    for number, chunk in enumerate(chunks):
        ids.append(f"patch-{number}")
        headers = {"Content-Range": f"{first}-{first + len(chunk) - 1}", "X-Request-ID": ids[-1]}
        sent = requests.patch(location, chunk, headers=headers)
        assert sent.status_code == 202, sent.text
        assert sent.headers["X-Request-ID"] == ids[-1]
        location, first = sent.headers["Location"], first + len(chunk)
    ended = requests.put(location, params={"digest": digest(b"".join(chunks))})
    assert ended.status_code == 201, ended.text
    return ended.headers["Location"], ids


def test_an_upload_that_changes_nodes_with_every_patch_is_one_blob(behind: Behind) -> None:
    chunks = [random.randbytes(CHUNK + number) for number in range(6)]
    location, ids = upload(behind, chunks)
    blob = b"".join(chunks)
    manifest = (
        f'{{"schemaVersion": 2, "mediaType": "{MANIFEST}", "artifactType": "a/b",'
        f' "config": {{"mediaType": "a/b", "digest": "{digest(blob)}", "size": {len(blob)}}}, "layers": []}}'
    ).encode()
    pushed = requests.put(f"{behind.url}/v2/team/bert/manifests/v1", manifest, headers={"Content-Type": MANIFEST})
    assert (pushed.status_code, pushed.headers["Docker-Content-Digest"]) == (201, digest(manifest))

    for url in (behind.url, *(node.url for node in behind.nodes)):
        tagged = requests.get(f"{url}/v2/team/bert/manifests/v1")
        assert (tagged.status_code, tagged.content) == (200, manifest)
        pulled = requests.get(f"{url}/v2/team/bert/blobs/{digest(blob)}")
        assert (pulled.status_code, pulled.content == blob) == (200, True)

    takers = [behind.took(name) for name in ids]
    assert takers in ([[0], [1]] * 3, [[1], [0]] * 3)
    assert location == f"{behind.url}/v2/team/bert/blobs/{digest(blob)}"


def test_a_body_goes_through_without_a_stop_on_the_proxy_s_disk(behind: Behind) -> None:
    blob = random.randbytes(8 * CHUNK)
    streamed = requests.post(
        f"{behind.url}/v2/team/bert/blobs/uploads/", params={"digest": digest(blob)}, data=iter([blob, b""])
    )
    assert streamed.status_code == 201, streamed.text
    assert requests.get(streamed.headers["Location"]).content == blob
    said = (behind.directory / "nginx" / "error.log").read_text()
    assert "is buffered to a temporary file" not in said


def test_a_node_that_ends_is_left_out_and_nothing_fails_but_what_may_not_be_repeated(behind: Behind) -> None:
    blob = random.randbytes(CHUNK)
    location, _ = upload(behind, [blob])
    behind.nodes[0].kill_everything()
    for _ in range(6):
        assert requests.get(location).content == blob
        assert requests.post(f"{behind.url}/v2/team/bert/blobs/uploads/").status_code == 202


def test_without_any_node_the_answer_is_a_503_that_clients_can_read(behind: Behind) -> None:
    for node in behind.nodes:
        node.kill_everything()
    for method in ("GET", "POST", "PUT", "DELETE"):
        refused = requests.request(
            method, f"{behind.url}/v2/team/bert/blobs/uploads/x", headers={"X-Request-ID": 'a"b'}
        )
        assert (refused.status_code, refused.headers["Retry-After"]) == (503, "2")
        (error,) = refused.json()["errors"]
        assert error["code"] == "UNAVAILABLE"
        assert error["detail"]["request_id"] == refused.headers["X-Request-ID"]


def test_metrics_stay_behind_the_proxy(behind: Behind) -> None:
    assert requests.get(f"{behind.nodes[0].url}/metrics").status_code == 200
    assert requests.get(f"{behind.url}/metrics").status_code == 404
