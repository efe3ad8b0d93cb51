"""Artifacts are scanned where their repository asks for that; what is found is kept, and nothing of it is ever run."""

from __future__ import annotations

import asyncpg

from mediatypes.digest import Digest
from registry.core.services import Services
from registry.db.pool import Database
from registry.scanners.content import pickle_scanner
from tests.core.scanning import EVIL, Work, sandboxes, switch_on, tgz, work, zipped
from tests.core.support import index, push_manifest
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
    assert set(work.changed) == {digest.to_bytes()}


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
