"""The schema goes up and down, once, whoever starts; and code refuses what it can't work with in a sentence."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import asyncpg
import pytest

from registry.config import Migrate
from registry.db import binaries, migrate, revisions, schema
from registry.db.binaries import run
from registry.db.embedded import EmbeddedPostgres
from registry.db.migrate import SchemaState, SchemaUnusable
from registry.db.schema import SCHEMA_VERSION
from registry.supervisor import bring_schema_up
from tests.cluster import Cluster
from tests.db.postgres import running
from tests.db.replication import replica_of
from tests.db.statements import statements
from tests.lifecycle.serving import eventually

DEBIAN = Path("/usr/lib/postgresql")
WHEEL = sorted(binaries.installations())
VERSIONS = sorted({15, 16, 18, *WHEEL})  # the oldest that is supported, and what the wheel has
CURRENT = SchemaState(f"{SCHEMA_VERSION:04}", SCHEMA_VERSION, 1)
FIRST = SchemaState("", 0, 0)


def execute(url: str, statement: str) -> str:
    return Cluster(url).execute(statement)


def tables(url: str) -> int:
    return int(execute(url, "SELECT FROM pg_tables WHERE schemaname = 'public'").split()[1])


@pytest.fixture(params=VERSIONS)
def url(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Return an empty database of each PostgreSQL at hand: those of the wheel, and Debian's."""
    major: int = request.param
    known = dict(binaries.installations())
    if major not in known:
        known[major] = DEBIAN / str(major) / "bin"
        if not (known[major] / "postgres").exists():
            pytest.skip(f"PostgreSQL {major} is neither in the wheel nor in {known[major]}")
    monkeypatch.setattr(binaries, "installations", lambda: known)
    place = tmp_path / "postgres"
    options = ["--username=blacklake", "--auth=trust", "--encoding=UTF8", "--locale=C"]
    run([known[major] / "initdb", f"--pgdata={place}", *options])
    run([known[major] / "postgres", "--single", "-D", place, "postgres"], said="CREATE DATABASE blacklake\n")
    server = EmbeddedPostgres(place)
    server.start()
    try:
        assert server.major == major
        yield server.url
    finally:
        server.stop()


def test_the_schema_goes_up_down_and_up_and_every_statement_fits_on_each_version(url: str) -> None:
    assert migrate.status(url) == FIRST
    assert migrate.upgrade(url) == CURRENT
    assert migrate.downgrade(url, "base", lose_data=True) == FIRST
    assert tables(url) == 1  # alembic's own
    assert migrate.upgrade(url) == migrate.upgrade(url) == migrate.status(url) == CURRENT
    for number, statement in enumerate(statements().values()):
        execute(url, f"PREPARE statement_{number} AS {statement}")


def test_ten_nodes_that_start_at_once_migrate_once(empty_database_url: str) -> None:
    program = """
import sys
from registry.db import migrate
from registry.logs import configure_logging
configure_logging("info")
print(*migrate.upgrade(sys.argv[1]))
"""
    nodes = [
        subprocess.Popen(
            [sys.executable, "-c", program, empty_database_url],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(10)
    ]
    assert [node.communicate()[0] for node in nodes] == [" ".join(map(str, CURRENT)) + "\n"] * 10
    migrate.check(migrate.status(empty_database_url))


def test_never_refuses_a_schema_that_is_too_old_and_changes_nothing(empty_database_url: str) -> None:
    with pytest.raises(SchemaUnusable) as refusal:
        bring_schema_up(empty_database_url, Migrate.NEVER)
    assert str(refusal.value) == (
        f"the schema is of version 0 and this code needs {SCHEMA_VERSION};"
        " run `blacklake migrate up`, or start with BLACKLAKE_MIGRATE=auto"
    )
    assert tables(empty_database_url) == 0


def test_never_accepts_a_schema_that_fits(database_url: str) -> None:
    bring_schema_up(database_url, Migrate.NEVER)


def test_auto_brings_the_schema_up(empty_database_url: str) -> None:
    bring_schema_up(empty_database_url, Migrate.AUTO)
    assert migrate.status(empty_database_url) == CURRENT


@pytest.fixture
def newer(database_url: str) -> Callable[[int], str]:
    """Return how to make a database that newer code has migrated, for code of some version or later."""

    def make(oldest_code: int) -> str:
        execute(database_url, "UPDATE schema_revision SET version_num = '0099'")
        execute(database_url, f"UPDATE schema_state SET version = 99, oldest_code = {oldest_code}")
        return database_url

    return make


@pytest.mark.parametrize("mode", Migrate)
def test_a_newer_schema_that_still_serves_this_code_is_left_as_it_is(
    newer: Callable[[int], str], mode: Migrate
) -> None:
    url = newer(SCHEMA_VERSION)
    bring_schema_up(url, mode)
    assert migrate.status(url) == SchemaState("0099", 99, SCHEMA_VERSION)


@pytest.mark.parametrize("mode", Migrate)
def test_a_schema_that_needs_newer_code_is_refused(newer: Callable[[int], str], mode: Migrate) -> None:
    url = newer(99)
    with pytest.raises(SchemaUnusable) as refusal:
        bring_schema_up(url, mode)
    assert str(refusal.value) == (
        f"the schema (version 99) needs newer code than this (written for version {SCHEMA_VERSION});"
        " upgrade Blacklake on this node"
    )
    assert migrate.status(url) == SchemaState("0099", 99, 99)


def test_revisions_of_newer_code_can_not_be_undone_by_this(newer: Callable[[int], str]) -> None:
    with pytest.raises(SchemaUnusable, match="0099"):
        migrate.downgrade(newer(1), "base")


def test_a_revision_that_is_none_is_refused(database_url: str) -> None:
    with pytest.raises(SchemaUnusable, match="nonsense"):
        migrate.downgrade(database_url, "nonsense")
    assert migrate.status(database_url) == CURRENT


def test_a_migration_that_fails_changes_nothing_and_says_why(empty_database_url: str) -> None:
    execute(empty_database_url, "CREATE TABLE tags (in_the_way integer)")
    with pytest.raises(SchemaUnusable, match=r'"tags" already exists$'):
        migrate.upgrade(empty_database_url)
    assert migrate.status(empty_database_url) == FIRST
    assert tables(empty_database_url) <= 2  # the one in the way, and alembic's own
    execute(empty_database_url, "DROP TABLE tags")
    assert migrate.upgrade(empty_database_url) == CURRENT


@pytest.mark.parametrize("url", ["postgresql://nobody@/nowhere?host=/nowhere", "postgresql://x@127.0.0.1:1/x"])
def test_a_database_that_can_not_be_reached_is_said(url: str) -> None:
    for act in (migrate.status, migrate.upgrade):
        with pytest.raises(
            SchemaUnusable, match=r"could not be read or changed: .*; check BLACKLAKE_DATABASE_URL \(.*\), and"
        ):
            act(url)


@pytest.mark.parametrize("change", [("migrated", "missing"), ("blacklake@", "nobody@")])
def test_a_database_that_turns_us_away_is_said(database_url: str, change: tuple[str, str]) -> None:
    with pytest.raises(SchemaUnusable, match=r"does not exist; check BLACKLAKE_DATABASE_URL \(.*\), and"):
        migrate.upgrade(database_url.replace(*change))


def test_a_migration_waits_for_another_that_is_under_way(empty_database_url: str) -> None:
    holder = """
import asyncio, sys, asyncpg
async def main(url, lock, work):
    conn = await asyncpg.connect(url)
    await conn.execute(f"SELECT pg_advisory_lock({lock})")
    print("held", flush=True)
    await conn.execute(work)
asyncio.run(main(*sys.argv[1:]))
"""
    until_somebody_waits = """
        DO $$ BEGIN
            WHILE NOT EXISTS (
                SELECT FROM pg_stat_activity
                WHERE datname = current_database() AND application_name = 'blacklake migrate' AND query LIKE 'COMMIT%'
            ) LOOP
                PERFORM pg_sleep(0.01), pg_stat_clear_snapshot();
            END LOOP;
        END $$
    """
    arguments = [empty_database_url, str(revisions._LOCK), until_somebody_waits]
    with subprocess.Popen([sys.executable, "-c", holder, *arguments], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        assert migrate.upgrade(empty_database_url) == CURRENT
    assert process.returncode == 0


async def test_a_start_that_waits_for_another_migration_says_so_once_and_ends_on_sigterm(
    empty_database_url: str, tmp_path: Path
) -> None:
    held = await asyncpg.connect(empty_database_url)
    await held.execute(f"SELECT pg_advisory_lock({revisions._LOCK})")
    command = [sys.executable, "-m", "blacklake", "serve", "--port", "0", "--data-dir", str(tmp_path / "data")]
    node = await asyncio.create_subprocess_exec(
        *command, stderr=asyncio.subprocess.PIPE, env=os.environ | {"BLACKLAKE_DATABASE_URL": empty_database_url}
    )
    assert node.stderr is not None
    try:
        assert b"another node is migrating the database" in await node.stderr.readline()
        node.send_signal(signal.SIGTERM)
        (line,) = (await node.stderr.read()).splitlines()
        assert b"stopped before it had started" in line
        assert await node.wait() == 0
    finally:
        if node.returncode is None:
            node.kill()
            await node.wait()
        await held.close()


def test_a_replica_is_not_taken_for_the_primary_of_a_migration(tmp_path: Path) -> None:
    with (
        running(EmbeddedPostgres(tmp_path / "primary")) as primary,
        replica_of(primary, tmp_path / "replica") as replica,
        pytest.raises(SchemaUnusable, match="leads to a replica; name the primary"),
    ):
        migrate.upgrade(replica.url)


def test_an_index_that_takes_longer_than_a_statement_may_is_made(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    migrate.downgrade(database_url, "0001", lose_data=True)
    monkeypatch.setitem(schema._SESSION, "statement_timeout", "1s")
    until_it_has_waited_for_longer = """
        DO $$ BEGIN
            LOCK TABLE manifests IN ROW EXCLUSIVE MODE; -- as a push does: the index waits for its end
            FOR _ IN 1..3000 LOOP
                EXIT WHEN EXISTS (
                    SELECT FROM pg_stat_activity
                    WHERE datname = current_database() AND application_name = 'blacklake migrate' AND state = 'active'
                        AND query LIKE '%CREATE INDEX CONCURRENTLY%' AND query_start < clock_timestamp() - interval '2s'
                );
                PERFORM pg_sleep(0.01), pg_stat_clear_snapshot();
            END LOOP;
        END $$
    """
    is_locked = "SELECT FROM pg_locks WHERE relation = 'manifests'::regclass AND mode = 'RowExclusiveLock'"
    with ThreadPoolExecutor(1) as threads:
        push = threads.submit(execute, database_url, until_it_has_waited_for_longer)
        eventually(lambda: execute(database_url, is_locked) == "SELECT 1", "a push is under way")
        assert migrate.upgrade(database_url) == CURRENT
        push.result()
