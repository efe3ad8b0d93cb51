"""A node with a read replica: it is used, and no client notices when it dies."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from registry.db.embedded import EmbeddedPostgres
from tests.db.postgres import running
from tests.db.replication import catch_up, kill, pause, replica_of
from tests.lifecycle.artifact import MANIFEST
from tests.lifecycle.conftest import assert_clean_log
from tests.lifecycle.serving import Registry, eventually
from tests.test_metrics import samples

Served = tuple[Registry, EmbeddedPostgres, EmbeddedPostgres]


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    """Return a node of two workers that keeps nothing in memory, the primary and the replica."""
    with (
        running(EmbeddedPostgres(tmp_path / "primary")) as primary,
        replica_of(primary, tmp_path / "replica") as replica,
        Registry(
            tmp_path / "data",
            workers=2,
            database_url=primary.url,
            database_replica_urls=replica.url,
            sparse="allow",
            cache_bytes=0,
        ) as registry,
    ):
        registry.start()
        yield registry, primary, replica
        assert registry.stop() == 0
    assert_clean_log(registry)


def push(registry: Registry, name: str) -> bytes:
    config = {"mediaType": "application/vnd.example.config", "digest": f"sha256:{'0' * 64}", "size": 2}
    content = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": config,
            "layers": [],
            "annotations": {name: "x" * 100_000},
        }
    ).encode()
    answer = requests.put(f"{registry.url}/v2/{name}/manifests/v1", content, headers={"Content-Type": MANIFEST})
    assert answer.status_code == 201, answer.text
    return content


def answered(registry: Registry, by: str) -> float:
    found = samples(requests.get(f"{registry.url}/metrics").text)
    return found.get(("blacklake_replica_reads_total", frozenset({("answered_by", by)})), 0)


def pulls(registry: Registry, name: str, content: bytes) -> None:
    answer = requests.get(f"{registry.url}/v2/{name}/manifests/v1")
    assert (answer.status_code, answer.content) == (200, content)


def test_a_replica_answers_and_no_client_notices_its_death(served: Served) -> None:
    registry, primary, replica = served
    content = push(registry, "team/model")
    catch_up(replica, primary)

    def is_used() -> bool:
        before = answered(registry, "replica")
        pulls(registry, "team/model", content)
        return answered(registry, "replica") == before + 1

    eventually(is_used, "the replica is used")
    kill(replica)
    for _ in range(40):
        pulls(registry, "team/model", content)
        assert registry.is_ready()
    replica.start()
    eventually(is_used, "the replica is used again")


def test_a_catalog_is_old_only_for_who_permits_it_and_says_so(served: Served) -> None:
    registry, primary, replica = served
    push(registry, "team/first")
    catch_up(replica, primary)
    found: list[requests.Response] = []

    def ask(directives: str) -> requests.Response:
        found.append(requests.get(f"{registry.url}/v2/_catalog", headers={"Cache-Control": directives}))
        return found[-1]

    eventually(lambda: "Age" in ask("max-stale=600").headers, "the replica answers")
    pause(replica)
    push(registry, "team/second")
    eventually(lambda: "Age" in ask("max-stale=600").headers, "the replica answers")
    assert found[-1].json()["repositories"] == ["team/first"]
    assert 0 < int(found[-1].headers["Age"]) <= 600
    for directives in ("", "no-cache, max-stale=600", "max-stale=0", "max-stale=x", "max-age=600"):
        assert ask(directives).json()["repositories"] == ["team/first", "team/second"]
        assert "Age" not in found[-1].headers
