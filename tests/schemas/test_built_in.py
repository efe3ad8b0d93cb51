"""The schemas that come with Blacklake are what records, annotations and documents are."""

from __future__ import annotations

import json
from typing import Any

import pytest

from mediatypes.record import FIELDS, Fact, Kind, Provenance, Shape, recorded
from schemas import built_in
from schemas.migrations import MIGRATIONS, Migrations, NoMigration, Unnamed, read_envelope
from schemas.names import InvalidName, Version, parse_id, parse_name, parse_reference
from schemas.schema import Schema
from tests.schemas.making import told

SAMPLES: dict[Shape, Any] = {
    Shape.TEXT: "text",
    Shape.INTEGER: 5,
    Shape.TEXTS: ["text"],
    Shape.OBJECTS: [{"ref": "sha256:00", "name": "accuracy", "value": 0.5}],
    Shape.OBJECT: {"a": 1},
}


def newest(name: str) -> Schema:
    found = built_in.find(parse_reference(name))
    assert found is not None
    return built_in.schema(found)


@pytest.mark.parametrize(
    ("name", "kind"), [("model/1", Kind.MODEL), ("dataset/1", Kind.DATASET), ("experiment/2", Kind.EXPERIMENT)]
)
def test_a_record_of_all_fields_that_a_kind_has_conforms(name: str, kind: Kind) -> None:
    schema = newest(name)
    content = json.loads(built_in.contents()[schema.name])
    fields = set(content["properties"]) - {"kind"}
    assert fields <= set(FIELDS), "the names that every reader uses"
    odd = {"created": "2026-01-31T12:00:00Z", "input_types": ["text"], "output_types": ["image"], "status": "FINISHED"}
    facts = [Fact(field, odd.get(field, SAMPLES[FIELDS[field]]), Provenance.CONFIG, "") for field in sorted(fields)]
    values = recorded(kind, "modelpack", facts).values | {"kind": kind.value}
    assert schema.judge(values) == []
    assert len(schema.judge({"kind": "chart"})) == 1 + len(content["required"])
    for field in fields:
        assert schema.judge(values | {field: 7.5}) != [], f"{field} may be anything"


def test_every_field_is_of_a_schema() -> None:
    said = {name for content in built_in.contents().values() for name in json.loads(content)["properties"]}
    assert set(FIELDS) <= said


def test_annotations_of_the_image_specification() -> None:
    prefix, schema = "org.opencontainers.image.", newest("annotations/1")
    fine = {
        "created": "2026-01-31T12:00:00+01:00",
        "licenses": "(MIT OR Apache-2.0) AND BSD-3-Clause",
        "url": "https://x.example",
    }
    assert schema.judge({prefix + name: text for name, text in fine.items()} | {"com.example.other": "1"}) == []
    wrong = {"created": "today", "licenses": "MIT;GPL", "url": "x", "title": "", "base.digest": "sha256"}
    found = schema.judge({prefix + name: text for name, text in wrong.items()})
    assert {one.pointer for one in found} == {f"/annotations/{prefix}{name}" for name in wrong}


def test_a_version_is_found_by_what_is_meant() -> None:
    assert str(built_in.find(parse_reference("experiment/1"))) == "experiment/1.0.0"
    assert str(built_in.find(parse_reference("experiment/2.0.0"))) == "experiment/2.0.0"
    for nothing in ("experiment/3", "experiment/2.0.1", "none/1", "acme/experiment/1"):
        assert built_in.find(parse_reference(nothing)) is None


def test_names_are_read_as_they_are_written() -> None:
    assert str(parse_reference("acme/a.b-c/1")) == "acme/a.b-c/1"
    name = parse_name("acme/review/1.20.3")
    assert (str(name), name.version) == ("acme/review/1.20.3", Version(1, 20, 3))
    assert parse_id(name.urn) == name
    assert parse_id("urn:blacklake:schema:model:1.0.0").organisation == ""
    for text in ("", "review", "acme/review", "a/b/c/1.0.0", "acme/review/1.0", "acme/review/01.0.0", "Acme/review/1.0.0",
                 "acme/review/1.0.0-rc.1", "acme/../1.0.0", "acme/review/1.0.0\n", f"acme/{'x' * 300}/1.0.0"):  # fmt: skip
        with pytest.raises(InvalidName):
            parse_name(text)


# Documents of older versions

RUN_1 = {"run_id": "r1", "status": "FINISHED", "params": {"lr": 0.1}, "metrics": {"accuracy": 0.93, "f1": 0.9}}


def test_a_run_of_version_1_is_read_as_one_of_version_2() -> None:
    document = {"schema": "blacklake/experiment", "schemaVersion": "1.0.0", "spec": RUN_1}
    schema, spec = read_envelope(document)
    assert told(newest("experiment/1"), spec) == []
    before = json.dumps(spec)
    to = MIGRATIONS.newest(schema.path, schema.version.major)
    found = MIGRATIONS.migrated(schema.path, spec, major=schema.version.major, to=to)
    assert to == 2
    assert told(newest("experiment/2"), found) == []
    assert found == {
        "run": "r1",
        "status": "FINISHED",
        "hyperparameters": {"lr": 0.1},
        "metrics": [{"name": "accuracy", "value": 0.93}, {"name": "f1", "value": 0.9}],
    }
    assert json.dumps(spec) == before, "what was read stays as it is"
    assert MIGRATIONS.migrated("experiment", {"run_id": "r1"}, major=1, to=2) == {"run": "r1"}


def test_every_major_version_but_the_last_leads_to_the_next() -> None:
    majors: dict[str, set[int]] = {}
    for name in built_in.contents():
        majors.setdefault(name.path, set()).add(name.version.major)
    for path, found in majors.items():
        assert MIGRATIONS.newest(path, min(found)) == max(found), path


def test_ways_lead_over_several_versions_and_never_back() -> None:
    ways = Migrations()
    ways.step("x", 1)(lambda document: document | {"two": document.pop("one")})
    ways.step("x", 2)(lambda document: document | {"three": document.pop("two")})
    nested = {"one": {"deep": []}}
    found = ways.migrated("x", nested, major=1, to=3)
    assert found == {"three": {"deep": []}}
    found["three"]["deep"].append(1)
    assert nested == {"one": {"deep": []}}
    assert ways.migrated("x", nested, major=1, to=1) == nested
    for major, to in ((3, 4), (1, 4), (2, 1)):
        with pytest.raises(NoMigration):
            ways.migrated("x", {"one": 1, "two": 2}, major=major, to=to)
    with pytest.raises(ValueError, match="two ways"):
        ways.step("x", 1)(dict)


@pytest.mark.parametrize(
    "document",
    [None, [], {}, {"schema": 5, "spec": {}}, {"schema": "blacklake/model", "schemaVersion": "1.0.0"},
     {"schema": "blacklake/model", "schemaVersion": "1", "spec": {}}, {"schema": "../x", "schemaVersion": "1.0.0", "spec": {}}],
)  # fmt: skip
def test_a_document_that_names_no_schema_is_none(document: Any) -> None:
    with pytest.raises(Unnamed):
        read_envelope(document)
