"""What docs/operations/s3-outage.md says of two nodes whose S3 server can't be reached."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import pytest
import requests

from tests import s3_servers
from tests.deploy.nodes import two_nodes
from tests.lifecycle.artifact import assert_served, digest, push
from tests.lifecycle.serving import Registry, eventually
from tests.relay import Relay, relaying


class Nodes(NamedTuple):
    """nginx at `url`, its nodes, and their way to S3."""

    url: str
    both: tuple[Registry, Registry]
    s3: Relay

    def get(self, path: str) -> requests.Response:
        return requests.get(self.url + path, allow_redirects=False)


@pytest.fixture
def nodes(tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Nodes]:
    """Return two nodes on one PostgreSQL and one S3 server, and nginx before them."""
    for name, value in s3_servers.CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    (tmp_path / "s3").mkdir()
    with (
        s3_servers.running(s3_servers.available()[0], tmp_path / "s3") as server,
        relaying(urlsplit(server.endpoint).port or 0) as way,
    ):
        storage = (
            f"s3://{server.make_bucket().bucket}/p?endpoint=http://127.0.0.1:{way.port}"
            f"&region={s3_servers.REGION}&path_style=true"
        )
        with two_nodes(tmp_path, database_url, storage) as (url, both):
            yield Nodes(url, both, way)
            assert all(node.is_running for node in both)


def test_manifests_are_served_blobs_wait_and_an_upload_goes_on_afterwards(nodes: Nodes) -> None:
    artifact = push(nodes.url)
    content = bytes(range(256)) * 1000
    half = len(content) // 2
    location = requests.post(f"{nodes.url}/v2/team/bert/blobs/uploads/").headers["Location"]
    sent = requests.patch(location, content[:half], headers={"Content-Range": f"0-{half - 1}"})
    assert sent.status_code == 202

    nodes.s3.cut()
    assert nodes.get(f"/v2/{artifact.repository}/manifests/v1").content == artifact.manifest
    assert nodes.get("/health").status_code == 200
    other = requests.post(f"{nodes.url}/v2/a/b/blobs/uploads/", params={"digest": digest(b"other")}, data=b"other")
    more = requests.patch(location, content[half:], headers={"Content-Range": f"{half}-{len(content) - 1}"})
    for refused in (nodes.get("/ready"), other, more):
        assert (refused.status_code, "Retry-After" in refused.headers) == (503, True), refused.text
    assert all('"event":"storage failed"' in node.log_text() for node in nodes.both)

    nodes.s3.mend()
    eventually(lambda: all(node.is_ready() for node in nodes.both), "both nodes are ready again")
    assert_served(nodes.url, artifact)
    status = requests.get(location)
    assert (status.status_code, status.headers["Range"]) == (204, f"0-{half - 1}")
    sent = requests.patch(location, content[half:], headers={"Content-Range": f"{half}-{len(content) - 1}"})
    assert sent.status_code == 202, sent.text
    ended = requests.put(location, params={"digest": digest(content)})
    assert ended.status_code == 201, ended.text
    assert requests.get(ended.headers["Location"]).content == content
