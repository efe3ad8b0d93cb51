"""A cluster of two nodes is run as it is set up, its nodes take turns, and it leaves nothing behind."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from conformance import nginx, postgres
from conformance.cluster import Cluster, ClusterSetup, Redirect, clustered
from conformance.server import Server
from conformance.tools import ToolMissing, path_of
from tests.lifecycle.serving import eventually
from tests.tools import needed

BLOB = b"0123456789" * 1000


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    needed(nginx.program)
    needed(path_of, "versitygw")
    with clustered(ClusterSetup("versitygw", "always", door="quart"), log_level="debug") as running:
        yield running
    assert not running.directory.exists()
    for host in (running.host, *(node.host for node in running.nodes)):
        with pytest.raises(requests.ConnectionError):
            requests.get(f"http://{host}/v2/", timeout=10)


def test_every_request_goes_to_the_other_node_and_both_are_one_registry(cluster: Cluster) -> None:
    with requests.Session() as session:  # keeps its connection to nginx, behind which the nodes change
        begun = session.post(f"http://{cluster.host}/v2/a/b/blobs/uploads/", timeout=30)
        location = begun.headers["Location"]
        assert location.startswith(f"http://{cluster.host}/v2/")
        sent = session.patch(location, BLOB, headers={"Content-Range": f"0-{len(BLOB) - 1}"}, timeout=30)
        digest = f"sha256:{hashlib.sha256(BLOB).hexdigest()}"
        ended = session.put(sent.headers["Location"], params={"digest": digest}, timeout=30)
        assert ended.status_code == 201, ended.text
        for _ in range(3):
            assert session.get(ended.headers["Location"], timeout=30).content == BLOB

    # nginx writes a request down when the client has its answer already.
    eventually(lambda: sum(cluster.traffic().counts.values()) >= 6, "nginx's log has the six requests")
    found = cluster.traffic()
    assert (sorted(found.counts.values()), found.redirected) == ([3, 3], 3)
    assert list(cluster.problems(at_once=1)) == []
    assert all('"debug"' in node.log.read_text() for node in cluster.nodes)
    assert not any(
        (node.directory / "data" / place).exists() for node in cluster.nodes for place in ("blobs", "postgres")
    )
    logs = {"one.log", "two.log", "versitygw.log", "postgres.log", "nginx-access.log", "nginx-error.log"}
    assert cluster.logs.keys() == logs


@pytest.mark.parametrize(
    ("redirect", "status", "problem"),
    [
        ("always", 307, None),
        ("always", 200, "redirect is always, and 0 requests were redirected"),
        ("auto", 200, None),
        ("auto", 307, None),
        ("never", 307, "redirect is never, and 2 requests were redirected"),
        ("never", 200, None),
    ],
)
def test_redirects_are_those_of_the_setup(redirect: Redirect, status: int, problem: str | None, tmp_path: Path) -> None:
    nodes = Server("127.0.0.1:1", tmp_path, tmp_path), Server("127.0.0.1:2", tmp_path, tmp_path)
    (tmp_path / "nginx").mkdir()
    lines = [f"{node.host}\t{status}\tGET /v2/a/blobs/b HTTP/1.1\n" for node in nodes]
    (tmp_path / "nginx" / "access.log").write_text("".join(lines))
    cluster = Cluster(ClusterSetup(redirect=redirect), "127.0.0.1:3", tmp_path, nodes)
    assert list(cluster.problems(at_once=1)) == ([problem] if problem else [])


def test_without_a_postgresql_the_way_to_one_is_named() -> None:
    with pytest.raises(ToolMissing, match="apt-get install postgresql"):
        postgres.newest({})


def test_a_postgresql_that_does_not_start_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(postgres.SETTINGS, "wal_level", "none")
    with pytest.raises(postgres.PostgresFailed, match=r"(?s)did not start.*wal_level"), postgres.running(tmp_path):
        pass
