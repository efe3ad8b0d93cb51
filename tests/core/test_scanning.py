"""Artifacts are scanned where their repository asks for that; what is found is kept, and nothing of it is ever run."""

from __future__ import annotations

import asyncpg
import pytest

from mediatypes.digest import Digest
from registry.core.outbox import Outbox
from registry.core.quarantine import Quarantine
from registry.core.rescans import Rescans, ScanRequests
from registry.core.scan_evidence import scans_of
from registry.core.services import Services
from registry.core.subjects import parse_target
from registry.db.pool import Database
from registry.db.queue import enqueue
from registry.errors import ManifestUnknown, NameUnknown, NotQuarantined, Unavailable
from registry.scanners.base import Finding, Found, Scanned, ScannerDown, finding
from registry.scanners.content import pickle_scanner
from tests.actors import OPERATOR
from tests.core.scanning import EVIL, Work, sandboxes, switch_on, tgz, work, zipped
from tests.core.support import NAME, index, push_manifest
from tests.core.test_extraction import push

__all__ = ["sandboxes", "work"]

Sql = asyncpg.Connection
GZIP = "application/vnd.oci.image.layer.v1.tar+gzip"


async def scanned(work: Work, sql: Sql, database: Database, digest: Digest) -> None:
    work.use(pickle_scanner())
    await switch_on(database)
    await work.describe(sql, digest)
    assert await work.scan(sql) == 1


async def test_nothing_is_scanned_where_nobody_asks_for_it(
    work: Work, services: Services, sql: Sql, database: Database
) -> None:
    work.use(pickle_scanner())
    await switch_on(database, "team/other")
    digest = await push(services, {"model.pkl": EVIL})
    await work.describe(sql, digest)
    assert await work.scan(sql) == 0
    assert await work.seen(digest) == {}


async def test_a_pickle_that_would_run_code_is_found_wherever_it_is_hidden(
    work: Work, services: Services, sql: Sql, database: Database
) -> None:
    files = {
        "model.pkl": EVIL,
        "innocent.dat": EVIL,
        "nobody.asks": EVIL,
        "weights.zip": zipped(a__txt=b"a", inner__bin=EVIL),
        "deep.tar.gz": tgz({"x/y.zip": zipped(z__pkl=EVIL)}),
    }
    digest = await push(services, files)
    await scanned(work, sql, database, digest)
    row = (await work.seen(digest))["pickle"]
    assert (row.state, row.worst, row.problem) == ("found", "critical", None)
    assert {one["path"] for one in row.findings} == {
        "model.pkl",
        "innocent.dat",
        "nobody.asks",
        "weights.zip!/inner.bin",
        "deep.tar.gz!/x/y.zip!/z.pkl",
    }
    assert all("exec" in one["message"] and one["rule"] == "pickle-global" for one in row.findings)


async def test_files_in_layers_that_are_archives_are_scanned(
    work: Work, services: Services, sql: Sql, database: Database
) -> None:
    digest = await push(services, {"": tgz({"opt/model.pkl": EVIL})}, media_type=GZIP)
    await scanned(work, sql, database, digest)
    (finding,) = (await work.seen(digest))["pickle"].findings
    assert finding["path"] == "opt/model.pkl"


async def test_an_artifact_without_anything_bad_is_clean(
    work: Work, services: Services, sql: Sql, database: Database
) -> None:
    digest = await push(services, {"a.txt": b"hello", "b.zip": zipped(c__txt=b"d")})
    await scanned(work, sql, database, digest)
    row = (await work.seen(digest))["pickle"]
    assert (row.state, row.worst, row.findings, row.problem) == ("clean", None, [], None)
    assert "picklescan" in (row.version or "")
    assert row.started_at is not None
    assert row.finished_at is not None
    assert row.started_at <= row.finished_at


async def test_what_is_not_looked_at_fails_the_scan_unless_something_is_found(
    work: Work, services: Services, sql: Sql, database: Database
) -> None:
    bomb = tgz({"zeros": bytes(64 << 20)})
    digest = await push(services, {"bomb.tar.gz": bomb, "a.txt": b"a"})
    await scanned(work, sql, database, digest)
    row = (await work.seen(digest))["pickle"]
    assert (row.state, row.worst) == ("failed", None)
    assert "bomb.tar.gz becomes more than 200 times as large" in (row.problem or "")


async def test_an_index_has_what_its_children_have(
    work: Work, services: Services, sql: Sql, database: Database
) -> None:
    child = await push(services, {"model.pkl": EVIL}, tag="child")
    digest = await push_manifest(services, index(child), "all")
    await scanned(work, sql, database, digest)
    row = (await work.seen(digest))["pickle"]
    assert row.worst == "critical"
    assert row.findings[0]["path"] == f"{str(child)[:19]}/model.pkl"


async def test_a_scan_is_done_once_however_often_it_is_asked_for_by_a_description(
    work: Work, services: Services, sql: Sql, database: Database
) -> None:
    digest = await push(services, {"model.pkl": EVIL})
    await scanned(work, sql, database, digest)
    before = (await work.seen(digest))["pickle"]
    await work.describe(sql, digest)
    assert await work.scan(sql) == 1
    assert (await work.seen(digest))["pickle"] == before


async def test_an_artifact_that_is_gone_is_no_work(
    work: Work, services: Services, sql: Sql, database: Database
) -> None:
    work.use(pickle_scanner())
    await switch_on(database)
    digest = await push(services, {"model.pkl": EVIL})
    await work.describe(sql, digest)
    await sql.execute("DELETE FROM manifests WHERE digest = $1", digest.to_bytes())
    assert await work.scan(sql) == 1
    assert await sql.fetchval("SELECT count(*) FROM scan_results") == 0
    assert await sql.fetchval("SELECT state FROM jobs WHERE kind = 'scan'") == "done"


class Stub:
    """A scanner of another package, which does what the test says."""

    reads_record = False

    def __init__(self, name: str = "stub") -> None:
        self.name = name
        self.number = "1"
        self.failure: Exception | None = None
        self.findings: list[Finding] = []
        self.scanned = 0

    async def version(self) -> str:
        if isinstance(self.failure, ScannerDown):
            raise self.failure
        return self.number

    async def scan(self, scanned: Scanned) -> Found:
        self.scanned += 1
        if self.failure is not None:
            raise self.failure
        return Found(list(self.findings))


async def evidence_of(sql: Sql, digest: Digest) -> int:
    return int(await sql.fetchval("SELECT evidence FROM manifests WHERE digest = $1", digest.to_bytes()))


async def test_a_scanner_that_is_down_is_told_and_asked_again_and_the_others_have_answered(
    work: Work, services: Services, sql: Sql, database: Database
) -> None:
    stub = Stub()
    stub.failure = ScannerDown("stub is on holiday")
    work.use(stub, pickle_scanner())
    await switch_on(database)
    digest = await push(services, {"model.pkl": EVIL})
    await work.describe(sql, digest)
    with pytest.raises(Unavailable, match="the scanner stub is unavailable"):
        await work.scan(sql)
    seen = await work.seen(digest)
    assert (seen["stub"].state, seen["stub"].problem) == ("down", "the scanner stub is on holiday")
    assert seen["pickle"].state == "found"
    stub.failure = None
    assert await work.scan(sql) == 1
    assert (await work.seen(digest))["stub"].state == "clean"
    assert stub.scanned == 1


async def test_what_waited_for_a_scanner_is_asked_for_when_that_is_up(
    work: Work, services: Services, sql: Sql, database: Database
) -> None:
    stub = Stub()
    stub.failure = ScannerDown("stub is on holiday")
    work.use(stub)
    await switch_on(database)
    digest = await push(services, {"a.txt": b"a"})
    await work.describe(sql, digest)
    with pytest.raises(Unavailable):
        await work.scan(sql)
    await sql.execute("UPDATE jobs SET state = 'failed' WHERE kind = 'scan'")
    await sql.execute("UPDATE scan_results SET asked_at = asked_at - interval '1 hour'")
    await sql.execute("DELETE FROM outbox")
    rescans = Rescans(database, [stub])
    assert await rescans.ask() is None
    assert rescans.up == {"stub": False}
    stub.failure = None
    assert await rescans.ask() == 1
    assert rescans.up == {"stub": True}
    await Outbox(database, enqueue).relay()
    assert await work.scan(sql) == 1
    assert (await work.seen(digest))["stub"].state == "clean"


async def test_a_newer_scanner_scans_again_and_what_it_says_is_evidence(
    work: Work, services: Services, sql: Sql, database: Database
) -> None:
    stub = Stub()
    work.use(stub)
    await switch_on(database)
    digest = await push(services, {"a.txt": b"a"})
    await work.describe(sql, digest)
    await work.scan(sql)
    await sql.execute("DELETE FROM outbox")
    assert await Rescans(database, [stub]).ask() == 0
    stub.number = "2"
    stub.findings = [finding("high", "rule", "a.txt", "it is bad")]
    before = await evidence_of(sql, digest)
    assert await Rescans(database, [stub]).ask() == 1
    await Outbox(database, enqueue).relay()
    assert await work.scan(sql) == 1
    row = (await work.seen(digest))["stub"]
    assert (row.state, row.worst, row.version) == ("found", "high", "2")
    assert await evidence_of(sql, digest) > before


async def test_a_scanner_with_a_defect_fails_its_own_scan_only(
    work: Work, services: Services, sql: Sql, database: Database
) -> None:
    stub = Stub()
    stub.failure = KeyError("defect")
    work.use(stub, pickle_scanner())
    await switch_on(database)
    digest = await push(services, {"a.txt": b"a"})
    await work.describe(sql, digest)
    assert await work.scan(sql) == 1
    seen = await work.seen(digest)
    assert (seen["stub"].state, seen["stub"].problem) == ("failed", "the scanner failed at a defect (KeyError)")
    assert seen["pickle"].state == "clean"


async def test_scans_are_asked_for_by_somebody(work: Work, services: Services, sql: Sql, database: Database) -> None:
    stub = Stub()
    work.use(stub)
    digest = await push(services, {"a.txt": b"a"})
    await work.describe(sql, digest)
    requests = ScanRequests(database, ["stub"])
    assert await requests.ask(parse_target(NAME), again=False) == 0
    assert await requests.ask(parse_target(NAME), digest) == 1
    with pytest.raises(ManifestUnknown):
        await requests.ask(parse_target(NAME), Digest.of(b"none"))
    with pytest.raises(NameUnknown):
        await requests.ask(parse_target("team/none"))
    await Outbox(database, enqueue).relay()
    assert await work.scan(sql) == 1
    assert await requests.ask(parse_target("team")) == 1
    await Outbox(database, enqueue).relay()
    await work.scan(sql)
    assert stub.scanned == 2


async def test_quarantine_follows_what_is_found_and_a_release_holds_for_what_was_known(
    work: Work, services: Services, sql: Sql, database: Database
) -> None:
    stub = Stub()
    work.use(stub)
    await switch_on(database)
    digest = await push(services, {"a.txt": b"a"})
    await work.describe(sql, digest)
    stub.findings = [finding("medium", "rule", "a.txt", "it is so so")]
    await work.scan(sql)
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
        await Outbox(database, enqueue).relay()
        await work.scan(sql)

    assert (await quarantine.decide("team", "high", actor=OPERATOR))[1] == 0
    assert (await state(), await policies_see()) == (None, "clean")
    before = await evidence_of(sql, digest)
    assert (await quarantine.decide(NAME, "medium", actor=OPERATOR))[1] == 1
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
