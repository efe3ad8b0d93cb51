"""However much a manifest names, so much is told of an artifact and no more, and what is left out is said."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import asyncpg
import pytest

from mediatypes.digest import Digest
from registry.core import layer_readings
from registry.core.extraction import Extraction
from registry.core.room import Room
from registry.core.services import Services
from registry.db import described
from registry.db.pool import Database
from registry.sandbox import Sandbox
from registry.storage.base import BlobStore
from tests.core.test_extraction import HARMFUL, artifact_of, describe, push, safetensors, tar

Sql = asyncpg.Connection
TAR = "application/vnd.oci.image.layer.v1.tar"


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    made = Sandbox("registry.reading:answer")
    yield made
    await made.close()


@pytest.fixture
def extraction(database: Database, store: BlobStore, sandbox: Sandbox, services: Services) -> Extraction:
    return Extraction(database, store, sandbox, services.conformance, services.blobs)


def archive(number: int) -> bytes:
    return tar(**{f"{number}_{place}__txt": b"%d" % number for place in range(3)})


@pytest.mark.parametrize(
    ("bounds", "told", "left_out"),
    [
        ({"files": 4}, 4, f"from the layer {Digest.of(archive(1))} on 2 of its files and 2 layers are left out: "),
        ({"files": 6}, 6, f"from the layer {Digest.of(archive(2))} on 2 layers are left out: "),
        ({"files": 12}, 12, None),
        ({"tensors": 1}, 12, None),
    ],
)
async def test_so_many_files_are_told_of_an_artifact_each_time(
    bounds: dict[str, int],
    told: int,
    left_out: str | None,
    extraction: Extraction,
    services: Services,
    sql: Sql,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(layer_readings, "Room", partial(Room, **bounds))
    digest = await push(services, {name: archive(place) for place, name in enumerate("abcd")}, media_type=TAR)
    for _ in ("read", "known"):
        await describe(extraction, sql, digest)
        found = await artifact_of(sql, digest)
        assert await sql.fetchval("SELECT count(*) FROM artifact_files") == told
        assert found["is_complete"] is (left_out is None)
        assert (found["problem"] or "").startswith(left_out or "")
    read = {"a", "b", "c", "d"} if left_out is None else {"a", "b"}
    assert await sql.fetchval("SELECT count(*) FROM readings") == len(read)  # what finds no room is not read at all


async def test_layers_behind_too_many_tensors_are_left_out(
    extraction: Extraction, services: Services, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(layer_readings, "Room", partial(Room, tensors=2))
    weights = {f"{name}.safetensors": safetensors(**{name: ("F32", [1]), "x": ("F32", [1])}) for name in "abc"}
    digest = await push(services, weights)
    await describe(extraction, sql, digest)
    found = await artifact_of(sql, digest)
    assert found["problem"].startswith("from the layer b.safetensors on 2 layers are left out: ")
    assert found["finding"] == "unread"
    assert found["values"]["tensors"] == 2


async def test_no_more_bytes_of_readings_are_looked_at_than_there_is_room_for_known_or_not(
    extraction: Extraction, services: Services, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {name: archive(place) for place, name in enumerate("abcd")}
    digest = await push(services, files, media_type=TAR)
    await describe(extraction, sql, digest)
    one: int = await sql.fetchval("SELECT max(octet_length(reading::text)) FROM readings")
    held: list[dict[Any, Any]] = []
    known = extraction._readings._known

    async def noted(wanted: Any) -> Any:
        found = await known(wanted)
        held.append({**found})
        return found

    monkeypatch.setattr(extraction._readings, "_known", noted)
    monkeypatch.setattr(layer_readings, "Room", partial(Room, size=2 * one))
    monkeypatch.setattr(layer_readings, "MOST_BYTES", 2 * one)
    for outset in ("known", "read"):
        await describe(extraction, sql, digest)
        assert sum(row.reading is not None for row in held[-1].values()) == (2 if outset == "known" else 0)
        left_out = f"from the layer {Digest.of(files['c'])} on 2 layers are left out: "
        assert (await artifact_of(sql, digest))["problem"].startswith(left_out)
        assert await sql.fetchval("SELECT count(*) FROM artifact_files") == 6
        await sql.execute("DELETE FROM readings")


async def test_a_blob_with_many_names_is_read_once_for_each_reader_that_they_choose(
    extraction: Extraction, services: Services, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(layer_readings, "_MOST_NAMES", 2)
    content = HARMFUL + b"\n"
    harmless = [f"{number}/{name}" for name in ("notes.txt", "LICENSE", "README.md") for number in range(5)]
    names = [*harmless, "weights.pkl", "other.pkl"]
    digest = await push(services, {**dict.fromkeys(names, content), "config.json": b'{"model_type": "llama"}'})
    for _ in ("read", "known"):
        await describe(extraction, sql, digest)
        found = await artifact_of(sql, digest)
        assert (found["finding"], found["family"]) == ("dangerous", "llama")
        kept = {row["manner"] for row in await sql.fetch("SELECT manner FROM readings")}
        assert kept == {
            f"raw:{name}" for name in ("0/notes.txt", "0/LICENSE", "0/README.md", "weights.pkl", "config.json")
        }
        rows = await sql.fetch("SELECT path, manner, format FROM artifact_files ORDER BY path")
        assert [row["path"] for row in rows] == sorted([*names, "config.json"])
        assert {row["path"]: row["format"] for row in rows}["other.pkl"] == "pickle"
    place = {"repository_id": await sql.fetchval("SELECT id FROM repositories"), "digest": digest.to_bytes()}
    told = await extraction._db.read("look", lambda conn: described.findings(conn, limit=100, **place))
    assert {one.path for one in told} == {"weights.pkl", "other.pkl"}


async def test_where_it_cannot_be_found_out_which_readers_names_choose_that_is_said(
    extraction: Extraction, services: Services, sql: Sql, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(layer_readings, "_MOST_NAMES", 2)
    monkeypatch.setattr(layer_readings, "_BEGINNING", 0)
    digest = await push(services, dict.fromkeys(("a.txt", "b.txt", "c.pkl"), HARMFUL))
    await describe(extraction, sql, digest)
    found = await artifact_of(sql, digest)
    assert found["problem"] == (
        "the file a.txt is read by this one of its names: it needs more of its bytes read than a reader gets"
    )
    assert await sql.fetchval("SELECT count(*) FROM artifact_files") == 3


async def test_an_empty_file_may_have_any_number_of_names(
    extraction: Extraction, services: Services, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(layer_readings, "_MOST_NAMES", 2)
    digest = await push(services, {f"{name}/__init__.py": b"" for name in "abcd"})
    await describe(extraction, sql, digest)
    found = await artifact_of(sql, digest)
    assert (found["is_complete"], found["problem"]) == (True, None)
    assert await sql.fetchval("SELECT count(*) FROM artifact_files") == 4
    assert await sql.fetchval("SELECT count(*) FROM readings") == 1
