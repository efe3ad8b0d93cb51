"""Connections to PostgreSQL: what is lost is repeated or said, and no connection is handed on with work half done."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest

from registry.db import pool
from registry.db.breaker import LIMIT
from registry.db.embedded import EmbeddedPostgres
from registry.db.pool import Connection, Database
from registry.errors import BlobUnknown, Unavailable

Sql = asyncpg.Connection
PATIENCE = 30  # seconds


@pytest.fixture
async def impatient(database_url: str) -> AsyncIterator[Database]:
    """Return a pool of two connections that waits for nothing longer than a fifth of a second."""
    db = Database(database_url, size=2, timeout=0.2)
    await db.open()
    yield db
    await db.close()


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Return the longest waits between attempts; none is waited for."""
    found: list[float] = []

    def none(_shortest: float, longest: float) -> float:
        found.append(longest)
        return 0

    monkeypatch.setattr(pool.random, "uniform", none)
    return found


@pytest.fixture
async def things(sql: Sql) -> None:
    await sql.execute("CREATE TABLE things (id integer PRIMARY KEY)")


async def add(conn: Connection, number: int) -> None:
    await conn.execute("INSERT INTO things VALUES ($1)", number)


async def end_own_connection(conn: Connection) -> None:
    await conn.execute("SELECT pg_terminate_backend(pg_backend_pid())")


async def all_things(sql: Sql) -> list[int]:
    return [row["id"] for row in await sql.fetch("SELECT id FROM things ORDER BY id")]


async def idle_in_transaction(sql: Sql) -> int:
    found: int = await sql.fetchval(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in transaction%'"
    )
    return found


async def test_a_transaction_commits_where_its_work_returns(database: Database, sql: Sql, things: None) -> None:
    await database.transaction("add", lambda conn: add(conn, 1))
    assert await all_things(sql) == [1]


async def test_a_transaction_rolls_back_where_its_work_raises(database: Database, sql: Sql, things: None) -> None:
    async def refuse(conn: Connection) -> None:
        await add(conn, 1)
        raise BlobUnknown("name", "digest")

    with pytest.raises(BlobUnknown):
        await database.transaction("refuse", refuse)
    assert await all_things(sql) == []
    assert await idle_in_transaction(sql) == 0
    assert database.usage[0] == 0


async def test_work_whose_connection_is_lost_is_repeated(
    database: Database, sql: Sql, things: None, waits: list[float]
) -> None:
    attempts = []

    async def lose_the_first(conn: Connection) -> int:
        attempts.append(None)
        await add(conn, len(attempts))
        if len(attempts) == 1:
            await end_own_connection(conn)
        return len(attempts)

    assert await database.transaction("lose", lose_the_first) == 2
    assert await all_things(sql) == [2]
    assert waits == [0.1]


async def test_reads_are_repeated_too(database: Database, waits: list[float]) -> None:
    attempts = []

    async def lose_the_first(conn: Connection) -> int:
        attempts.append(None)
        if len(attempts) == 1:
            await end_own_connection(conn)
        found: int = await conn.fetchval("SELECT 7")
        return found

    assert await database.read("lose", lose_the_first) == 7


async def test_attempts_wait_twice_as_long_each_time_and_then_the_database_is_unavailable(
    database: Database, waits: list[float]
) -> None:
    with pytest.raises(Unavailable) as refusal:
        await database.read("lose", end_own_connection)
    assert waits == [0.1, 0.2, 0.4]
    assert refusal.value.retry_after > 0


async def test_a_commit_whose_connection_is_lost_is_not_repeated(
    database: Database, sql: Sql, things: None, waits: list[float]
) -> None:
    await sql.execute(
        """
        CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql
            AS 'BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END';
        CREATE CONSTRAINT TRIGGER die_at_commit AFTER INSERT ON things DEFERRABLE INITIALLY DEFERRED
            FOR EACH ROW EXECUTE FUNCTION die();
        """
    )
    attempts = []

    async def once(conn: Connection) -> None:
        attempts.append(None)
        await add(conn, 1)

    with pytest.raises(Unavailable, match="during a commit"):
        await database.transaction("once", once)
    assert len(attempts) == 1
    assert await all_things(sql) == []


async def test_a_deadlock_is_resolved_by_repeating(database: Database, sql: Sql, things: None) -> None:
    await sql.execute("INSERT INTO things VALUES (1), (2)")
    met = asyncio.Barrier(2)
    attempts: list[int] = []

    async def lock(conn: Connection, first: int, second: int) -> None:
        attempts.append(first)
        await conn.execute("SELECT FROM things WHERE id = $1 FOR UPDATE", first)
        if len(attempts) <= 2:
            await met.wait()
        await conn.execute("SELECT FROM things WHERE id = $1 FOR UPDATE", second)

    await asyncio.gather(
        database.transaction("one", lambda conn: lock(conn, 1, 2)),
        database.transaction("other", lambda conn: lock(conn, 2, 1)),
    )
    assert len(attempts) == 3


async def test_a_statement_that_takes_too_long_is_unavailable_and_not_repeated(impatient: Database) -> None:
    attempts = []

    async def sleep(conn: Connection) -> None:
        attempts.append(None)
        await conn.execute("SELECT pg_sleep(30)")

    for run in (impatient.read, impatient.transaction):
        with pytest.raises(Unavailable, match="too long"):
            await run("sleep", sleep)
    assert len(attempts) == 2


async def test_a_lock_that_takes_too_long_is_unavailable(impatient: Database, sql: Sql, things: None) -> None:
    async with sql.transaction():
        await sql.execute("LOCK TABLE things")
        with pytest.raises(Unavailable, match="too long"):
            await impatient.transaction("wait", lambda conn: add(conn, 1))
    await impatient.transaction("go on", lambda conn: add(conn, 1))


async def test_work_that_gets_no_connection_in_time_is_unavailable_and_says_nothing_of_the_database(
    impatient: Database,
) -> None:
    ends = asyncio.Event()

    async def hold(conn: Connection) -> None:
        await ends.wait()

    holders = [asyncio.create_task(impatient.read("hold", hold)) for _ in range(2)]
    await asyncio.sleep(0)
    waiting = [impatient.read("wait", lambda conn: conn.fetchval("SELECT 1")) for _ in range(2 * LIMIT)]
    refusals = await asyncio.gather(*waiting, return_exceptions=True)
    assert {str(refusal) for refusal in refusals} == {
        "the database (all connections to it are in use) is unavailable at the moment; try again"
    }
    ends.set()
    await asyncio.gather(*holders)
    assert await impatient.read("go on", lambda conn: conn.fetchval("SELECT 1")) == 1


async def test_as_many_as_there_are_connections_work_at_once_and_the_others_after_them(impatient: Database) -> None:
    at_work, most = 0, 0

    async def work(conn: Connection) -> None:
        nonlocal at_work, most
        at_work += 1
        most = max(most, at_work)
        await conn.execute("SELECT pg_sleep(0.005)")
        at_work -= 1

    tasks = [asyncio.create_task(impatient.read("work", work)) for _ in range(20)]
    await asyncio.sleep(0)
    for task in tasks[::3]:
        task.cancel()  # whether it works or waits: its turn is another's then
    await asyncio.wait(tasks)
    assert most == 2
    assert [task.exception() for task in tasks if not task.cancelled()] == [None] * 13
    assert impatient.usage[0] == 0


async def test_a_database_that_lets_nobody_in_is_away() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        db = Database(f"postgresql://x@127.0.0.1:{silent.getsockname()[1]}/x", size=2, timeout=0.1, attempts=1)
        await db.open()
        for _ in range(LIMIT):
            with pytest.raises(Unavailable, match="too long"):
                await db.read("try", lambda conn: conn.fetchval("SELECT 1"))
        with pytest.raises(Unavailable) as refusal:
            await db.read("try", lambda conn: conn.fetchval("SELECT 1"))
        assert refusal.value.__cause__ is None  # nobody was asked
        await db.close()


async def test_a_transaction_that_does_nothing_for_too_long_is_unavailable(impatient: Database, sql: Sql) -> None:
    until_its_session_has_ended = """
        DO $$ BEGIN
            WHILE EXISTS (SELECT FROM pg_stat_activity WHERE state = 'idle in transaction') LOOP
                PERFORM pg_sleep(0.02), pg_stat_clear_snapshot();
            END LOOP;
        END $$
    """

    async def dawdle(conn: Connection) -> None:
        await sql.execute(until_its_session_has_ended)
        await conn.execute("SELECT 1")

    with pytest.raises(Unavailable):
        await impatient.transaction("dawdle", dawdle)
    assert await impatient.read("go on", lambda conn: conn.fetchval("SELECT 1")) == 1


@pytest.mark.parametrize("turns", [*range(12), 20, 40])
async def test_a_cancelled_transaction_leaves_no_connection_inside_one(
    database: Database, sql: Sql, things: None, turns: int
) -> None:
    async def work(conn: Connection) -> None:
        for number in range(5):
            await add(conn, number)

    await database.read("connect", lambda conn: conn.fetchval("SELECT 1"))
    task = asyncio.create_task(database.transaction("work", work))
    for _ in range(turns):
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    assert await all_things(sql) in ([], [0, 1, 2, 3, 4])
    assert database.usage[0] == 0
    assert await database.transaction("state", lambda conn: conn.fetchval("SELECT count(*) FROM things")) in {0, 5}
    assert await idle_in_transaction(sql) == 0


async def test_a_transaction_that_is_cancelled_twice_is_not_handed_on(
    database: Database, sql: Sql, things: None
) -> None:
    begun: asyncio.Queue[int] = asyncio.Queue()

    async def work(conn: Connection, number: int) -> None:
        await add(conn, number)
        begun.put_nowait(number)
        await conn.execute("SELECT pg_sleep(30)")

    for turns in range(8):
        task = asyncio.create_task(database.transaction("work", partial(work, number=turns)))
        async with asyncio.timeout(PATIENCE):
            assert await begun.get() == turns
        task.cancel()
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        assert await database.read("state", lambda conn: conn.fetchval("SELECT count(*) FROM things")) == 0
        assert await database.read("is in one", _is_in_transaction) is False


async def test_what_a_node_that_is_gone_has_begun_ends_with_it(database_url: str, sql: Sql) -> None:
    """Long before the statement's own time limit, and without a word: PostgreSQL looks whether its client is there."""
    db = Database(database_url, size=1, timeout=600)
    await db.open()
    sleeping = (
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'SELECT pg_sleep(%'"
    )

    async def vanish(conn: Connection) -> None:
        task = asyncio.create_task(conn.execute("SELECT pg_sleep(300)"))
        await _until(sql, sleeping, 1)
        conn.terminate()
        with contextlib.suppress(asyncpg.PostgresError, OSError):
            await task

    await db.read("vanish", vanish)
    await _until(sql, sleeping, 0)
    await db.close()


async def _until(sql: Sql, statement: str, expected: int) -> None:
    found = None
    for _ in range(PATIENCE * 20):
        found = await sql.fetchval(statement)
        if found == expected:
            return
        await asyncio.sleep(0.05)
    raise AssertionError(f"{statement} is {found} still")


async def test_a_refusal_costs_no_connection_and_leaves_nothing_to_asyncpg(database: Database) -> None:
    async def refuse(conn: Connection) -> None:
        raise BlobUnknown("name", "digest")

    complaints: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: complaints.append(context))
    backend = "SELECT pg_backend_pid()"
    before = await database.read("ask", lambda conn: conn.fetchval(backend))
    with pytest.raises(BlobUnknown):
        await database.transaction("refuse", refuse)
    assert await database.read("ask", lambda conn: conn.fetchval(backend)) == before
    assert complaints == []


async def test_a_connection_that_was_left_inside_a_transaction_is_not_handed_on(
    database: Database, sql: Sql, things: None
) -> None:
    async def leave(conn: Connection) -> None:
        await conn.execute("BEGIN")
        await add(conn, 1)

    asyncio.get_running_loop().set_exception_handler(lambda _loop, _context: None)  # asyncpg complains, rightly
    await database.read("leave", leave)
    assert await database.read("is in one", _is_in_transaction) is False
    assert await all_things(sql) == []
    assert await idle_in_transaction(sql) == 0


async def _is_in_transaction(conn: Connection) -> bool:
    return conn.is_in_transaction()


async def test_before_it_is_opened_the_database_is_unavailable(database_url: str) -> None:
    with pytest.raises(Unavailable, match="starting or ending"):
        await Database(database_url, size=2, timeout=1).read("early", lambda conn: conn.fetchval("SELECT 1"))


@pytest.mark.parametrize(
    "change",
    [
        {"path": "/nowhere"},
        {"netloc": "nobody@"},
        {"query": "host=/nowhere"},
        {"netloc": "blacklake@127.0.0.1:1", "query": ""},
        {"netloc": "blacklake@no.such.host.invalid", "query": ""},
    ],
    ids=["no such database", "no such user", "no such socket", "nobody listens", "no such host"],
)
async def test_a_database_that_can_not_be_reached_is_unavailable(
    database_url: str, waits: list[float], change: dict[str, str]
) -> None:
    db = Database(urlunsplit(urlsplit(database_url)._replace(**change)), size=2, timeout=5)
    await db.open()
    with pytest.raises(Unavailable):
        await db.read("try", lambda conn: conn.fetchval("SELECT 1"))
    await db.close()


async def test_a_database_that_became_a_replica_is_unavailable_for_what_writes_until_it_is_one_no_more(
    database: Database, database_url: str, sql: Sql, things: None, waits: list[float]
) -> None:
    change = f"ALTER DATABASE {urlsplit(database_url).path[1:]}"
    await sql.execute(f"{change} SET default_transaction_read_only = on")
    with pytest.raises(Unavailable):
        await database.transaction("write", lambda conn: add(conn, 1))
    await sql.execute("SET default_transaction_read_only = off")
    await sql.execute(f"{change} RESET default_transaction_read_only")
    await database.transaction("write", lambda conn: add(conn, 1))


async def test_a_restart_of_postgresql_heals_by_itself(tmp_path: Path, waits: list[float]) -> None:
    server = EmbeddedPostgres(tmp_path / "postgres")
    server.start()
    try:
        db = Database(server.url, size=4, timeout=5)
        await db.open()
        await asyncio.gather(
            *(db.read("connect", lambda conn: conn.execute("SELECT pg_sleep(0.05)")) for _ in range(4))
        )
        server.stop()
        with pytest.raises(Unavailable):
            await db.read("down", lambda conn: conn.fetchval("SELECT 1"))
        server.start()
        found = await asyncio.gather(*(db.read("up", lambda conn: conn.fetchval("SELECT 1")) for _ in range(8)))
        assert found == [1] * 8
        await db.close()
    finally:
        server.stop()


async def test_work_that_hides_a_failed_statement_is_not_taken_for_committed(
    database: Database, sql: Sql, things: None
) -> None:
    async def work(conn: Connection) -> None:
        await conn.execute("INSERT INTO things VALUES (1)")
        with contextlib.suppress(asyncpg.PostgresError):
            await conn.execute("SELECT 1 / 0")

    with pytest.raises(pool.TransactionSpoiled, match="careless"):
        await database.transaction("careless", work)
    assert await sql.fetchval("SELECT count(*) FROM things") == 0


async def test_a_statement_commits_by_itself(database: Database, sql: Sql, things: None) -> None:
    await database.statement("add", lambda conn: add(conn, 1))
    assert await sql.fetchval("SELECT count(*) FROM things") == 1


async def test_a_statement_that_may_have_been_committed_is_not_repeated(
    database: Database, sql: Sql, things: None
) -> None:
    tries = 0

    async def lost(conn: Connection) -> None:
        nonlocal tries
        tries += 1
        await add(conn, tries)
        await end_own_connection(conn)

    with pytest.raises(Unavailable, match="during a commit"):
        await database.statement("add", lost)
    assert tries == 1
    assert await sql.fetchval("SELECT count(*) FROM things") == 1


async def test_a_transaction_that_is_cancelled_at_any_step_is_not_left_open(database: Database) -> None:
    said: list[str] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: said.append(context["message"]))

    async def work(conn: Connection) -> None:
        await conn.execute("SELECT 1")

    for steps in range(150):
        task = asyncio.create_task(database.transaction("work", work))
        for _ in range(steps):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert said == []
