"""What is found out of an artifact that was pushed, and kept."""

from __future__ import annotations

import gzip
import io
import json
import posixpath
import struct
import tarfile
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import asyncpg
import pytest

from mediatypes.digest import Digest
from mediatypes.files import tensor_index
from mediatypes.models.artifact import Artifact, Description
from mediatypes.models.formats import recognise
from mediatypes.oci import IMAGE_INDEX, IMAGE_MANIFEST
from registry.compose.verbs import create_services
from registry.config import Settings
from registry.core import extraction as extraction_module
from registry.core import layer_readings
from registry.core.conformance import Mode
from registry.core.described import newest
from registry.core.extraction import Extraction
from registry.core.identities import Identities
from registry.core.schemas import Schemas
from registry.core.services import Services
from registry.db import described, outbox
from registry.db.pool import Connection, Database
from registry.sandbox import Sandbox
from registry.storage.base import BlobStore
from tests.actors import OPERATOR
from tests.core.support import NAME, WrappedStore, push_blob, push_manifest, read_blob
from tests.schemas.making import written

Sql = asyncpg.Connection
EMPTY = "application/vnd.oci.empty.v1+json"
TITLE = "org.opencontainers.image.title"


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    made = Sandbox("registry.reading:answer")
    yield made
    await made.close()


@pytest.fixture
def extraction(database: Database, store: BlobStore, sandbox: Sandbox, services: Services) -> Extraction:
    return Extraction(database, store, sandbox, services.conformance, services.blobs)


async def describe(extraction: Extraction, sql: Sql, digest: Digest) -> None:
    repository_id = await sql.fetchval("SELECT repository_id FROM manifests WHERE digest = $1", digest.to_bytes())

    async def tell(total: int, progress: int) -> None:
        assert 0 <= progress <= total

    async def also(conn: Connection) -> None:
        pass

    await extraction.describe(repository_id, digest.to_bytes(), tell=tell, also=also)


async def artifact_of(sql: Sql, digest: Digest) -> dict[str, Any]:
    row = await sql.fetchrow("SELECT * FROM artifacts WHERE digest = $1", digest.to_bytes())
    assert row is not None
    return {**row, "values": json.loads(row["record"])["values"], "sources": json.loads(row["record"])["sources"]}


def safetensors(**tensors: tuple[str, list[int]]) -> bytes:
    """Return a file with tensors of zeros, each of a dtype and a shape."""
    sizes = {"F32": 4, "BF16": 2}
    header: dict[str, object] = {}
    offset = 0
    for name, (dtype, shape) in tensors.items():
        size = sizes[dtype]
        for length in shape:
            size *= length
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [offset, offset + size]}
        offset += size
    head = json.dumps(header).encode()
    return struct.pack("<Q", len(head)) + head + bytes(offset)


def tar(**files: bytes) -> bytes:
    """Return an archive of files, by names in which `__` stands for a point."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name.replace("__", "."))
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return made.getvalue()


async def push(
    services: Services,
    files: dict[str, bytes],
    *,
    tag: str = "v1",
    media_type: str = "application/octet-stream",
    **more: Any,
) -> Digest:
    """Push files as ORAS does, each a layer with its title."""
    layers = []
    for name, content in files.items():
        digest = await push_blob(services, content)
        layers.append(
            {"mediaType": media_type, "digest": str(digest), "size": len(content), "annotations": {TITLE: name}}
        )
    config = await push_blob(services, b"{}")
    manifest = {
        "schemaVersion": 2,
        "mediaType": IMAGE_MANIFEST,
        "artifactType": "application/vnd.example.model",
        "config": {"mediaType": EMPTY, "digest": str(config), "size": 2},
        "layers": layers,
        **more,
    }
    return await push_manifest(services, json.dumps(manifest).encode(), tag)


HARMFUL = b"cos\nsystem\n(S'true'\ntR."  # a pickle that runs a command when it is loaded
WEIGHTS = safetensors(embed=("BF16", [100, 8]), norm=("F32", [8]))
CONFIG = json.dumps(
    {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "max_position_embeddings": 4096}
).encode()
CARD = (
    b"---\nlicense: apache-2.0\npipeline_tag: text-generation\nbase_model: meta/llama\ndatasets: [c4]\n---\n# A model\n"
)


async def test_files_of_a_model_make_one_record_that_says_whence_each_fact_is(
    extraction: Extraction, services: Services, sql: Sql
) -> None:
    digest = await push(services, {"model.safetensors": WEIGHTS, "config.json": CONFIG, "README.md": CARD})
    await describe(extraction, sql, digest)
    found = await artifact_of(sql, digest)
    assert (found["kind"], found["weights_format"], found["architecture"]) == (
        "model",
        "safetensors",
        "LlamaForCausalLM",
    )
    assert (found["parameters"], found["context_length"], found["family"]) == (808, 4096, "llama")
    assert (found["licenses"], found["tasks"]) == (["Apache-2.0"], ["text-generation"])
    assert (found["base_models"], found["datasets"]) == (["meta/llama"], ["c4"])
    assert (found["is_complete"], found["problem"]) == (True, None)
    assert found["sources"]["parameters"] == [{"provenance": "header", "at": "model.safetensors"}]
    assert found["sources"]["licenses"][0]["provenance"] == "card"
    files = await sql.fetch("SELECT path, size, start, role, format FROM artifact_files ORDER BY path")
    assert [(row["path"], row["start"], row["role"]) for row in files] == [
        ("README.md", 0, "documentation"),
        ("config.json", 0, "config"),
        ("model.safetensors", 0, "weights"),
    ]


async def test_the_tensors_of_a_file_are_kept_in_an_index(extraction: Extraction, services: Services, sql: Sql) -> None:
    digest = await push(services, {"model.safetensors": WEIGHTS})
    await describe(extraction, sql, digest)
    row = await sql.fetchrow("SELECT path, tensors, content FROM tensor_indexes")
    assert (row["path"], row["tensors"]) == ("", 2)
    tensors = tensor_index.unpacked(row["content"])
    assert [(one.name, one.dtype, one.shape, one.size) for one in tensors] == [
        ("embed", "bfloat16", (100, 8), 1600),
        ("norm", "float32", (8,), 32),
    ]
    offset = tensors[1].offset
    assert offset == len(WEIGHTS) - 32


@pytest.mark.parametrize(("packing", "pack"), [("tar", bytes), ("tar+gzip", gzip.compress)])
async def test_files_in_archives_are_read_where_they_are(
    packing: str, pack: Any, extraction: Extraction, services: Services, sql: Sql
) -> None:
    layer = pack(tar(model__safetensors=WEIGHTS, config__json=CONFIG))
    digest = await push(services, {"checkpoint": layer}, media_type=f"application/vnd.oci.image.layer.v1.{packing}")
    await describe(extraction, sql, digest)
    found = await artifact_of(sql, digest)
    assert (found["parameters"], found["architecture"]) == (808, "LlamaForCausalLM")
    rows = await sql.fetch("SELECT path, packing, start, size FROM artifact_files ORDER BY path")
    assert [row["path"].rpartition("/")[2] for row in rows] == ["config.json", "model.safetensors"]
    assert {row["packing"] for row in rows} == {packing}
    start = rows[1]["start"]
    expanded = layer if packing == "tar" else gzip.decompress(layer)
    assert expanded[start : start + rows[1]["size"]] == WEIGHTS
    assert await sql.fetchval("SELECT path FROM tensor_indexes") == "model.safetensors"


@pytest.mark.parametrize("directory", ["", "models/first"])
async def test_what_was_read_of_a_file_is_found_by_its_path_in_the_artifact_wherever_it_lies(
    directory: str,
    extraction: Extraction,
    services: Services,
    sql: Sql,
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def recognised(artifact: Artifact) -> tuple[Any, Description]:
        """Return what a format says of an artifact whose archives lie in a directory."""
        form, found = recognise(artifact)
        layers = [replace(one, path=one.path or directory) for one in found.layers]
        return form, replace(found, layers=layers)

    monkeypatch.setattr(extraction_module, "recognise", recognised)
    archive = tar(model__safetensors=WEIGHTS, first__pkl=HARMFUL)
    long = f"{'d' * 1020}.pkl"
    layers = []
    for name, content in (("", archive), (long, HARMFUL), ("own.safetensors", WEIGHTS)):
        blob = await push_blob(services, content)
        packing = "application/octet-stream" if name else "application/vnd.oci.image.layer.v1.tar"
        layers.append({"mediaType": packing, "digest": str(blob), "size": len(content), "annotations": {TITLE: name}})
    digest = await push(services, {}, layers=layers)
    await describe(extraction, sql, digest)
    place = {"repository_id": await sql.fetchval("SELECT id FROM repositories"), "digest": digest.to_bytes()}
    inside = [posixpath.join(directory, name) for name in ("first.pkl", "model.safetensors")]
    tensors = await database.read(
        "look",
        lambda conn: described.tensors(conn, since="", path=None, limit=9, with_digests=False, **place),
    )
    assert [(row.path, row.tensors) for row in tensors] == [(inside[1], 2), ("own.safetensors", 2)]
    findings = await database.read("look", lambda conn: described.findings(conn, limit=9, **place))
    assert {(one.path, one.level) for one in findings} == {(inside[0], "dangerous"), (long, "dangerous")}
    read = await database.read("look", lambda conn: described.read_of_files(conn, after="", limit=9, **place))
    assert {path: (file or {}).get("format") for path, file in read} == {
        inside[0]: "pickle",
        inside[1]: "safetensors",
        long: "pickle",
        "own.safetensors": "safetensors",
    }


async def test_shards_of_a_model_are_counted_together(extraction: Extraction, services: Services, sql: Sql) -> None:
    shards = {
        "model-00001-of-00002.safetensors": safetensors(a=("F32", [10])),
        "model-00002-of-00002.safetensors": safetensors(b=("F32", [32])),
        "other.safetensors": safetensors(c=("F32", [1000])),
    }
    digest = await push(services, shards)
    await describe(extraction, sql, digest)
    found = await artifact_of(sql, digest)
    assert (found["parameters"], found["values"]["tensors"]) == (42, 2)


async def test_a_blob_is_read_once_for_all_artifacts_and_again_by_newer_readers(
    database: Database,
    store: BlobStore,
    sandbox: Sandbox,
    settings: Settings,
    sql: Sql,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reads = []

    async def note(moment: str, call: str) -> None:
        if (moment, call) == ("before", "read"):
            reads.append(call)

    counted = WrappedStore(store, note)
    services = create_services(settings, database, counted)
    extraction = Extraction(database, counted, sandbox, services.conformance, services.blobs)
    first = await push(services, {"model.safetensors": WEIGHTS}, tag="v1")
    second = await push(services, {"model.safetensors": WEIGHTS}, tag="v2", annotations={"note": "another"})
    renamed = await push(services, {"model.txt": WEIGHTS}, tag="v3")
    config = 1  # is read each time
    await describe(extraction, sql, first)
    assert len(reads) == config + 1
    await describe(extraction, sql, second)
    assert len(reads) == 2 * config + 1
    assert (await artifact_of(sql, second))["parameters"] == 808
    await describe(extraction, sql, renamed)  # readers go by the name, too
    assert len(reads) > 3 * config + 1
    reads.clear()
    monkeypatch.setattr(layer_readings, "READERS_VERSION", layer_readings.READERS_VERSION + 1)
    await describe(extraction, sql, first)
    assert len(reads) == config + 1
    assert await sql.fetchval("SELECT version FROM readings WHERE manner = 'raw:model.safetensors'") == (
        layer_readings.READERS_VERSION
    )


async def test_an_older_version_beside_a_newer_one_leaves_what_that_has_read(
    extraction: Extraction, services: Services, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = await push(services, {"model.safetensors": WEIGHTS})
    await describe(extraction, sql, digest)
    await sql.execute("UPDATE tensor_indexes SET content = 'newer', digests = 'newer'")
    monkeypatch.setattr(extraction_module, "READERS_VERSION", extraction_module.READERS_VERSION - 1)
    await describe(extraction, sql, digest)
    assert (await artifact_of(sql, digest))["parameters"] == 808
    assert await sql.fetchval("SELECT digests FROM tensor_indexes") == b"newer"
    assert await sql.fetchval("SELECT version FROM readings") == extraction_module.READERS_VERSION + 1


async def test_a_file_that_is_refused_is_said_so_and_the_others_count(
    extraction: Extraction, services: Services, sql: Sql
) -> None:
    broken = struct.pack("<Q", 1 << 60) + b"{}"
    digest = await push(services, {"broken.safetensors": broken, "config.json": CONFIG})
    await describe(extraction, sql, digest)
    found = await artifact_of(sql, digest)
    assert found["architecture"] == "LlamaForCausalLM"
    assert (found["is_complete"], found["finding"]) == (False, "unread")  # it is not said to be harmless
    assert found["problem"].startswith("the file broken.safetensors ")


async def test_what_is_absent_of_a_sparse_manifest_is_said(
    database: Database, store: BlobStore, sandbox: Sandbox, database_url: str, sql: Sql
) -> None:
    services = create_services(Settings(database_url=database_url, sparse="allow"), database, store)
    absent = Digest.of(b"absent")
    digest = await push(services, {"config.json": CONFIG})
    manifest = json.loads(await sql.fetchval("SELECT content FROM manifests WHERE digest = $1", digest.to_bytes()))
    manifest["layers"].append(
        {"mediaType": "x/y", "digest": str(absent), "size": 6, "annotations": {TITLE: "model.safetensors"}}
    )
    sparse = await push_manifest(services, json.dumps(manifest).encode(), "sparse")
    await describe(Extraction(database, store, sandbox, services.conformance, services.blobs), sql, sparse)
    found = await artifact_of(sql, sparse)
    assert found["architecture"] == "LlamaForCausalLM"
    assert found["problem"] == "the file model.safetensors is not in the repository"


async def test_an_index_is_what_its_children_are_which_are_described_first(
    extraction: Extraction, services: Services, sql: Sql
) -> None:
    children = [
        await push(services, {"model.safetensors": WEIGHTS}, tag="one"),
        await push(services, {"config.json": CONFIG, "w.safetensors": WEIGHTS}, tag="two"),
    ]
    index = {
        "schemaVersion": 2,
        "mediaType": IMAGE_INDEX,
        "manifests": [{"mediaType": IMAGE_MANIFEST, "digest": str(child), "size": 1} for child in children],
        "annotations": {"org.opencontainers.image.licenses": "MIT"},
    }
    digest = await push_manifest(services, json.dumps(index).encode(), "all")
    await describe(extraction, sql, digest)
    found = await artifact_of(sql, digest)
    assert (found["kind"], found["format"]) == ("model", "index")
    assert (found["parameters"], found["architecture"], found["licenses"]) == (808, "LlamaForCausalLM", ["MIT"])
    assert await sql.fetchval("SELECT count(*) FROM artifacts") == 3


async def test_a_manifest_that_is_deleted_meanwhile_leaves_nothing(
    database: Database, store: BlobStore, sandbox: Sandbox, settings: Settings, sql: Sql
) -> None:
    services = create_services(settings, database, store)
    digest = await push(services, {"config.json": CONFIG})
    repository_id = await sql.fetchval("SELECT id FROM repositories")
    finished = []

    async def delete(moment: str, call: str) -> None:
        if call == "read":
            await sql.execute("DELETE FROM manifests WHERE digest = $1", digest.to_bytes())

    async def tell(total: int, progress: int) -> None:
        pass

    async def also(conn: Connection) -> None:
        finished.append(digest)

    slow = Extraction(database, WrappedStore(store, delete), sandbox, services.conformance, services.blobs)
    await slow.describe(repository_id, digest.to_bytes(), tell=tell, also=also)
    await slow.describe(repository_id, digest.to_bytes(), tell=tell, also=also)
    assert finished == [digest] * 2
    assert await sql.fetchval("SELECT count(*) FROM artifacts") == 0


async def test_describing_again_changes_what_is_there_and_keeps_its_place(
    extraction: Extraction, services: Services, sql: Sql
) -> None:
    digest = await push(services, {"config.json": CONFIG, "model.safetensors": WEIGHTS})
    await describe(extraction, sql, digest)
    before = await artifact_of(sql, digest)
    await sql.execute("UPDATE artifacts SET family = 'odd', words = ''")
    await describe(extraction, sql, digest)
    after = await artifact_of(sql, digest)
    assert (after["id"], after["family"], after["words"]) == (before["id"], "llama", before["words"])
    assert await sql.fetchval("SELECT count(*) FROM artifact_files") == 2


async def test_metrics_are_numbers_that_can_be_compared(extraction: Extraction, services: Services, sql: Sql) -> None:
    card = b"""---
model-index:
- name: m
  results:
  - task: {type: text-classification}
    dataset: {name: imdb, type: imdb, split: test}
    metrics: [{type: accuracy, value: 0.93}, {type: f1, value: 0.9}]
---
"""
    digest = await push(services, {"README.md": card})
    await describe(extraction, sql, digest)
    rows = await sql.fetch("SELECT name, value, dataset FROM artifact_metrics ORDER BY name")
    assert [(row["name"], row["value"]) for row in rows] == [("accuracy", 0.93), ("f1", 0.9)]
    assert rows[0]["dataset"] is not None


async def test_a_dataset_has_a_number_of_rows_only_where_each_of_its_files_tells_its_own(
    extraction: Extraction, services: Services, sql: Sql
) -> None:
    short, long = b"a,b\n" + b"1,2\n" * 10, b"a,b\n" + b"1,2\n" * 300_000  # of which only the beginning is read
    files = {
        "counted": {"a.csv": short, "b.csv": short},
        "partly": {"a.csv": short, "b.csv": long},
        "not": {"a.csv": long},
    }
    for tag, rows in {"counted": 20, "partly": None, "not": None}.items():
        digest = await push(services, files[tag], tag=tag)
        await describe(extraction, sql, digest)
        found = await artifact_of(sql, digest)
        assert (found["kind"], found["rows"], found["values"].get("rows")) == ("dataset", rows, rows), tag


async def test_what_is_longer_than_an_index_takes_is_kept_all_the_same(
    extraction: Extraction, services: Services, sql: Sql
) -> None:
    long = "x" * 4000
    config = json.dumps({"architectures": [long], "model_type": long}).encode()
    digest = await push(services, {f"{'d' * 3000}/config.json": config, "config.json": config})
    await describe(extraction, sql, digest)
    found = await artifact_of(sql, digest)
    assert found["values"]["architecture"] == long
    assert len(found["architecture"]) == 255


async def test_texts_that_the_database_cannot_hold_are_kept_as_it_can(
    extraction: Extraction, services: Services, sql: Sql
) -> None:
    tensor = '{"dtype":"F32","shape":[1],"data_offsets":[%d,%d]}'
    header = f'{{"a\\u0000b":{tensor % (0, 4)},"c\\ud800":{tensor % (4, 8)}}}'.encode()
    weights = struct.pack("<Q", len(header)) + header + bytes(8)
    odd = {"a\\0b/model.safetensors": weights, f"{'lông' * 1000}.json": b"{}", "empty.safetensors": b""}
    digest = await push(services, odd, annotations={"org.opencontainers.image.title": "a\0b"})
    await describe(extraction, sql, digest)
    found = await artifact_of(sql, digest)
    assert found["kind"] == "model"
    assert await sql.fetchval("SELECT count(*) FROM artifact_files") == 3


def index_of(*children: Digest) -> bytes:
    manifests = [{"mediaType": IMAGE_MANIFEST, "digest": str(child), "size": 1} for child in children]
    return json.dumps({"schemaVersion": 2, "mediaType": IMAGE_INDEX, "manifests": manifests}).encode()


async def asked_for(sql: Sql) -> list[bytes]:
    """Return of which manifests a description was asked for, but for what was pushed, and forget that."""
    rows = await sql.fetch("DELETE FROM outbox RETURNING kind, digest")
    return [row["digest"] for row in rows if row["kind"] == outbox.DESCRIPTION_ASKED]


async def test_an_index_is_described_again_when_a_child_that_was_absent_is_described(
    database: Database, store: BlobStore, sandbox: Sandbox, database_url: str, sql: Sql
) -> None:
    services = create_services(Settings(database_url=database_url, sparse="index"), database, store)
    extraction = Extraction(database, store, sandbox, services.conformance, services.blobs)
    child = await push(services, {"model.safetensors": WEIGHTS}, tag="child")
    content = await sql.fetchval("SELECT content FROM manifests WHERE digest = $1", child.to_bytes())
    other = await push(services, {"README.md": CARD}, tag="other")
    await services.manifests.delete(NAME, child)
    index, outer = index_of(child, other), await push_manifest(services, index_of(other), "outer")
    digest = await push_manifest(services, index, "all")
    await describe(extraction, sql, outer)
    await describe(extraction, sql, digest)
    assert (await artifact_of(sql, digest))["problem"] == f"the manifest {child} is not in the repository"
    await sql.execute("DELETE FROM outbox")
    await push_manifest(services, content, "child")
    await describe(extraction, sql, child)
    assert await asked_for(sql) == [digest.to_bytes()]
    await describe(extraction, sql, digest)
    found = await artifact_of(sql, digest)
    assert (found["parameters"], found["problem"]) == (808, None)
    assert await asked_for(sql) == []  # no index names this one


async def test_a_child_that_is_what_it_was_asks_for_nothing(
    extraction: Extraction, services: Services, sql: Sql
) -> None:
    child = await push(services, {"config.json": CONFIG}, tag="child")
    inner = await push_manifest(services, index_of(child), "inner")
    outer = await push_manifest(services, index_of(inner), "outer")
    await describe(extraction, sql, outer)  # and all below, which it has then
    assert set(await asked_for(sql)) <= {inner.to_bytes()}
    for digest in (child, inner, outer):
        await describe(extraction, sql, digest)
        assert await asked_for(sql) == []
    await sql.execute("UPDATE artifacts SET record = '{}' WHERE digest = $1", child.to_bytes())
    await describe(extraction, sql, child)
    assert await asked_for(sql) == [inner.to_bytes()]


async def test_a_config_of_an_older_version_of_its_schema_is_read_as_one_of_the_newest(
    extraction: Extraction, services: Services, sql: Sql
) -> None:
    spec = {"run_id": "r1", "status": "FINISHED", "params": {"lr": 0.1}, "metrics": {"accuracy": 0.93}}
    config = json.dumps({"schema": "blacklake/experiment", "schemaVersion": "1.0.0", "spec": spec}).encode()
    digest = await push_experiment(services, config)
    await describe(extraction, sql, digest)
    found = await artifact_of(sql, digest)
    assert found["kind"] == "experiment"
    assert found["values"] == {
        "run": "r1",
        "status": "FINISHED",
        "hyperparameters": {"lr": 0.1},
        "metrics": [{"name": "accuracy", "value": 0.93}],
    }
    assert found["sources"]["run"] == [{"provenance": "config", "at": "config#/spec/run"}]
    assert await read_blob(services, Digest.of(config)) == config


@pytest.mark.parametrize(
    "document",
    [
        {"schema": "blacklake/experiment", "schemaVersion": "1.0.0", "spec": {"run_id": "r1", "metrics": [7]}},
        {"schema": "blacklake/experiment", "schemaVersion": ["1"], "spec": {"run_id": "r1"}},
        {"schema": "blacklake/experiment", "schemaVersion": "3.0.0", "spec": {"run_id": "r1"}},
        {"schema": "acme/experiment", "schemaVersion": "1.0.0", "spec": {"run_id": "r1", "params": 5}},
    ],
)
def test_a_config_that_is_of_no_older_version_is_read_as_it_stands(document: Any) -> None:
    before = json.dumps(document)
    found = newest(document)
    assert json.dumps(document) == before
    if document["schemaVersion"] == "1.0.0" and document["schema"].startswith("blacklake/"):
        assert found["spec"] == {"run": "r1", "metrics": [7]}
    else:
        assert found == document


async def push_experiment(services: Services, config: bytes) -> Digest:
    digest = await push_blob(services, config)
    media_type = "application/vnd.blacklake.experiment.config.v1+json"
    manifest = {
        "schemaVersion": 2,
        "mediaType": IMAGE_MANIFEST,
        "config": {"mediaType": media_type, "digest": str(digest), "size": len(config)},
        "layers": [],
    }
    return await push_manifest(services, json.dumps(manifest).encode(), "run")


async def test_a_record_is_judged_by_the_schemas_that_speak_of_records(
    extraction: Extraction, services: Services, database: Database, sql: Sql
) -> None:
    asked = written(
        "team/small", x_applies_to="record", properties={"parameters": {"maximum": 100}, "kind": {"const": "model"}}
    )
    await Identities(database).add_organisation("team", actor=OPERATOR)
    await Schemas(database).add(asked, actor=OPERATOR)
    await Schemas(database).bind(NAME, "team/small/1", Mode.ENFORCE, actor=OPERATOR)
    large = await push(services, {"model.safetensors": WEIGHTS})
    small = await push(services, {"model.safetensors": safetensors(a=("F32", [1]))}, tag="small")
    subject = {"mediaType": IMAGE_MANIFEST, "digest": str(small), "size": 1}
    attached = await push(services, {"model.safetensors": WEIGHTS}, tag="x", subject=subject)
    await sql.execute("DELETE FROM tags WHERE name = 'x'")
    for digest in (large, small, attached):
        await describe(extraction, sql, digest)
        await describe(extraction, sql, digest)
    page = await services.violations.page(before=None, limit=10)
    (found,) = page.items
    assert (found.repository, found.digest, found.mode) == (NAME, large.to_bytes(), "enforce")
    assert (found.applies_to, found.schema) == ("record", "urn:blacklake:schema:team/small:1.0.0")
    (violation,) = found.violations
    assert (violation["pointer"], violation["rule"]) == ("/parameters", "maximum")
    await Schemas(database).unbind(NAME, "team/small/1", actor=OPERATOR)
    await describe(extraction, sql, large)
    assert (await services.violations.page(before=None, limit=10)).items == []
