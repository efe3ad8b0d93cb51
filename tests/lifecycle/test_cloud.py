"""`blacklake serve` on Azure Blob Storage and Google Cloud Storage: two nodes, kill -9 of one, and an outage."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from http.client import HTTPConnection
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import pytest
import requests

from tests.cloud_servers import CloudServer
from tests.lifecycle.artifact import assert_served, digest, push
from tests.lifecycle.conftest import assert_clean_log
from tests.lifecycle.serving import Registry, eventually
from tests.relay import Relay, relaying

SEGMENT = 8 << 20  # bytes


class Nodes(NamedTuple):
    """Two nodes that share a database and a storage, and their way to that."""

    one: Registry
    two: Registry
    way: Relay


@pytest.fixture
def nodes(tmp_path: Path, database_url: str, cloud_server: CloudServer) -> Iterator[Nodes]:
    location, there = cloud_server.make_location(), urlsplit(cloud_server.endpoint)
    assert there.port is not None
    with relaying(there.port) as way:
        endpoint = there._replace(netloc=f"127.0.0.1:{way.port}").geturl()
        shared = {"database_url": database_url, "storage": cloud_server.storage(replace(location, endpoint=endpoint))}
        with Registry(tmp_path / "one", **shared) as one, Registry(tmp_path / "two", **shared) as two:
            one.start(wait=False)
            two.start(wait=False)
            one.wait_until_listening()
            two.wait_until_listening()
            yield Nodes(one, two, way)
            running = [node for node in (one, two) if node.is_running]
            assert [node.stop() for node in running] == [0] * len(running)
        for node in (one, two):
            assert_clean_log(node)


def chunk(content: bytes, start: int, stop: int) -> dict[str, object]:
    """Return what a PATCH of these bytes is made of."""
    return {"data": content[start:stop], "headers": {"Content-Range": f"{start}-{stop - 1}"}}


def test_what_one_node_takes_the_other_serves(nodes: Nodes) -> None:
    artifact = push(nodes.one.url, size=2 * SEGMENT + 5)
    assert_served(nodes.two.url, artifact)
    some = requests.get(
        nodes.two.url + artifact.layer_path, headers={"Range": f"bytes={SEGMENT - 3}-{2 * SEGMENT + 1}"}
    )
    assert (some.status_code, some.content) == (206, artifact.layer[SEGMENT - 3 : 2 * SEGMENT + 2])
    assert requests.post(f"{nodes.two.url}/v2/a/b/blobs/uploads/?digest={digest(b'x')}", b"x").status_code == 201
    assert requests.get(f"{nodes.one.url}/v2/a/b/blobs/{digest(b'x')}").content == b"x"


def test_an_upload_goes_from_node_to_node_and_on_when_one_is_killed_in_the_midst_of_a_chunk(nodes: Nodes) -> None:
    content = random.Random(9).randbytes(2 * SEGMENT + 12_345)
    ends = [1, SEGMENT - 7, SEGMENT + 100_000]
    path = requests.post(f"{nodes.one.url}/v2/team/bert/blobs/uploads/").headers["Location"]
    for number, (start, stop) in enumerate(zip([0, *ends], ends, strict=False)):
        node = nodes[number % 2]
        assert isinstance(node, Registry)
        assert requests.patch(node.url + path, **chunk(content, start, stop)).status_code == 202
    saved = ends[-1]

    connection = HTTPConnection("127.0.0.1", nodes.one.port, timeout=60)
    connection.putrequest("PATCH", path)
    connection.putheader("Content-Length", str(len(content) - saved))
    connection.endheaders(content[saved : saved + SEGMENT])
    nodes.one.kill_everything()
    connection.close()

    status = requests.get(nodes.two.url + path)
    assert (status.status_code, status.headers["Range"]) == (204, f"0-{saved - 1}")
    rest = chunk(content, saved, len(content))
    # The dead node's lease runs out by itself.
    eventually(lambda: requests.patch(nodes.two.url + path, **rest).status_code == 202, "the other node goes on")
    ended = requests.put(nodes.two.url + path, params={"digest": digest(content)})
    assert ended.status_code == 201, ended.text
    assert requests.get(nodes.two.url + ended.headers["Location"]).content == content


def test_while_the_storage_is_away_clients_are_told_and_afterwards_all_goes_on(nodes: Nodes) -> None:
    artifact = push(nodes.one.url)
    path = requests.post(f"{nodes.one.url}/v2/team/bert/blobs/uploads/").headers["Location"]
    content = random.Random(10).randbytes(1_000_000)
    assert requests.patch(nodes.one.url + path, **chunk(content, 0, 500_000)).status_code == 202

    nodes.way.cut()
    manifest = requests.get(f"{nodes.two.url}/v2/{artifact.repository}/manifests/v1")
    assert manifest.content == artifact.manifest
    more = requests.patch(nodes.two.url + path, **chunk(content, 500_000, 1_000_000))
    assert (more.status_code, "Retry-After" in more.headers) == (503, True), more.text
    eventually(lambda: not nodes.one.is_ready(), "the node says that it is not ready")

    nodes.way.mend()
    eventually(nodes.one.is_ready, "the node is ready again")
    assert_served(nodes.two.url, artifact)
    assert requests.patch(nodes.one.url + path, **chunk(content, 500_000, 1_000_000)).status_code == 202
    assert requests.put(nodes.two.url + path, params={"digest": digest(content)}).status_code == 201
    assert requests.get(f"{nodes.one.url}/v2/team/bert/blobs/{digest(content)}").content == content


def test_wrong_credentials_are_named_and_nothing_is_served(tmp_path: Path, cloud_server: CloudServer) -> None:
    if cloud_server.name == "fake-gcs-server":
        pytest.skip("fake-gcs-server takes any credentials")
    storage = cloud_server.storage(cloud_server.make_location())
    with Registry(tmp_path / "data", storage=storage) as registry, pytest.MonkeyPatch.context() as patch:
        patch.setenv("AZURE_STORAGE_ACCOUNT_KEY", "d3Jvbmc=")
        registry.start(wait=False)
        reason = "Azure Blob Storage failed: AuthorizationFailure"
        eventually(lambda: reason in registry.log_text(), "the log names the reason")
        assert registry.stop() == 0
