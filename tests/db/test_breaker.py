"""While the database is away nobody waits for it in vain, one at a time looks whether it is back, and then all goes on."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit, urlunsplit

import asyncpg
import pytest

from registry.core.health import Health
from registry.db import breaker, migrate, pool
from registry.db.breaker import LIMIT, PAUSE, Breaker
from registry.db.embedded import EmbeddedPostgres
from registry.db.pool import Connection, Database
from registry.errors import BlobUnknown, Unavailable
from registry.storage.memory import MemoryStore
from tests.relay import relaying

Sql = asyncpg.Connection


class Line:
    """What a breaker watches: the outcome of each unit of work is given, and the clock moved by hand."""

    def __init__(self) -> None:
        self.now = 100.0
        self.breaker = Breaker("the line", (ConnectionError,), clock=lambda: self.now)

    def try_it(self, error: Exception | None = None) -> bool:
        """Run a unit of work that raises Unavailable for `error`; return whether it was a probe."""
        with self.breaker.watching() as probes:
            if error is not None:
                raise Unavailable("the line") from error
        return probes

    def fail(self, times: int) -> None:
        """Let units of work find nobody."""
        for _ in range(times):
            with pytest.raises(Unavailable) as refusal:
                self.try_it(ConnectionRefusedError())
            assert refusal.value.__cause__ is not None


@pytest.fixture
def line() -> Line:
    return Line()


def assert_refused(line: Line) -> None:
    with pytest.raises(Unavailable) as refusal, line.breaker.watching():
        pytest.fail("this unit of work should not have begun")
    assert refusal.value.retry_after > 0


def test_it_opens_after_failures_in_a_row_and_refuses_at_once(line: Line) -> None:
    line.fail(LIMIT - 1)
    assert line.try_it() is False
    line.fail(LIMIT - 1)
    assert not line.breaker.is_open
    line.fail(1)
    assert line.breaker.is_open
    assert_refused(line)


def test_why_it_opens_is_logged(line: Line, capfd: pytest.CaptureFixture[str]) -> None:
    line.fail(LIMIT)
    assert "ConnectionRefusedError()" in "".join(capfd.readouterr())


@pytest.mark.parametrize("answer", [None, ValueError("an answer")])
def test_after_a_pause_one_probe_goes_and_its_answer_closes_it(line: Line, answer: Exception | None) -> None:
    line.fail(LIMIT)
    line.now += PAUSE
    with contextlib.suppress(Unavailable), line.breaker.watching() as probes:
        assert probes
        assert_refused(line)  # one at a time, however long it takes
        line.now += 60
        assert_refused(line)
        if answer is not None:
            raise Unavailable("the line (it takes too long)") from answer
    assert not line.breaker.is_open
    assert line.try_it() is False


def test_a_probe_that_finds_nobody_leaves_it_open_for_another_pause(line: Line) -> None:
    line.fail(LIMIT)
    for _ in range(3):
        assert_refused(line)
        line.now += PAUSE
        line.fail(1)
    assert_refused(line)


def test_a_probe_that_is_cancelled_says_nothing_and_the_next_one_goes(line: Line) -> None:
    line.fail(LIMIT)
    line.now += PAUSE
    with pytest.raises(asyncio.CancelledError), line.breaker.watching():
        raise asyncio.CancelledError
    assert line.breaker.is_open
    assert line.try_it() is True


def test_a_probe_that_got_no_turn_says_nothing_either(line: Line) -> None:
    line.fail(LIMIT)
    line.now += PAUSE
    with pytest.raises(Unavailable), line.breaker.watching():
        raise Unavailable("the line (all connections to it are in use)") from None
    assert line.breaker.is_open
    assert line.try_it() is True


def test_an_answer_to_work_that_began_before_closes_it(line: Line) -> None:
    with line.breaker.watching():
        line.fail(LIMIT)
    assert not line.breaker.is_open


def test_a_refusal_by_the_domain_is_an_answer(line: Line) -> None:
    line.fail(LIMIT - 1)
    with pytest.raises(BlobUnknown), line.breaker.watching():
        raise BlobUnknown("name", "digest")
    line.fail(LIMIT - 1)
    assert not line.breaker.is_open


@pytest.fixture
async def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[EmbeddedPostgres]:
    """Return a PostgreSQL of this test's own; nobody waits between attempts."""
    monkeypatch.setattr(pool.random, "uniform", lambda _shortest, _longest: 0)
    server = EmbeddedPostgres(tmp_path / "postgres")
    server.start()
    yield server
    server.stop()


async def count(conn: Connection) -> int:
    found: int = await conn.fetchval("SELECT 1")
    return found


async def test_ready_tells_the_truth_and_heals_while_the_database_goes_and_comes(own: EmbeddedPostgres) -> None:
    await asyncio.to_thread(migrate.upgrade, own.url)
    db = Database(own.url, size=4, timeout=5)
    await db.open()
    health = Health(db, MemoryStore())
    assert (await health.check())["database"] == "ok"
    own.stop()
    asked = 0

    async def ask(_conn: Connection) -> None:
        nonlocal asked
        asked += 1

    for _ in range(3 * LIMIT):
        assert (await health.check())["database"] == "does not answer"
    with pytest.raises(Unavailable) as refusal:
        await db.transaction("push", ask)
    assert (asked, refusal.value.__cause__) == (0, None)  # at once, without a single attempt
    own.start()
    for _ in range(1200):
        if (await health.check())["database"] == "ok":
            break
        await asyncio.sleep(0.05)
    else:
        pytest.fail("the node does not find the database again")
    assert await asyncio.gather(*(db.read("ask", count) for _ in range(20))) == [1] * 20
    await db.close()


async def test_a_probe_tries_once(own: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(breaker, "PAUSE", 0)
    attempts = 0
    connect = asyncpg.pool.Pool.acquire

    def counted(self: asyncpg.Pool, *, timeout: float) -> object:
        nonlocal attempts
        attempts += 1
        return connect(self, timeout=timeout)

    monkeypatch.setattr(asyncpg.pool.Pool, "acquire", counted)
    own.stop()
    db = Database(own.url, size=4, timeout=5)
    await db.open()
    for _ in range(LIMIT):
        with pytest.raises(Unavailable):
            await db.read("ask", count)
    before = attempts
    with pytest.raises(Unavailable):
        await db.read("probe", count)
    assert (before, attempts) == (4 * LIMIT, 4 * LIMIT + 1)
    await db.close()


@pytest.mark.parametrize("work", ["SELECT pg_sleep(30)", "SELECT 1 / 0"])
async def test_statements_that_fail_on_their_own_keep_it_closed(database_url: str, work: str) -> None:
    db = Database(database_url, size=2, timeout=0.1)
    await db.open()
    for _ in range(LIMIT + 1):
        with pytest.raises((Unavailable, asyncpg.DivisionByZeroError)):
            await db.read("fail", lambda conn: conn.execute(work))
    assert await db.read("ask", count) == 1
    await db.close()


async def test_once_open_it_uses_no_connection_from_before(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(breaker, "PAUSE", 0)
    monkeypatch.setattr(pool.random, "uniform", lambda _shortest, _longest: 0)

    async def session(conn: Connection) -> int:
        found: int = await conn.fetchval("SELECT pg_backend_pid() FROM pg_sleep(0.1)")
        return found

    async def vanish(conn: Connection) -> None:
        raise TimeoutError  # what asyncpg says of a machine that sends nothing any more, not even a reset

    before = set(await asyncio.gather(*(database.read("look", session) for _ in range(5))))
    assert await database.read("look", session) in before
    for _ in range(LIMIT):
        with pytest.raises(Unavailable):
            await database.read("ask", vanish)
    assert await database.read("probe", session) not in before


@pytest.mark.parametrize("way", ["read", "statement", "transaction"])
async def test_where_a_machine_has_vanished_only_work_under_way_waits_for_it(
    database_url: str, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    monkeypatch.setattr(pool, "_GRACE", 0.2)
    behind = urlsplit(database_url)
    host, port = parse_qs(behind.query)["host"][0], parse_qs(behind.query)["port"][0]
    with relaying(f"{host}/.s.PGSQL.{port}") as machine:
        url = urlunsplit(behind._replace(netloc=f"{behind.username}@127.0.0.1:{machine.port}", query=""))
        db = Database(url, size=5, timeout=0.5)
        await db.open()
        await asyncio.gather(*(db.read("look", lambda conn: conn.execute("SELECT pg_sleep(0.1)")) for _ in range(5)))
        machine.freeze()
        began = time.monotonic()
        with pytest.raises(Unavailable):
            await getattr(db, way)("ask", count)
        assert (
            time.monotonic() - began < 1.1
        )  # 0.7 s, and neither a rollback nor the end of a cancellation is waited for
        assert await db.read("ask", count) == 1
        await db.close()
