"""Two nodes that share counts of requests by Redis: clients get as many as one would give them, whatever becomes of Redis."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.db.redis_server import RedisServer, redis_server
from tests.lifecycle.conftest import assert_clean_log
from tests.lifecycle.serving import Registry, eventually
from tests.test_metrics import samples

LIMIT = 4  # one more comes after fifteen seconds

Nodes = tuple[RedisServer, list[Registry]]


@pytest.fixture
def nodes(database_url: str, tmp_path: Path) -> Iterator[Nodes]:
    """Return Redis and two nodes that share it."""
    with redis_server() as server:
        shared = {
            "database_url": database_url,
            "storage": f"file://{tmp_path}/blobs",
            "redis_url": server.url,
            "rate_limit": LIMIT,
            "trusted_proxies": "127.0.0.1/32",
        }
        with Registry(tmp_path / "one", **shared) as one, Registry(tmp_path / "two", **shared) as two:
            yield server, [one.start(), two.start()]
            assert [one.stop(), two.stop()] == [0, 0]
    for node in (one, two):
        assert_clean_log(node)


def ask(node: Registry, client: str) -> int:
    return requests.get(f"{node.url}/v2/", headers={"X-Forwarded-For": client}, timeout=10).status_code


def operations(node: Registry, outcome: str) -> float:
    found = samples(requests.get(f"{node.url}/metrics", timeout=10).text)
    wanted = frozenset({("operation", "count"), ("outcome", outcome)})
    return found.get(("blacklake_redis_operations_total", wanted), 0)


def test_a_client_that_goes_from_node_to_node_gets_no_more_than_at_one(nodes: Nodes) -> None:
    _, (one, two) = nodes
    found = [ask(node, "192.0.2.1") for _ in range(LIMIT) for node in (one, two)]
    assert found == [200] * LIMIT + [429] * LIMIT


@pytest.mark.parametrize("how", ["killed", "hung"])
def test_while_redis_is_away_each_node_counts_and_both_are_ready(nodes: Nodes, how: str) -> None:
    server, (one, two) = nodes
    assert ask(one, "192.0.2.1") == 200

    def counts_alone() -> None:
        for node in (one, two):
            assert [ask(node, "192.0.2.2") for _ in range(LIMIT + 1)] == [200] * LIMIT + [429]
            for number in range(10):
                assert ask(node, f"198.51.100.{number}") == 200
            assert operations(node, "skipped") > 0
            assert node.is_ready()

    if how == "killed":
        server.kill()
        counts_alone()
        server.start()
    else:
        with server.hanging():
            counts_alone()

    def is_asked_again() -> bool:
        before = [operations(node, "done") for node in (one, two)]
        for number, node in enumerate((one, two)):
            ask(node, f"203.0.113.{number}")
        return all(operations(node, "done") > count for node, count in zip((one, two), before, strict=True))

    eventually(is_asked_again, "both nodes ask Redis again")
    found = [ask(node, "192.0.2.3") for _ in range(LIMIT) for node in (one, two)]
    assert found == [200] * LIMIT + [429] * LIMIT
