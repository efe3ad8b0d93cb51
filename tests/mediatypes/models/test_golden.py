"""Artifacts of each tool are recognised, and what they say is found where their formats have it."""

from __future__ import annotations

from pathlib import Path

import pytest

from mediatypes.models.formats import installed, recognise
from mediatypes.record import Kind, recorded
from tests.mediatypes.models.golden import FILES, artifact, golden


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_an_artifact_of_a_known_tool_is_described(path: Path) -> None:
    document = golden(path)
    format_, description = recognise(artifact(document))
    record = recorded(description.kind, format_.name, description.facts)
    layers = [" ".join(filter(None, (layer.packing, layer.role, layer.path))) for layer in description.layers]
    assert {
        "format": record.format,
        "kind": record.kind,
        "values": record.values,
        "layers": layers,
    } == document["expected"]
    assert record.sources.keys() == record.values.keys()
    assert description.problems == []


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_no_two_specific_formats_recognise_the_same_artifact(path: Path) -> None:
    document = golden(path)
    found = artifact(document)
    specific = [item.name for item in installed().formats if not item.is_generic and item.recognises(found)]
    generic = [item.name for item in installed().formats if item.is_generic and item.recognises(found)]
    assert len(specific) <= 1
    assert document["expected"]["format"] == [*specific, *generic][0]


def test_every_format_and_every_kind_has_a_file() -> None:
    expected = [golden(path)["expected"] for path in FILES]
    assert {item["format"] for item in expected} == {item.name for item in installed().formats}
    assert {item["kind"] for item in expected} == set(Kind)


def test_every_file_names_its_source() -> None:
    assert all(golden(path)["source"] for path in FILES)
    assert len(FILES) >= 30
