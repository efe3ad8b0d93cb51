"""What many tests share: one embedded PostgreSQL for the run, and a fresh, migrated database for each test that asks."""

from __future__ import annotations

import itertools
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg
import pytest

from registry.compose.verbs import create_services
from registry.config import Settings
from registry.core.services import Services
from registry.db import migrate
from registry.db.embedded import EmbeddedPostgres
from registry.db.pool import Database
from registry.storage.base import BlobStore
from registry.storage.filesystem import FilesystemStore
from registry.storage.memory import MemoryStore
from tests import cloud_servers, s3_servers
from tests.cloud_servers import CloudServer
from tests.cluster import Cluster
from tests.s3_servers import S3Server

pytest.register_assert_rewrite("tests.contract.blobstore")

_numbers = itertools.count(1)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of the soak."""
    group = parser.getgroup("soak")
    group.addoption("--soak", action="store_true", help="run all rounds; those of tests/faults write into docs/soak.md")
    group.addoption("--soak-rounds", type=int, default=None, help="how many rounds of tests/faults")
    group.addoption("--soak-seed", default=None, help="repeat the schedule of an earlier run")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes long, so that nobody waits for the last of several workers."""
    longest = ("tests/faults/", "tests/lifecycle/", "tests/docs/", "tests/http/test_api_schema.py", "tests/bench/")
    items.sort(
        key=lambda item: next((n for n, place in enumerate(longest) if item.nodeid.startswith(place)), len(longest))
    )


def pytest_report_header() -> list[str]:
    """Say which servers the storage is tried on."""
    found = s3_servers.available()
    missing = "" if found != ["moto"] else " (versitygw and MinIO are not built: `python -m conformance tools storage`)"
    emulators = [name for name in cloud_servers.NAMES if cloud_servers.missing(name) is None]
    return [
        f"S3 servers: {', '.join(found)}{missing}",
        f"emulators of Azure and Google: {', '.join(emulators) or 'none'}",
    ]


@pytest.fixture(autouse=True)
def no_settings_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide what the shell that runs the tests has set."""
    for name in list(os.environ):
        if name.upper().startswith("BLACKLAKE_"):
            monkeypatch.delenv(name)
    for name, value in {**s3_servers.CREDENTIALS, **cloud_servers.CREDENTIALS}.items():
        monkeypatch.setenv(name, value)


@pytest.fixture(scope="session", params=s3_servers.available())
def s3_server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """Return an S3 server of this run: versitygw and MinIO in turn, or moto's where those aren't built."""
    directory = tmp_path_factory.mktemp(request.param) / "data"
    directory.mkdir()
    with s3_servers.running(request.param, directory) as server:
        yield server


@pytest.fixture(scope="session", params=cloud_servers.NAMES)
def cloud_server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[CloudServer]:
    """Return an emulator of this run: Azurite and fake-gcs-server in turn. CI has the second at least."""
    missing = cloud_servers.missing(request.param)
    if missing is not None:
        if request.param == "fake-gcs-server" and "CI" in os.environ:
            pytest.fail(missing)
        pytest.skip(missing)
    with cloud_servers.running(request.param, tmp_path_factory.mktemp(request.param)) as server:
        yield server


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Return the PostgreSQL of this run, of the newest version embedded."""
    server = EmbeddedPostgres(tmp_path_factory.mktemp("cluster") / "postgres")
    server.start()
    made = Cluster(server.url)
    # Its data needn't outlive this run. What survives a crash is tried on servers of their own.
    made.execute("ALTER SYSTEM SET fsync = off")
    made.execute("SELECT pg_reload_conf()")
    try:
        yield made
    finally:
        server.stop()


@pytest.fixture(scope="session")
def template(cluster: Cluster) -> str:
    """Return the name of a migrated database that nobody is connected to."""
    migrate.upgrade(cluster.create("template_migrated"))
    return "template_migrated"


@pytest.fixture
def empty_database_url(cluster: Cluster) -> Iterator[str]:
    """Return the URL of a database of this test's own, without a schema."""
    name = f"empty_{next(_numbers)}"
    yield cluster.create(name)
    cluster.drop(name)


@pytest.fixture
def database_url(cluster: Cluster, template: str) -> Iterator[str]:
    """Return the URL of a database of this test's own, with the schema of this version."""
    name = f"migrated_{next(_numbers)}"
    yield cluster.create(name, template=template)
    cluster.drop(name)


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """Return the pool of one node."""
    db = Database(database_url, size=10, timeout=10)
    await db.open()
    yield db
    await db.close()


@pytest.fixture
async def other_database(database_url: str) -> AsyncIterator[Database]:
    """Return the pool of a second node on the same database."""
    db = Database(database_url, size=10, timeout=10)
    await db.open()
    yield db
    await db.close()


@pytest.fixture
async def sql(database_url: str) -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
    """Return a connection beside the registry's, for looking and for meddling."""
    conn = await asyncpg.connect(database_url)
    yield conn
    await conn.close()


@pytest.fixture
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[BlobStore]:
    """Return an empty store: in memory, or what the test's parameter names."""
    kind = getattr(request, "param", "memory")
    made: BlobStore = FilesystemStore(tmp_path / "blobs") if kind == "filesystem" else MemoryStore()
    yield made
    await made.close()


@pytest.fixture
def settings(database_url: str) -> Settings:
    """Return the settings of a node with their defaults."""
    return Settings(database_url=database_url)


@pytest.fixture
def services(settings: Settings, database: Database, store: BlobStore) -> Services:
    """Return the verbs of one node."""
    return create_services(settings, database, store)


@pytest.fixture
def other_services(settings: Settings, other_database: Database, store: BlobStore) -> Services:
    """Return the verbs of a second node on the same database and store."""
    return create_services(settings, other_database, store)
