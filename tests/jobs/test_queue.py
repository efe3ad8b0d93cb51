"""Jobs: made of the outbox, done once, tried again, left at last, taken over from who is gone."""

from __future__ import annotations

import asyncio

import asyncpg
import pytest

from mediatypes.digest import Digest
from registry.core.jobs import MOST_ATTEMPTS, Jobs, JobTaken
from registry.core.outbox import Outbox
from registry.core.services import Services
from registry.db.jobs import BegunJob
from registry.db.pool import Database
from registry.db.queue import enqueue
from registry.errors import Unavailable
from registry.jobs import working as working_module
from tests.core.support import image, push_blob, push_manifest
from tests.jobs.support import eventually, finishing, someone_waits, working

Sql = asyncpg.Connection


async def pushed(services: Services, *notes: str) -> list[Digest]:
    """Push manifests, each under a tag of its own."""
    config = await push_blob(services, b"{}")
    return [await push_manifest(services, image(config, note=note), f"tag-{note}") for note in notes]


async def states(sql: Sql) -> list[tuple[str, int, str | None]]:
    rows = await sql.fetch("SELECT state, attempts, error FROM jobs ORDER BY id")
    return [(row["state"], row["attempts"], row["error"]) for row in rows]


async def test_what_is_pushed_is_done_once_and_nothing_of_it_stays_in_the_queue(
    services: Services, database: Database, sql: Sql
) -> None:
    seen: list[bytes] = []

    async def note(begun: BegunJob) -> None:
        seen.append(begun.digest)

    digests = await pushed(services, "a", "b", "c")
    async with working(database, finishing(database, note)):
        await eventually(lambda: counted(sql, "SELECT count(*) = 3 FROM jobs WHERE state = 'done'"))
        await eventually(lambda: counted(sql, "SELECT count(*) = 0 FROM pgqueuer"))
    assert sorted(seen) == sorted(digest.to_bytes() for digest in digests)
    assert await sql.fetchval("SELECT count(*) FROM outbox") == 0


async def counted(sql: Sql, question: str) -> bool:
    return bool(await sql.fetchval(question))


async def test_a_second_push_makes_no_second_job_while_the_first_is_to_be_done(
    services: Services, database: Database, sql: Sql
) -> None:
    outbox = Outbox(database, enqueue)
    await pushed(services, "a")
    assert await outbox.relay() == 1
    await pushed(services, "a")
    assert await outbox.relay() == 1
    assert await sql.fetchval("SELECT count(*) FROM jobs") == 1
    assert await sql.fetchval("SELECT count(*) FROM pgqueuer") == 1


async def test_what_is_asked_for_while_it_is_done_is_done_once_more(
    services: Services, database: Database, sql: Sql
) -> None:
    outbox = Outbox(database, enqueue)
    runs: list[bytes] = []

    async def ask(begun: BegunJob) -> None:
        if not runs:
            for _ in range(3):
                await pushed(services, "a")
                assert await outbox.relay() == 1
        runs.append(begun.digest)

    (digest,) = await pushed(services, "a")
    async with working(database, finishing(database, ask)) as worker:
        await eventually(lambda: counted(sql, "SELECT count(*) = 1 FROM jobs WHERE state = 'done'"))
        assert await outbox.relay() == 1
        await worker.wake()
        await eventually(lambda: counted(sql, "SELECT count(*) = 2 FROM jobs WHERE state = 'done'"))
    assert runs == [digest.to_bytes()] * 2
    assert await outbox.relay() == 0


async def test_what_is_asked_for_while_it_fails_for_the_last_time_is_done_once_more(
    services: Services, database: Database, sql: Sql
) -> None:
    outbox, jobs = Outbox(database, enqueue), Jobs(database)
    await pushed(services, "a")
    await outbox.relay()
    begun = await jobs.begin(await sql.fetchval("SELECT id FROM jobs"))
    assert begun is not None
    await pushed(services, "a")
    await outbox.relay()
    await jobs.fail(begun, "it failed")
    assert await outbox.relay() == 1
    assert await states(sql) == [("failed", 1, "it failed"), ("queued", 0, None)]


async def test_what_two_relays_take_at_once_becomes_each_job_once(
    services: Services, database: Database, other_database: Database, sql: Sql
) -> None:
    await pushed(services, *map(str, range(30)))
    await asyncio.gather(*(Outbox(db, enqueue).relay() for db in (database, other_database) * 3))
    assert await sql.fetchval("SELECT count(*) FROM jobs") == 30
    assert await sql.fetchval("SELECT count(*) FROM pgqueuer") == 30


async def test_what_a_newer_node_tells_is_left_to_it_and_keeps_nothing_from_being_done(
    services: Services, database: Database, sql: Sql
) -> None:
    await sql.execute("INSERT INTO outbox (kind, repository_id, digest) VALUES ('something-new', 1, '\\x01')")
    await pushed(services, "a")
    assert await Outbox(database, enqueue).relay() == 1
    assert await sql.fetchval("SELECT count(*) FROM jobs") == 1
    assert await sql.fetchval("SELECT kind FROM outbox") == "something-new"


async def test_what_fails_is_tried_again_and_left_at_last_with_its_reason_while_others_are_done(
    services: Services, database: Database, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(working_module, "_FIRST_DELAY", 0.01)
    monkeypatch.setattr(working_module, "_POLL", 0.05)
    poisoned, _sound = await pushed(services, "poisoned", "sound")

    async def do(begun: BegunJob) -> None:
        if begun.digest == poisoned.to_bytes():
            raise Unavailable("the storage")

    async with working(database, finishing(database, do)):
        await eventually(lambda: counted(sql, "SELECT count(*) = 2 FROM jobs WHERE finished_at IS NOT NULL"))
    first, second = await states(sql)
    assert (first[0], first[1]) == ("failed", MOST_ATTEMPTS)
    assert "the storage" in str(first[2])
    assert second == ("done", 1, None)


async def test_what_a_defect_says_is_for_the_log_and_not_for_those_who_may_pull(
    services: Services, database: Database, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(working_module, "_FIRST_DELAY", 0.01)
    monkeypatch.setattr(working_module, "_POLL", 0.05)
    await pushed(services, "a")

    async def do(_: BegunJob) -> None:
        raise ValueError("postgresql://blacklake:secret@10.0.0.7/blacklake")

    async with working(database, finishing(database, do)):
        await eventually(lambda: counted(sql, "SELECT state = 'failed' FROM jobs"))
    ((_, _, error),) = await states(sql)
    assert error == "it fails at a defect of the registry (ValueError)"


async def test_a_job_that_ends_its_workers_is_left(services: Services, database: Database, sql: Sql) -> None:
    await pushed(services, "a")
    await Outbox(database, enqueue).relay()
    jobs = Jobs(database)
    (job_id,) = [row["id"] for row in await sql.fetch("SELECT id FROM jobs")]
    for _ in range(MOST_ATTEMPTS):
        assert await jobs.begin(job_id) is not None

    async def never(begun: BegunJob) -> None:
        raise AssertionError(begun)

    async with working(database, finishing(database, never)):
        await eventually(lambda: counted(sql, "SELECT state = 'failed' FROM jobs"))
    ((_, _, error),) = await states(sql)
    assert error == "its worker ended without a word, 5 times"


async def test_a_worker_that_ends_gives_its_job_back_and_another_does_it(
    services: Services, database: Database, other_database: Database, sql: Sql
) -> None:
    begun = asyncio.Event()

    async def hang(_: BegunJob) -> None:
        begun.set()
        await asyncio.Event().wait()

    async def do(_: BegunJob) -> None:
        pass

    await pushed(services, "a")
    async with working(database, finishing(database, hang)):
        await begun.wait()
    assert await states(sql) == [("queued", 0, None)]
    async with working(other_database, finishing(other_database, do)):
        await eventually(lambda: counted(sql, "SELECT state = 'done' FROM jobs"))


async def test_what_another_worker_has_begun_since_is_not_ended_by_the_one_before(
    services: Services, database: Database, sql: Sql
) -> None:
    await pushed(services, "a")
    await Outbox(database, enqueue).relay()
    jobs = Jobs(database)
    job_id = await sql.fetchval("SELECT id FROM jobs")
    before, now = await jobs.begin(job_id), await jobs.begin(job_id)
    assert before is not None
    assert now is not None
    await jobs.tell(now, total=100, progress=10)
    await jobs.tell(before, total=100, progress=90)
    for ended in (
        jobs.fail(before, "it ended badly"),
        jobs.again(before, "it ended badly"),
        jobs.back(before),
        database.transaction("finish", lambda conn: jobs.finish(conn, before)),
    ):
        with pytest.raises(JobTaken):
            await ended
    assert await states(sql) == [("running", 2, None)]
    assert await sql.fetchval("SELECT progress FROM jobs") == 10
    await jobs.back(now)
    assert await states(sql) == [("queued", 1, None)]


async def test_what_was_done_too_late_is_not_kept_and_stays_in_the_queue_for_whoever_does_it(
    services: Services, database: Database, sql: Sql
) -> None:
    async def be_late(begun: BegunJob) -> None:
        await Jobs(database).begin(begun.id)

    await pushed(services, "a")
    async with working(database, finishing(database, be_late)):
        await eventually(
            lambda: counted(
                sql, "SELECT status = 'queued' AND execute_after > now() + interval '1 minute' FROM pgqueuer"
            )
        )
    assert await states(sql) == [("running", 2, None)]


async def test_two_relays_lock_jobs_in_the_same_order_however_urgent_these_are(
    services: Services, database: Database, sql: Sql
) -> None:
    outbox = Outbox(database, enqueue)
    first, second = sorted(digest.to_bytes() for digest in await pushed(services, "a", "b"))
    await outbox.relay()
    await sql.execute("UPDATE jobs SET state = 'running'")
    for kind, digest in (("manifest-pushed", second), ("description-asked", first)):
        await sql.execute(
            "INSERT INTO outbox (kind, repository_id, digest) SELECT $1, repository_id, digest FROM manifests"
            " WHERE digest = $2",
            kind,
            digest,
        )
    async with sql.transaction():
        await sql.execute("SELECT FROM jobs WHERE digest = $1 FOR UPDATE", first)
        relaying = asyncio.create_task(outbox.relay())
        await eventually(lambda: someone_waits(sql))
        await sql.execute("SELECT FROM jobs WHERE digest = $1 FOR UPDATE NOWAIT", second)
    assert await relaying == 2


async def test_what_the_queue_has_lost_is_put_back(services: Services, database: Database, sql: Sql) -> None:
    outbox = Outbox(database, enqueue)
    await pushed(services, "a", "b")
    await outbox.relay()
    await sql.execute("DELETE FROM pgqueuer WHERE dedupe_key = (SELECT min(id)::text FROM jobs)")
    assert await outbox.restore() == 0  # it may just be on its way
    await sql.execute("UPDATE jobs SET created_at = now() - interval '2 minutes'")
    assert await outbox.restore() == 1
    assert await outbox.restore() == 0
    assert await sql.fetchval("SELECT count(*) FROM pgqueuer") == 2


async def test_what_was_finished_long_ago_is_forgotten(services: Services, database: Database, sql: Sql) -> None:
    await pushed(services, "a", "b")
    await Outbox(database, enqueue).relay()
    jobs = Jobs(database)
    await sql.execute("UPDATE jobs SET state = 'done', finished_at = now() - interval '6 days'")
    assert await jobs.forget() == 0
    await sql.execute("UPDATE jobs SET finished_at = now() - interval '8 days' WHERE id = (SELECT min(id) FROM jobs)")
    assert await jobs.forget() == 1
    assert await sql.fetchval("SELECT count(*) FROM jobs") == 1
