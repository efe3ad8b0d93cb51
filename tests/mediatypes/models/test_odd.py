"""Odd manifests and configs never make a format fail: it says less then, and what it says the record can hold."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mediatypes.manifest import parse_manifest
from mediatypes.models.artifact import parse_artifact
from mediatypes.models.formats import recognise
from mediatypes.record import recorded
from tests.mediatypes.models.golden import FILES, golden
from tests.mediatypes.models.tables import modules
from tests.mediatypes.models.tables import places as table

ODD: Final[list[Any]] = [
    *(None, True, 0, -1, 1 << 70, 1.5, 1e308, "", " ", "x", "\0", "\ud800", "x" * 5000, "../x", "[", '["a"]', "1e999"),
    *([], {}, [[]], [None], [{}], ["x", 1, "x"], [{"name": "a"}] * 2, {"": None}, {"name": {"a": []}}, {"digest": []}),
    *(
        [{"name": 1, "path": [], "digest": {}}],
        [{"ref": 1, "digest": 2}],
        [{"name": "a", "value": 1 << 80}],
        ["x"] * 2000,
    ),
]
DOCUMENTS: Final = [golden(path) for path in FILES]
MEDIA_TYPES: Final = sorted(
    {
        found["mediaType"]
        for document in DOCUMENTS
        for found in (document["manifest"].get("config"), *document["manifest"].get("layers", []))
        if found
    }
)


def check(manifest: dict[str, Any], config: bytes | None) -> None:
    """Describe an artifact and raise what a format raised: `recognise` only reports that."""
    content = json.dumps(manifest).encode()
    parse_manifest(content, manifest["mediaType"])
    found, description = recognise(parse_artifact(content, config))
    assert description.problems == []
    record = recorded(description.kind, found.name, description.facts)
    json.dumps(record.values, allow_nan=False).encode()
    assert len(description.layers) in (0, len(manifest.get("layers", [])))


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the place of each value in a document, the document's own first."""
    yield path
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in children:
        yield from places(child, (*path, key))


def replaced(document: Any, path: tuple[Any, ...], value: Any) -> Any:
    if not path:
        return value
    changed = copy.deepcopy(document)
    parent = changed
    for key in path[:-1]:
        parent = parent[key]
    parent[path[-1]] = value
    return changed


@pytest.mark.parametrize("path", [path for path in FILES if "config" in golden(path)], ids=lambda path: path.stem)
def test_any_value_at_any_place_of_a_config_is_borne(path: Path) -> None:
    document = golden(path)
    for place in places(document["config"]):
        for odd in ODD:
            check(document["manifest"], json.dumps(replaced(document["config"], place, odd)).encode())


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_any_text_in_any_annotation_of_a_manifest_is_borne(path: Path) -> None:
    document = golden(path)
    config = json.dumps(document.get("config")).encode()
    for place in places(document["manifest"]):
        if len(place) > 1 and place[-2] == "annotations":
            for odd in ODD:
                text = odd if isinstance(odd, str) else json.dumps(odd)
                if not any("\ud800" <= char <= "\udfff" for char in text) or len(place) > 2:
                    check(replaced(document["manifest"], place, text), config)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_any_value_of_what_a_layer_has_beyond_the_specification_is_borne(path: Path) -> None:
    document = golden(path)
    config = json.dumps(document.get("config")).encode()
    for number in range(len(document["manifest"].get("layers", []))):
        for key in ("annotations", "from", "name", "data", "platform"):
            for odd in ODD:
                check(replaced(document["manifest"], ("layers", number, key), odd), config)


@pytest.mark.parametrize("name", sorted({document["expected"]["format"] for document in DOCUMENTS}))
def test_any_value_at_any_place_that_a_format_reads_is_borne(name: str) -> None:
    """The tables' places, also those that no golden config has, and all that leads there."""
    read = [place.at for module, names in modules().items() if name in names for place in table(module)]
    pointers = {
        pointer.rsplit("/", up)[0] for pointer in read if pointer.startswith("/") for up in range(pointer.count("/"))
    }
    for document in (document for document in DOCUMENTS if document["expected"]["format"] == name):
        for pointer in sorted(pointers):
            for odd in ODD:
                config = odd
                for step in reversed(pointer.split("/")[1:]):
                    config = {step: config}
                check(document["manifest"], json.dumps(config).encode())


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=20,
)
descriptors = st.fixed_dictionaries(
    {
        "mediaType": st.sampled_from(MEDIA_TYPES),
        "digest": st.sampled_from(["sha256:" + letter * 64 for letter in "0af"]),
        "size": st.integers(0, 1 << 40),
    },
    optional={
        "annotations": st.dictionaries(
            st.sampled_from(["org.opencontainers.image.title", "org.cncf.model.filepath", "olot.layer.content.name"]),
            st.text(max_size=20),
        )
        | json_values,
        "from": json_values,
        "name": json_values,
    },
)


@settings(max_examples=300, deadline=None)
@given(
    config=descriptors,
    layers=st.lists(descriptors, max_size=5),
    annotations=st.dictionaries(
        st.sampled_from(
            ["ai.blacklake.", "ai.blacklake.metric.", "ai.blacklake.base_model.", "org.opencontainers.image."]
        ).flatmap(lambda prefix: st.text("abcdefghijklmnopqrstuvwxyz_.", max_size=12).map(lambda name: prefix + name)),
        st.text(max_size=30) | json_values.map(json.dumps),
        max_size=5,
    ),
    document=json_values,
)
def test_any_mixture_of_known_types_is_borne(
    config: Any, layers: list[Any], annotations: dict[str, str], document: Any
) -> None:
    manifest = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": config,
        "layers": layers,
        "annotations": annotations,
    }
    check(manifest, json.dumps(document).encode())


@settings(max_examples=200, deadline=None)
@given(content=st.binary(max_size=200))
def test_any_bytes_as_a_config_are_borne(content: bytes) -> None:
    for document in DOCUMENTS[::7]:
        check(document["manifest"], content)
