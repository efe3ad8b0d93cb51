"""PostgreSQL goes away under load, for a moment or for longer: 503 with Retry-After, and no other harm."""

from __future__ import annotations

import secrets
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from registry.db.embedded import EmbeddedPostgres
from tests.faults.checker import Checker
from tests.faults.documents import INDEX
from tests.faults.ledger import Ledger
from tests.faults.traffic import Traffic
from tests.lifecycle.artifact import digest, push
from tests.lifecycle.conftest import assert_clean_log
from tests.lifecycle.serving import Registry, eventually, run

UNDER_LOAD = 0.5
"""Seconds of traffic before PostgreSQL goes away, and after it has come back."""


@pytest.fixture
def external(tmp_path: Path) -> Iterator[EmbeddedPostgres]:
    """Return a PostgreSQL that is not the registry's own."""
    server = EmbeddedPostgres(tmp_path / "external")
    server.start()
    yield server
    server.stop()


@pytest.fixture
def beside(external: EmbeddedPostgres, server: str, tmp_path: Path) -> Iterator[Registry]:
    """Return a registry that uses it and gives up on it soon."""
    with Registry(tmp_path / "data", server=server, database_url=external.url, database_timeout=3) as registry:
        yield registry.start()
        assert registry.stop() == 0
    assert_clean_log(registry)


def assert_unavailable(answer: requests.Response) -> None:
    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) > 0
    assert answer.json()["errors"][0]["code"]


def test_a_restart_of_the_embedded_postgres_under_load_is_told_and_loses_nothing(registry: Registry) -> None:
    registry.start()
    ledger = Ledger()
    with Traffic(ledger, registry.port, secrets.token_hex(4)):
        time.sleep(UNDER_LOAD)
        postmaster = registry.postmaster()
        assert postmaster is not None
        postmaster.send_signal(signal.SIGINT)  # what `pg_ctl restart` sends
        registry.heal(postmaster)
        time.sleep(UNDER_LOAD)
    with Checker(ledger, registry.port, registry.data) as checker:
        checker.check(everything=True)
    assert ledger.violations == []
    assert ledger.broken == 0
    assert registry.stop() == 0


def test_an_external_postgres_that_is_away_under_load_is_told_and_loses_nothing(
    beside: Registry, external: EmbeddedPostgres
) -> None:
    ledger = Ledger()
    with Traffic(ledger, beside.port, secrets.token_hex(4)):
        time.sleep(UNDER_LOAD)
        external.stop()
        eventually(lambda: ledger.unavailable > 0, "clients hear of it")
        assert_database_missed(beside)
        external.start()
        eventually(beside.is_ready, "the service heals")
        time.sleep(UNDER_LOAD)
    with Checker(ledger, beside.port, beside.data, external.url) as checker:
        checker.check(everything=True)
    assert ledger.violations == []
    assert ledger.broken == 0
    assert requests.get(f"{beside.url}/v2/team/bert/manifests/v1").status_code == 404


def assert_database_missed(registry: Registry) -> None:
    ready = requests.get(f"{registry.url}/ready")
    assert ready.status_code == 503
    assert ready.json() == {
        "status": "not ready",
        "database": "does not answer",
        "schema": "unknown",
        "storage": "ok",
    }
    assert requests.get(f"{registry.url}/health").status_code == 200
    manifest = f"{registry.url}/v2/team/bert/manifests/v1"
    assert_unavailable(requests.get(manifest))
    assert_unavailable(requests.put(manifest, b'{"schemaVersion":2,"manifests":[]}', headers={"Content-Type": INDEX}))
    assert_unavailable(requests.get(f"{registry.url}/v2/team/bert/blobs/{digest(b'')}"))
    assert_unavailable(requests.post(f"{registry.url}/v2/team/bert/blobs/uploads/"))


def test_a_database_that_does_not_answer_is_said_at_the_start(tmp_path: Path) -> None:
    url = "postgresql://blacklake:sesame@127.0.0.1:1/blacklake"
    refused = run("serve", "--port", "0", "--data-dir", tmp_path / "data", database_url=url)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr.startswith("blacklake: the database's schema could not be read or changed: ")
    assert "Connect call failed ('127.0.0.1', 1)" in refused.stderr
    assert "sesame" not in refused.stderr


def test_a_database_url_with_half_a_password_for_a_port_is_refused_without_it(tmp_path: Path) -> None:
    refused = run("serve", "--data-dir", tmp_path / "data", database_url="postgresql://me:sesame/open@db/blacklake")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "with %2F for a `/` in the password" in refused.stderr
    assert "sesame" not in refused.stderr


def test_a_database_that_does_not_exist_is_said_at_the_start(external: EmbeddedPostgres, tmp_path: Path) -> None:
    url = external.url.replace("/blacklake?", "/nothing?")
    refused = run("serve", "--port", "0", "--data-dir", tmp_path / "data", database_url=url)
    assert refused.returncode == 1
    assert 'could not be read or changed: database "nothing" does not exist' in refused.stderr
    assert "Traceback" not in refused.stderr


def test_a_password_in_the_database_url_never_shows_in_the_log(external: EmbeddedPostgres, tmp_path: Path) -> None:
    url = external.url.replace("postgresql://blacklake@", "postgresql://blacklake:sesame@") + "&sslmode=disable"
    with Registry(tmp_path / "data", database_url=url, database_timeout=1, log_level="debug") as registry:
        registry.start()
        push(registry.url)
        external.stop()
        assert_unavailable(requests.get(f"{registry.url}/v2/team/bert/manifests/v1"))
        assert registry.stop() == 0
    assert "sesame" not in registry.log_text() + registry.greeting
