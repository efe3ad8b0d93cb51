"""What was found out of artifacts, published beside them where their repository asks for that."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from mediatypes.digest import Digest
from mediatypes.oci import IMAGE_MANIFEST
from registry.compose.verbs import create_services
from registry.config import Settings
from registry.core import publication as publication_module
from registry.core.audit import SYSTEM
from registry.core.digests import Digests
from registry.core.extraction import Extraction
from registry.core.jobs import PUBLISH, Jobs
from registry.core.pace import Pace
from registry.core.publication import Publication
from registry.core.scanning import Scanning
from registry.core.services import Services
from registry.core.switches import Switch, Switches
from registry.db import publications, switches
from registry.db.jobs import BegunJob
from registry.db.pool import Connection, Database
from registry.db.queue import enqueue
from registry.jobs.describing import describing
from registry.jobs.publishing import publishing
from registry.sandbox import Sandbox
from registry.storage.base import BlobStore
from tests.actors import OPERATOR
from tests.core.support import NAME, image, own_referrers, push_blob, push_manifest, read_blob
from tests.core.test_extraction import CARD, WEIGHTS, push, safetensors, tar

Sql = asyncpg.Connection
TENSOR_INDEX = "application/vnd.blacklake.tensorindex.v1+json"


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    made = Sandbox("registry.reading:answer")
    yield made
    await made.close()


class Work:
    """Does jobs as a worker does, one after another, and leaves the queue alone."""

    def __init__(self, db: Database, store: BlobStore, sandbox: Sandbox, services: Services) -> None:
        self._db = db
        self._jobs = Jobs(db)
        self._extraction = Extraction(db, store, sandbox, services.conformance, services.blobs)
        self._digests = Digests(db, store, enqueue, Pace(1_000_000_000))
        self._scanning = Scanning(db, store, sandbox, (), enqueue)
        self.publication = Publication(db, own_referrers(db, services), enqueue)

    async def describe(self, sql: Sql, digest: Digest) -> None:
        await sql.execute("DELETE FROM outbox")
        job = await self._job(sql, "describe", digest)
        await describing(self._extraction, self.publication, self._digests, self._scanning, self._jobs)(job)

    async def publish(self, sql: Sql) -> int:
        """Do what is to be published, and return how many jobs that were."""
        rows = await sql.fetch("SELECT id FROM jobs WHERE kind = $1 AND state = 'queued'", PUBLISH)
        for row in rows:
            begun = await self._jobs.begin(row["id"])
            assert begun is not None
            await publishing(self.publication, self._jobs)(begun)
        return len(rows)

    async def _job(self, sql: Sql, kind: str, digest: Digest) -> BegunJob:
        job_id = await sql.fetchval(
            "INSERT INTO jobs (kind, repository_id, digest) SELECT $1, repository_id, digest FROM manifests"
            " WHERE digest = $2 RETURNING id",
            kind,
            digest.to_bytes(),
        )
        begun = await self._jobs.begin(job_id)
        assert begun is not None
        return begun


@pytest.fixture
def work(database: Database, store: BlobStore, sandbox: Sandbox, services: Services) -> Work:
    return Work(database, store, sandbox, services)


async def decide(db: Database, target: str, *, is_on: bool = True) -> None:
    await Switches(db).decide(Switch.PUBLISH, target, is_on=is_on, actor=OPERATOR)


async def referrers(services: Services, subject: Digest) -> list[dict[str, Any]]:
    page = await services.referrers.page(NAME, subject, artifact_type=None, after=None, limit=None)
    return [json.loads(item) for item in page.items]


async def index_of(services: Services, referrer: dict[str, Any]) -> dict[str, Any]:
    """Return what a tensor index holds."""
    stored = await services.manifests.resolve(NAME, Digest.parse(referrer["digest"]))
    (layer,) = json.loads(stored.content)["layers"]
    assert layer["mediaType"] == TENSOR_INDEX
    document: dict[str, Any] = json.loads(await read_blob(services, Digest.parse(layer["digest"])))
    assert (document["schema"], document["schemaVersion"]) == ("blacklake/tensor-index", "1.0.0")
    spec: dict[str, Any] = document["spec"]
    return spec


async def test_nothing_is_published_where_nobody_asks_for_it(
    work: Work, services: Services, sql: Sql, database: Database
) -> None:
    await decide(database, "team/other")
    await decide(database, "team/model-but-another*")
    digest = await push(services, {"model.safetensors": WEIGHTS})
    await work.describe(sql, digest)
    assert await work.publish(sql) == 0
    assert await referrers(services, digest) == []


async def test_the_tensor_index_becomes_a_referrer_by_the_registry_itself_and_no_work_follows(
    work: Work, services: Services, sql: Sql, database: Database
) -> None:
    await decide(database, "team/*")
    digest = await push(services, {"b.safetensors": safetensors(b=("F32", [3])), "a.safetensors": WEIGHTS})
    await work.describe(sql, digest)
    assert await work.publish(sql) == 1
    (referrer,) = await referrers(services, digest)
    assert (referrer["artifactType"], referrer["mediaType"]) == (TENSOR_INDEX, IMAGE_MANIFEST)
    spec = await index_of(services, referrer)
    assert spec["tensors"] == 3
    assert [file["path"] for file in spec["files"]] == ["a.safetensors", "b.safetensors"]
    embed = spec["files"][0]["tensors"][0]
    assert embed == {
        "name": "embed",
        "dtype": "bfloat16",
        "shape": [100, 8],
        "offset": len(WEIGHTS) - 1632,
        "size": 1600,
    }
    events = await sql.fetch("SELECT action, target FROM audit_inbox WHERE principal = $1", SYSTEM.principal)
    assert sorted(row["action"] for row in events) == ["blob.push", "manifest.push"]  # the empty config was there
    assert f"{NAME}@{referrer['digest']}" in {row["target"] for row in events}
    assert await sql.fetchval("SELECT count(*) FROM outbox") == 0
    assert await sql.fetchval("SELECT count(*) FROM jobs WHERE state <> 'done'") == 0


async def test_the_same_index_is_published_once_and_a_newer_one_replaces_it(
    work: Work, services: Services, sql: Sql, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    await decide(database, NAME)
    digest = await push(services, {"model.safetensors": WEIGHTS})
    theirs = await push_manifest(services, image(await push_blob(services, b"{}"), subject=digest), "theirs")
    await work.describe(sql, digest)
    await work.publish(sql)
    first = await referrers(services, digest)
    assert len(first) == 2
    events = await sql.fetchval("SELECT count(*) FROM audit_inbox")
    await work.describe(sql, digest)
    assert await work.publish(sql) == 1
    assert await referrers(services, digest) == first
    assert await sql.fetchval("SELECT count(*) FROM audit_inbox") == events
    read = publication_module._index
    monkeypatch.setattr(publication_module, "_index", lambda tensors: read(tensors) + b"\n")
    await work.describe(sql, digest)
    await work.publish(sql)
    second = [one["digest"] for one in await referrers(services, digest)]
    assert len(second) == 2
    assert str(theirs) in second
    assert set(second) != {one["digest"] for one in first}
    assert await sql.fetchval("SELECT count(*) FROM publications") == 1


async def test_nothing_is_published_of_what_is_gone(
    work: Work, services: Services, sql: Sql, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    await decide(database, NAME)
    digest = await push(services, {"model.safetensors": WEIGHTS})
    await work.describe(sql, digest)
    read = publications.tensors

    async def delete(conn: Connection, **more: Any) -> Any:
        found = await read(conn, **more)
        await services.manifests.delete(NAME, digest)
        return found

    monkeypatch.setattr(publications, "tensors", delete)
    assert await work.publish(sql) == 1
    assert await sql.fetchval("SELECT count(*) FROM manifests") == 0
    assert await sql.fetchval("SELECT count(*) FROM publications") == 0
    assert await sql.fetchval("SELECT count(*) FROM jobs WHERE state <> 'done'") == 0


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ((), False),
        ((("team/*", True), ("team/model", False)), False),
        ((("team", False), ("team/m*", True)), True),
        ((("team/model*", True), ("team/*", False)), True),
        ((("team/model*", False), ("team/model", True)), True),
        ((("team/model", True), ("team/model", False)), False),
        ((("team", True),), True),
        ((("library/model", True), ("other", True)), False),
        ((("team/mod", True), ("team/model/more*", True)), False),
    ],
)
async def test_the_most_specific_rule_decides(
    rules: tuple[tuple[str, bool], ...], expected: bool, services: Services, sql: Sql, database: Database
) -> None:
    for target, is_on in rules:
        await decide(database, target, is_on=is_on)
    await push_blob(services, b"{}")
    repository_id = await sql.fetchval("SELECT id FROM repositories")
    found = await database.read("look", lambda conn: switches.is_on(conn, Switch.PUBLISH, repository_id=repository_id))
    assert found is expected


async def test_what_was_switched_off_meanwhile_is_not_published(
    work: Work, services: Services, sql: Sql, database: Database
) -> None:
    await decide(database, NAME)
    digest = await push(services, {"model.safetensors": WEIGHTS})
    without = await push(services, {"README.md": CARD}, tag="card")
    await work.describe(sql, without)
    await work.describe(sql, digest)
    await decide(database, NAME, is_on=False)
    assert await work.publish(sql) == 1
    assert await referrers(services, digest) == []


async def test_an_older_index_stays_where_nothing_may_be_deleted(
    database: Database,
    store: BlobStore,
    sandbox: Sandbox,
    database_url: str,
    sql: Sql,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    services = create_services(Settings(database_url=database_url, delete="off"), database, store)
    work = Work(database, store, sandbox, services)
    await decide(database, NAME)
    digest = await push(services, {"model.safetensors": WEIGHTS})
    read = publication_module._index
    for number in range(2):
        monkeypatch.setattr(publication_module, "_index", lambda tensors, number=number: read(tensors) + b" " * number)
        await work.describe(sql, digest)
        await work.publish(sql)
    assert len(await referrers(services, digest)) == 2
    assert await sql.fetchval("SELECT count(*) FROM publications") == 2


async def test_files_in_archives_have_the_paths_that_they_have_in_the_artifact(
    work: Work, services: Services, sql: Sql, database: Database
) -> None:
    await decide(database, NAME)
    layer = tar(model__safetensors=WEIGHTS)
    digest = await push(services, {"checkpoint": layer}, media_type="application/vnd.oci.image.layer.v1.tar")
    await work.describe(sql, digest)
    await work.publish(sql)
    (referrer,) = await referrers(services, digest)
    path = await sql.fetchval("SELECT path FROM artifact_files")
    assert [file["path"] for file in (await index_of(services, referrer))["files"]] == [path]


async def test_nothing_is_asked_for_where_a_blob_has_tensors_only_as_another_artifact_reads_it(
    work: Work, services: Services, sql: Sql, database: Database
) -> None:
    await decide(database, NAME)
    await Switches(database).decide(Switch.DIGESTS, NAME, is_on=True, actor=OPERATOR)
    layer = tar(model__safetensors=WEIGHTS)
    unpacked = await push(services, {"all": layer}, media_type="application/vnd.oci.image.layer.v1.tar")
    as_it_is = await push(services, {"all.tar": layer}, tag="file")
    for digest, asked in ((unpacked, ["digest", "publish"]), (as_it_is, [])):
        await work.describe(sql, digest)
        rows = await sql.fetch("DELETE FROM jobs WHERE kind <> 'describe' RETURNING kind")
        assert sorted(row["kind"] for row in rows) == asked


async def test_nothing_is_published_of_a_blob_that_another_repository_holds(
    work: Work, services: Services, sql: Sql, database: Database
) -> None:
    """A layer that need not be there may name the digest of anything."""
    await decide(database, NAME)
    theirs = tar(theirs__safetensors=safetensors(secret=("F32", [3])))
    first = await push(services, {"theirs": theirs}, media_type="application/vnd.oci.image.layer.v1.tar")
    await work.describe(sql, first)
    await sql.execute("DELETE FROM repository_blobs WHERE digest = $1", Digest.of(theirs).to_bytes())
    own = tar(model__safetensors=WEIGHTS)
    await push_blob(services, own)
    config = await push_blob(services, b"{}")
    layers = [
        {"mediaType": media_type, "digest": str(Digest.of(content)), "size": len(content)}
        for media_type, content in (
            ("application/vnd.oci.image.layer.v1.tar", own),
            ("application/vnd.oci.image.layer.nondistributable.v1.tar", theirs),
        )
    ]
    document = json.loads(image(config)) | {"layers": layers, "artifactType": "application/vnd.example.model"}
    digest = await push_manifest(services, json.dumps(document).encode())
    await work.describe(sql, digest)
    await work.publish(sql)
    (referrer,) = await referrers(services, digest)
    assert "secret" not in json.dumps(await index_of(services, referrer))


async def test_too_many_tensors_are_not_published_and_that_is_told_as_a_problem_of_the_artifact(
    work: Work, services: Services, sql: Sql, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    await decide(database, NAME)
    monkeypatch.setattr(publication_module, "_MOST_TENSORS", 1)
    digest = await push(services, {"model.safetensors": WEIGHTS})
    said = "its tensor index is not published: it has 2 tensors, and of more than 1 none is"
    for _ in range(2):
        await work.describe(sql, digest)
        assert await work.publish(sql) == 1
        assert await referrers(services, digest) == []
        assert tuple(await sql.fetchrow("SELECT problem, is_complete FROM artifacts")) == (said, True)
    await sql.execute("UPDATE jobs SET state = 'queued' WHERE id = (SELECT max(id) FROM jobs WHERE kind = 'publish')")
    await work.publish(sql)
    assert await sql.fetchval("SELECT problem FROM artifacts") == said
    monkeypatch.setattr(publication_module, "_MOST_TENSORS", 2)
    await work.describe(sql, digest)
    await work.publish(sql)
    assert len(await referrers(services, digest)) == 1
    assert await sql.fetchval("SELECT problem FROM artifacts") is None
