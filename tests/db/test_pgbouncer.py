"""Behind pgbouncer in transaction mode everything works that works without it (docs/decisions/0003)."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import asyncpg
import pytest

from registry.core.access import EVERYONE
from registry.core.search import Search
from registry.db import migrate, schema
from registry.db.migrate import SchemaUnusable
from registry.db.pool import Connection, Database
from registry.db.replicas import Replicas
from registry.errors import Unavailable
from tests.artifacts import Made, add
from tests.db.pgbouncer import SESSIONS, pgbouncer
from tests.lifecycle.artifact import Artifact, assert_served, push
from tests.lifecycle.conftest import assert_clean_log
from tests.lifecycle.serving import Registry

CLIENTS = 4 * SESSIONS
Sql = asyncpg.Connection


@pytest.fixture
def pooler_url(database_url: str) -> Iterator[str]:
    """Return the URL of this test's database that leads through pgbouncer."""
    with pgbouncer(database_url) as url:
        yield url


@pytest.fixture
async def pooled(pooler_url: str) -> AsyncIterator[Database]:
    """Return the pool of one node behind pgbouncer."""
    db = Database(pooler_url, size=CLIENTS, timeout=10, pooled=True)
    await db.open()
    yield db
    await db.close()


@pytest.fixture
async def hasty(pooler_url: str) -> AsyncIterator[Database]:
    """Return the pool of one node behind pgbouncer, with limits of half a second."""
    db = Database(pooler_url, size=CLIENTS, timeout=0.5, pooled=True)
    await db.open()
    yield db
    await db.close()


async def session_and_echo(conn: Connection, number: int) -> tuple[int, int]:
    """Return PostgreSQL's session and `number`, by a statement that few others share."""
    row = await conn.fetchrow(f"SELECT pg_backend_pid() AS session, $1::int + {number % 5} AS echo", number)
    assert row is not None
    return row["session"], row["echo"] - number % 5


async def test_many_clients_share_few_sessions_and_none_gets_another_s_answer(pooled: Database) -> None:
    async def ask(number: int) -> tuple[int, int]:
        unit = random.choice([pooled.read, pooled.statement, pooled.transaction])
        return await unit("ask", lambda conn: session_and_echo(conn, number))

    found = await asyncio.gather(*(ask(number) for number in range(300)))
    assert [echo for _, echo in found] == list(range(300))
    assert len({session for session, _ in found}) <= SESSIONS


async def test_searches_that_were_prepared_leave_nothing_to_each_other(pooled: Database, sql: Sql) -> None:
    made = [await add(sql, Made(f"team/model{number}", {"parameters": number})) for number in range(5)]
    search = Search(pooled, Replicas(pooled))
    pages = await asyncio.gather(
        *(search.page(f"params:{number % 5} model{number % 5}", caller=EVERYONE) for number in range(60))
    )
    assert [[one.repository for one in page.items] for page in pages] == [
        [made[number % 5].repository] for number in range(60)
    ]


async def test_limits_hold_for_every_unit_of_work_and_stay_with_it(hasty: Database, sql: Sql) -> None:
    limits = "SELECT concat_ws(' ', current_setting('statement_timeout'), current_setting('lock_timeout'))"
    for unit in (hasty.read, hasty.statement, hasty.transaction):
        assert await unit("look", lambda conn: conn.fetchval(limits)) == "500ms 500ms"
        with pytest.raises(Unavailable, match="too long"):
            await unit("sleep", lambda conn: conn.execute("SELECT pg_sleep(30)"))
    await sql.execute("CREATE TABLE things (id integer)")
    async with sql.transaction():
        await sql.execute("LOCK TABLE things")
        with pytest.raises(Unavailable, match="too long"):
            await hasty.statement("wait", lambda conn: conn.execute("INSERT INTO things VALUES (1)"))


async def test_a_unit_of_work_leaves_nothing_in_the_session(pooler_url: str, pooled: Database) -> None:
    # One after the other, so that one session is enough and the next client gets it too.
    used = {
        (await unit("ask", lambda conn: session_and_echo(conn, 1)))[0]
        for unit in (pooled.read, pooled.statement, pooled.transaction)
    }
    conn = await asyncpg.connect(pooler_url, statement_cache_size=0)
    session, *left = await conn.fetchrow(
        """
        SELECT pg_backend_pid(), current_setting('statement_timeout'), current_setting('lock_timeout'),
            (SELECT count(*) FROM pg_prepared_statements WHERE name <> '')
        """
    )
    await conn.close()
    assert used == {session}
    assert left == ["0", "0", 0]


async def test_a_read_that_expects_an_error_still_answers(pooled: Database, sql: Sql) -> None:
    await sql.execute("DROP TABLE schema_state")
    assert "is of version 0" in str(await pooled.read("check", schema.problem))


async def test_a_statement_is_undone_where_its_work_fails(pooled: Database, sql: Sql) -> None:
    await sql.execute("CREATE TABLE things (id integer PRIMARY KEY)")

    async def twice(conn: Connection) -> None:
        await conn.execute("INSERT INTO things SELECT 1 FROM generate_series(1, 2)")

    with pytest.raises(asyncpg.UniqueViolationError):
        await pooled.statement("twice", twice)
    await pooled.statement("once", lambda conn: conn.execute("INSERT INTO things VALUES (2)"))
    assert [row["id"] for row in await sql.fetch("SELECT id FROM things")] == [2]


def test_migrations_through_a_pooler_are_refused_and_told_what_is_missing(pooler_url: str) -> None:
    for act in (migrate.status, migrate.upgrade):
        with pytest.raises(SchemaUnusable, match=r"if this is pgbouncer, .* BLACKLAKE_DATABASE_DIRECT_URL$"):
            act(pooler_url)


def test_two_workers_behind_it_migrate_push_and_pull(empty_database_url: str, tmp_path: Path) -> None:
    with (
        pgbouncer(empty_database_url) as url,
        Registry(tmp_path / "data", workers=2, database_url=url, database_direct_url=empty_database_url) as registry,
        ThreadPoolExecutor(CLIENTS) as clients,
    ):
        registry.start()
        names = [f"team/model{number}" for number in range(2 * CLIENTS)]
        artifacts: list[Artifact] = list(clients.map(lambda name: push(registry.url, name), names))
        for _ in clients.map(lambda artifact: assert_served(registry.url, artifact), artifacts * 2):
            pass
        assert registry.stop() == 0
    assert_clean_log(registry)
