"""Artifacts are scanned where their repository asks for that; what is found is kept, and nothing of it is ever run."""

from __future__ import annotations

import asyncio

import asyncpg
import pytest

from mediatypes.digest import Digest
from registry.core import rescans, target_pages
from registry.core.jobs import MOST_ATTEMPTS
from registry.core.quarantine import Quarantine
from registry.core.rescans import Rescans, ScanRequests
from registry.core.scan_evidence import scans_of
from registry.core.scan_rules import ScanRules
from registry.core.services import Services
from registry.core.subjects import parse_target
from registry.core.switches import Switches
from registry.core.target_pages import Counted
from registry.db import scans
from registry.db.pool import Database
from registry.db.scans import ScanRow
from registry.errors import ManifestUnknown, NameUnknown, NotQuarantined, PageInvalid, Unavailable
from registry.scanners import base
from registry.scanners.base import ScannerDown, finding
from registry.scanners.content import pickle_scanner
from registry.storage.base import StorageError
from tests.actors import OPERATOR
from tests.core.scanning import EVIL, Stub, Work, evidence_of, on_holiday, sandboxes, switch_on, tgz, work, zipped
from tests.core.support import NAME, index, push_manifest
from tests.core.test_extraction import push

__all__ = ["sandboxes", "work"]

Sql = asyncpg.Connection
GZIP = "application/vnd.oci.image.layer.v1.tar+gzip"
BAD = finding("high", "rule", "a.txt", "it is bad")
WAITING = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"


async def scanned(work: Work, digest: Digest) -> ScanRow:
    """Look for pickles in an artifact, and return what is said of it then."""
    work.use(pickle_scanner())
    await switch_on(work.db)
    await work.describe(digest)
    assert await work.scan() == 1
    return (await work.seen(digest))["pickle"]


async def test_nothing_is_scanned_where_nobody_asks_for_it(work: Work, database: Database) -> None:
    work.use(pickle_scanner())
    await switch_on(database, "team/other")
    digest = await work.described({"model.pkl": EVIL})
    assert await work.scan() == 0
    assert await work.seen(digest) == {}


async def test_a_pickle_that_would_run_code_is_found_wherever_it_is_hidden(work: Work, services: Services) -> None:
    files = {
        "model.pkl": EVIL,
        "innocent.dat": EVIL,
        "nobody.asks": EVIL,
        "weights.zip": zipped(a__txt=b"a", inner__bin=EVIL),
        "deep.tar.gz": tgz({"x/y.zip": zipped(z__pkl=EVIL)}),
    }
    row = await scanned(work, await push(services, files))
    assert (row.state, row.worst, row.problem) == ("found", "critical", None)
    assert {one["path"] for one in row.findings} == {
        "model.pkl",
        "innocent.dat",
        "nobody.asks",
        "weights.zip!/inner.bin",
        "deep.tar.gz!/x/y.zip!/z.pkl",
    }
    assert all("exec" in one["message"] and one["rule"] == "pickle-global" for one in row.findings)


async def test_files_in_layers_that_are_archives_are_scanned(work: Work, services: Services) -> None:
    row = await scanned(work, await push(services, {"": tgz({"opt/model.pkl": EVIL})}, media_type=GZIP))
    assert [one["path"] for one in row.findings] == ["opt/model.pkl"]


async def test_an_artifact_without_anything_bad_is_clean(work: Work, services: Services) -> None:
    row = await scanned(work, await push(services, {"a.txt": b"hello", "b.zip": zipped(c__txt=b"d")}))
    assert (row.state, row.worst, row.findings, row.problem) == ("clean", None, [], None)
    assert "picklescan" in (row.version or "")
    assert row.started_at is not None
    assert row.finished_at is not None
    assert row.started_at <= row.finished_at


async def test_what_is_not_looked_at_fails_the_scan_unless_something_is_found(work: Work, services: Services) -> None:
    bomb = tgz({"zeros": bytes(64 << 20)})
    row = await scanned(work, await push(services, {"bomb.tar.gz": bomb, "a.txt": b"a"}))
    assert (row.state, row.worst) == ("failed", None)
    assert "bomb.tar.gz becomes more than 200 times as large" in (row.problem or "")


async def test_an_index_has_what_its_children_have(work: Work, services: Services) -> None:
    child = await push(services, {"model.pkl": EVIL}, tag="child")
    row = await scanned(work, await push_manifest(services, index(child), "all"))
    assert row.worst == "critical"
    assert row.findings[0]["path"] == f"{str(child)[:19]}/model.pkl"


async def test_a_scan_is_done_once_however_often_it_is_asked_for_by_a_description(
    work: Work, services: Services
) -> None:
    digest = await push(services, {"model.pkl": EVIL})
    before = await scanned(work, digest)
    await work.describe(digest)
    assert await work.scan() == 1
    assert (await work.seen(digest))["pickle"] == before


async def test_an_artifact_that_is_gone_is_no_work(work: Work, sql: Sql) -> None:
    digest = await work.asked(pickle_scanner(), files={"model.pkl": EVIL})
    await sql.execute("DELETE FROM manifests WHERE digest = $1", digest.to_bytes())
    assert await work.scan() == 1
    assert await sql.fetchval("SELECT count(*) FROM scan_results") == 0
    assert await sql.fetchval("SELECT state FROM jobs WHERE kind = 'scan'") == "done"


async def gave_up(sql: Sql) -> None:
    """Have nothing left that would scan what was asked for, for an hour."""
    await sql.execute("UPDATE jobs SET state = 'failed' WHERE kind = 'scan'")
    await sql.execute("UPDATE scan_results SET asked_at = asked_at - interval '1 hour'")
    await sql.execute("DELETE FROM outbox")


async def written_at_once(sql: Sql) -> list[int]:
    """Return how many artifacts each transaction has told the outbox of scans that are asked for."""
    rows = await sql.fetch("SELECT count(*) AS n FROM outbox WHERE kind = 'scans-asked' GROUP BY xmin::text")
    return [row["n"] for row in rows]


async def test_a_scanner_that_is_down_is_told_and_asked_again_and_the_others_have_answered(work: Work) -> None:
    stub = on_holiday()
    digest = await work.asked(stub, pickle_scanner(), files={"model.pkl": EVIL})
    with pytest.raises(Unavailable, match="the scanner stub is unavailable"):
        await work.scan()
    seen = await work.seen(digest)
    assert (seen["stub"].state, seen["stub"].problem) == ("down", "the scanner stub is on holiday")
    assert seen["pickle"].state == "found"
    stub.failure = None
    assert await work.scan() == 1
    assert (await work.seen(digest))["stub"].state == "clean"
    assert stub.scanned == 1


async def test_what_waited_for_a_scanner_is_asked_for_when_that_is_up(work: Work, sql: Sql, database: Database) -> None:
    stub = on_holiday()
    digest = await work.asked(stub)
    with pytest.raises(Unavailable):
        await work.scan()
    await gave_up(sql)
    rescans = Rescans(database, [stub])
    assert await rescans.ask() is None
    assert rescans.up == {"stub": False}
    stub.failure = None
    assert await rescans.ask() == 1
    assert rescans.up == {"stub": True}
    assert await work.relay_and_scan() == 1
    assert (await work.seen(digest))["stub"].state == "clean"


async def test_a_newer_scanner_scans_again_and_what_it_says_is_evidence(
    work: Work, sql: Sql, database: Database
) -> None:
    stub = Stub()
    digest = await work.asked(stub)
    await work.scan()
    await sql.execute("DELETE FROM outbox")
    assert await Rescans(database, [stub]).ask() == 0
    stub.number = "2"
    stub.findings = [BAD]
    before = await evidence_of(sql, digest)
    assert await Rescans(database, [stub]).ask() == 1
    assert await work.relay_and_scan() == 1
    row = (await work.seen(digest))["stub"]
    assert (row.state, row.worst, row.version) == ("found", "high", "2")
    assert await evidence_of(sql, digest) > before


async def test_a_newer_scanner_that_fails_where_the_older_found_something_is_not_asked_at_each_walk(
    work: Work, sql: Sql, database: Database
) -> None:
    stub = Stub()
    stub.findings = [BAD]
    digest = await work.asked(stub)
    await work.scan()
    await sql.execute("DELETE FROM outbox")
    stub.number, stub.failure = "2", KeyError("defect")
    assert await Rescans(database, [stub]).ask() == 1
    assert await work.relay_and_scan() == 1
    row = (await work.seen(digest))["stub"]
    assert (row.state, row.version) == ("found", "1")
    assert await Rescans(database, [stub]).ask() == 0


async def test_a_walk_over_what_is_outdated_locks_little_at_once_and_looks_at_the_scanners(
    work: Work, sql: Sql, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    stub = Stub()
    for number in range(3):
        await work.described({"a.txt": b"%d" % number}, tag=f"t{number}")
    await switch_on(database)
    monkeypatch.setattr(rescans, "_LOCKED", 2)
    walk = Rescans(database, [stub])
    assert await walk.ask() == 3
    assert sorted(await written_at_once(sql)) == [1, 2]
    stub.failure = ScannerDown("stub is on holiday")
    await sql.execute("UPDATE scanners SET seen_at = seen_at - interval '1 hour'")
    await sql.execute("UPDATE scan_results SET asked_at = asked_at - interval '1 hour'")
    assert await walk.ask() == 3  # which waited, in the middle of a walk
    assert walk.up == {"stub": True}
    monkeypatch.setattr(rescans, "_LOOKING", 0.0)
    await walk.ask()
    assert walk.up == {"stub": False}
    assert await sql.fetchval("SELECT seen_at > now() - interval '1 minute' FROM scanners")


async def test_a_scanner_with_a_defect_fails_its_own_scan_only(work: Work) -> None:
    stub = Stub()
    stub.failure = KeyError("defect")
    digest = await work.asked(stub, pickle_scanner())
    assert await work.scan() == 1
    seen = await work.seen(digest)
    assert (seen["stub"].state, seen["stub"].problem) == ("failed", "the scanner failed at a defect (KeyError)")
    assert seen["pickle"].state == "clean"


async def test_scans_are_asked_for_by_somebody(work: Work, sql: Sql, database: Database) -> None:
    stub = Stub()
    work.use(stub)
    digest = await work.described()
    requests = ScanRequests(database, ["stub"])
    assert await requests.ask(parse_target(NAME), again=False) == Counted(0, None)
    before = await evidence_of(sql, digest)
    assert await requests.ask(parse_target(NAME), digest) == Counted(1, None)
    assert await evidence_of(sql, digest) > before  # that a scanner is asked is known now, and that it has not answered
    with pytest.raises(ManifestUnknown):
        await requests.ask(parse_target(NAME), Digest.of(b"none"))
    with pytest.raises(NameUnknown):
        await requests.ask(parse_target("team/none"))
    assert await work.relay_and_scan() == 1
    assert await requests.ask(parse_target("team")) == Counted(1, None)
    await work.relay_and_scan()
    assert stub.scanned == 2


async def test_scans_are_asked_for_and_levels_judged_a_page_at_a_time(
    work: Work, sql: Sql, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    stub = Stub()
    work.use(stub)
    stub.findings = [BAD]
    requests = ScanRequests(database, ["stub"])
    rules = ScanRules(Switches(database), Quarantine(database), requests)
    for number in range(5):
        await work.described({"a.txt": b"a%d" % number}, tag=f"t{number}")
    monkeypatch.setattr(target_pages, "_ARTIFACTS", 3)
    monkeypatch.setattr(target_pages, "_LOCKED", 2)
    pages: list[int] = []
    after: str | None = None
    while after is not None or not pages:
        found = await rules.decide("scan", "team", is_on=True, actor=OPERATOR, after=after)
        pages, after = [*pages, found.artifacts], found.next_after
    assert pages == [3, 2]
    assert sorted(await written_at_once(sql)) == [1, 2, 2]
    assert await work.relay_and_scan() == 5
    pages = []
    while after is not None or not pages:
        found = await rules.decide_level("team", "high", actor=OPERATOR, after=after)
        pages, after = [*pages, found.artifacts], found.next_after
    assert pages == [3, 2]
    decided = await sql.fetch("SELECT action FROM audit_inbox WHERE action IN ('scans.decide', 'quarantine.decide')")
    assert len(decided) == 2
    with pytest.raises(PageInvalid):
        await rules.decide_level("team", "high", actor=OPERATOR, after="else")


async def test_a_scanner_that_goes_down_over_an_artifact_has_failed_at_it(work: Work) -> None:
    """Whoever makes the artifact can bring that about: it is not what fail-open policies let pass."""
    stub = Stub()
    stub.scanning = ScannerDown("stub has closed the connection")
    digest = await work.asked(stub, pickle_scanner())
    for _ in range(MOST_ATTEMPTS - 1):
        with pytest.raises(Unavailable):
            await work.scan()
        assert (await work.seen(digest))["stub"].state == "failed"
    assert (await work.seen(digest))["pickle"].state == "clean"
    stub.failure = ScannerDown("stub is on holiday")
    with pytest.raises(Unavailable):
        await work.scan()
    assert (await work.seen(digest))["stub"].state == "failed"  # since that has come of it
    stub.failure = None
    assert await work.scan() == 1
    row = (await work.seen(digest))["stub"]
    assert (row.state, row.problem) == ("failed", "the scanner stub has closed the connection")
    assert stub.scanned == MOST_ATTEMPTS


async def test_an_outage_of_the_storage_is_no_try_and_what_it_kept_from_is_done_after_it(
    work: Work, sql: Sql, database: Database
) -> None:
    stub, other = Stub(), Stub("zebra")
    stub.scanning = StorageError("S3 doesn't answer")
    digest = await work.asked(stub, other)
    for raised in (*[StorageError] * (MOST_ATTEMPTS - 1), Unavailable):
        with pytest.raises(raised):
            await work.scan()
        assert (await work.seen(digest))["zebra"].state == "clean"
    row = (await work.seen(digest))["stub"]
    assert (row.state, row.problem, other.scanned) == ("down", "S3 doesn't answer", 1)
    await gave_up(sql)
    assert await Rescans(database, [stub]).ask() == 1
    stub.scanning = None
    assert await work.relay_and_scan() == 1
    assert (await work.seen(digest))["stub"].state == "clean"


class Killed(BaseException):
    """What comes of a worker that is killed: nothing is noted any more."""


async def test_an_artifact_that_ends_its_worker_has_failed_after_some_tries(work: Work, database: Database) -> None:
    stub = Stub()
    stub.scanning = Killed()
    other = Stub("zebra")
    digest = await work.asked(stub, other)
    for _ in range(MOST_ATTEMPTS):
        with pytest.raises(Killed):
            await work.scan()
    assert await work.scan() == 1
    seen = await work.seen(digest)
    assert (seen["stub"].state, seen["zebra"].state) == ("failed", "clean")
    assert seen["stub"].problem == "the scanner's worker ended without a word, 5 times"
    stub.scanning = None
    await ScanRequests(database, ["stub"]).ask(parse_target(NAME))
    assert await work.relay_and_scan() == 1
    assert (await work.seen(digest))["stub"].state == "clean"


async def test_a_worker_that_is_told_to_end_is_no_try(work: Work, sql: Sql) -> None:
    stub = Stub()
    stub.scanning = asyncio.CancelledError()
    await work.asked(stub)
    with pytest.raises(asyncio.CancelledError):
        await work.scan()
    assert await sql.fetchval("SELECT tries FROM scan_results") == 0


async def test_a_scanner_that_does_not_tell_its_version_is_down(
    work: Work, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(base, "_ANSWERING", 0.01)
    stub = Stub()
    stub.hangs = True
    digest = await work.asked(stub)
    with pytest.raises(Unavailable):
        await work.scan()
    row = (await work.seen(digest))["stub"]
    assert (row.state, row.problem) == ("down", "the scanner stub does not tell its version within 0 s")
    rescans = Rescans(database, [stub])
    await rescans.ask()
    assert rescans.up == {"stub": False}


async def test_nodes_leave_what_scanners_of_others_say_until_no_node_has_them(
    work: Work, sql: Sql, database: Database
) -> None:
    ours, theirs = Stub("ours"), Stub("theirs")
    theirs.findings = [BAD]
    digest = await work.asked(ours, theirs)
    await work.scan()
    await Rescans(database, [ours, theirs]).ask()
    work.use(ours)
    await ScanRequests(database, ["ours", "theirs"]).ask(parse_target(NAME))
    assert await work.relay_and_scan() == 1
    assert (ours.scanned, theirs.scanned) == (2, 1)
    assert (await work.seen(digest)).keys() == {"ours", "theirs"}
    await sql.execute("UPDATE scan_results SET asked_at = asked_at - interval '8 days'")
    await Rescans(database, [ours]).ask()
    assert (await work.seen(digest)).keys() == {"ours", "theirs"}
    await sql.execute("UPDATE scanners SET seen_at = seen_at - interval '8 days'")
    before = await evidence_of(sql, digest)
    rules = ScanRules(Switches(database), Quarantine(database), ScanRequests(database, []))
    await rules.decide_level("team", "high", actor=OPERATOR)
    await Rescans(database, [ours]).ask()
    assert (await work.seen(digest)).keys() == {"ours", "theirs"}  # since it stands in quarantine for that
    await rules.decide_level("team", None, actor=OPERATOR)
    (unseen,) = await database.read("test", lambda conn: scans.unseen(conn, after=60, limit=2))
    await sql.execute("UPDATE scanners SET seen_at = now()")  # before who read that has the lock
    repository_id, packed, name = unseen
    assert not await database.transaction(
        "test", lambda conn: scans.forget(conn, name, after=60, repository_id=repository_id, digest=packed)
    )
    await sql.execute("UPDATE scanners SET seen_at = seen_at - interval '8 days'")
    await Rescans(database, [ours]).ask()
    assert (await work.seen(digest)).keys() == {"ours"}
    assert await evidence_of(sql, digest) > before


async def test_what_waits_behind_artifacts_with_jobs_has_its_turn(work: Work, sql: Sql, database: Database) -> None:
    stub = Stub()
    work.use(stub)
    await switch_on(database)
    digests = [await work.described({"a.txt": b"%d" % number}, tag=f"t{number}") for number in range(2)]
    await work.scan()
    # As of a result that was asked for once more, by a job that is gone; the other's is there.
    await sql.execute("UPDATE scan_results SET asked = asked + 1, asked_at = asked_at - interval '1 hour'")
    await sql.execute(
        "UPDATE scan_results SET asked_at = asked_at - interval '1 hour' WHERE digest = $1", digests[0].to_bytes()
    )
    await sql.execute(
        "UPDATE jobs SET state = 'queued', finished_at = NULL WHERE kind = 'scan' AND digest = $1",
        digests[0].to_bytes(),
    )
    await sql.execute("DELETE FROM outbox")
    asked = [
        await database.transaction("test", lambda conn: scans.ask_of_waiting(conn, ["stub"], after=60, limit=1))
        for _ in range(3)
    ]
    assert asked == [1, 1, 0]
    (row,) = await sql.fetch("SELECT digest FROM outbox")
    assert row["digest"] == digests[1].to_bytes()


async def test_a_release_knows_what_was_found_while_it_waited_for_a_scan(
    work: Work, sql: Sql, database: Database
) -> None:
    stub = Stub()
    stub.findings = [BAD]
    digest = await work.asked(stub)
    quarantine = Quarantine(database)
    await quarantine.decide("team", "high", actor=OPERATOR)
    await work.scan()
    async with sql.transaction():
        await sql.execute("SELECT 1 FROM manifests WHERE digest = $1 FOR NO KEY UPDATE", digest.to_bytes())
        releasing = asyncio.create_task(quarantine.release(NAME, digest, "looked at", actor=OPERATOR))
        async with asyncio.timeout(30):
            while not await sql.fetchval(WAITING):  # noqa: ASYNC110 - the database says it
                await asyncio.sleep(0.01)
        await sql.execute(
            "UPDATE scan_results SET findings = findings || findings || jsonb_set(findings, '{0,rule}', '\"x\"')"
        )
    await releasing
    assert len(await sql.fetchval("SELECT known FROM quarantines")) == 2


async def test_quarantine_follows_what_is_found_and_a_release_holds_for_what_was_known(
    work: Work, sql: Sql, database: Database
) -> None:
    stub = Stub()
    digest = await work.asked(stub)
    stub.findings = [finding("medium", "rule", "a.txt", "it is so so")]
    await work.scan()
    quarantine = Quarantine(database)

    async def state() -> str | None:
        rows = (await quarantine.page(before=None, limit=10)).items
        return None if not rows else "released" if rows[0].released_at else "quarantined"

    async def policies_see() -> str:
        repository_id = await sql.fetchval("SELECT id FROM repositories WHERE name = $1", NAME)
        found = await database.read("test", lambda conn: scans_of(conn, repository_id, digest.to_bytes()))
        return next(one.state for one in found or () if one.scanner == "quarantine")

    async def scan_again() -> None:
        await ScanRequests(database, ["stub"]).ask(parse_target(NAME))
        await work.relay_and_scan()

    rules = ScanRules(Switches(database), quarantine, ScanRequests(database, ["stub"]))
    assert await rules.decide_level("team", "high", actor=OPERATOR) == Counted(0, None)
    assert (await state(), await policies_see()) == (None, "clean")
    before = await evidence_of(sql, digest)
    await quarantine.decide(NAME, "medium", actor=OPERATOR)
    assert (await state(), await policies_see()) == (None, "found")  # also where nobody goes on with what is there
    assert await quarantine.judge(parse_target(NAME)) == Counted(1, None)
    assert (await state(), await policies_see()) == ("quarantined", "found")
    assert await evidence_of(sql, digest) > before
    await quarantine.release(NAME, digest, "looked at", actor=OPERATOR)
    assert (await state(), await policies_see()) == ("released", "clean")
    with pytest.raises(NotQuarantined):
        await quarantine.release(NAME, digest, "again", actor=OPERATOR)
    await scan_again()
    assert await state() == "released"
    stub.findings.append(finding("critical", "rule", "a.txt", "it is worse"))
    await scan_again()
    assert (await state(), await policies_see()) == ("quarantined", "found")
    stub.failure = KeyError("defect")  # what was found is not taken back by a scan that fails
    await scan_again()
    assert await state() == "quarantined"
    stub.failure, stub.findings = None, []
    await scan_again()
    assert (await state(), await policies_see()) == (None, "clean")
    actions = await sql.fetch("SELECT action, detail FROM audit_inbox WHERE action LIKE 'quarantine.%' ORDER BY id")
    assert [row["action"] for row in actions] == ["quarantine.decide", "quarantine.decide", "quarantine.release"]
    assert "looked at" in actions[-1]["detail"]
