"""The manifest reader: whatever it accepts, it has read as any other reader of JSON would."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mediatypes.digest import Digest
from mediatypes.documents import MAX_DEPTH
from mediatypes.manifest import InvalidManifest, parse_manifest, referrer_descriptor
from mediatypes.oci import IMAGE_INDEX, IMAGE_MANIFEST, INDEX_TYPES, MANIFEST_TYPES, NON_DISTRIBUTABLE

TYPES = st.sampled_from(MANIFEST_TYPES)
MEDIA_TYPES = st.from_regex(r"\A[a-z]{1,8}/[a-z.+]{1,20}\Z") | st.sampled_from(sorted(NON_DISTRIBUTABLE))
DIGESTS = st.builds(Digest.of, st.binary(max_size=4), st.sampled_from(["sha256", "sha512"]))
ANNOTATIONS = st.dictionaries(st.text(max_size=8), st.text(max_size=8), max_size=3)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=10,
)
EXTRA = st.dictionaries(st.text("xyz.", min_size=1, max_size=8), VALUES, max_size=3)


def descriptors(media_types: st.SearchStrategy[str] = MEDIA_TYPES) -> st.SearchStrategy[dict[str, Any]]:
    needed = st.fixed_dictionaries(
        {"mediaType": media_types, "digest": DIGESTS.map(str), "size": st.integers(0, (1 << 63) - 1)},
        optional={"annotations": ANNOTATIONS, "data": st.text(max_size=8), "urls": st.lists(st.text(max_size=8))},
    )
    return st.builds(lambda extra, given: extra | given, EXTRA, needed)


@st.composite
def manifests(draw: st.DrawFn) -> tuple[str, dict[str, Any]]:
    """Draw a media type and a document that is a manifest of it."""
    media_type = draw(TYPES)
    document: dict[str, Any] = draw(EXTRA) | {"schemaVersion": 2}
    if media_type in INDEX_TYPES:
        document["manifests"] = draw(st.lists(descriptors(), max_size=4))
    else:
        document["config"] = draw(descriptors())
        document |= draw(st.fixed_dictionaries({}, optional={"layers": st.lists(descriptors(), max_size=4)}))
    optional = {
        "mediaType": st.just(media_type),
        "artifactType": MEDIA_TYPES,
        "subject": descriptors(),
        "annotations": ANNOTATIONS,
    }
    return media_type, document | draw(st.fixed_dictionaries({}, optional=optional))


def written(document: Any, *, pretty: bool) -> bytes:
    return json.dumps(document, ensure_ascii=pretty, indent=3 if pretty else None).encode("utf-8", "surrogatepass")


@given(manifests(), st.booleans())
def test_a_manifest_names_what_its_document_says(drawn: tuple[str, dict[str, Any]], pretty: bool) -> None:
    media_type, document = drawn
    found = parse_manifest(written(document, pretty=pretty), media_type)
    assert found.media_type == media_type
    assert [str(child) for child in found.children] == unique(document.get("manifests", []))
    config = [document["config"]] if "config" in document else []
    named = config + document.get("layers", [])
    assert [str(blob) for blob in found.blobs] == unique(named)
    needed = [item for item in named if item["mediaType"] not in NON_DISTRIBUTABLE]
    assert {str(blob) for blob in found.required} == set(unique(needed))
    assert found.annotations == document.get("annotations", {})
    subject = document.get("subject")
    assert (str(found.subject) if found.subject else None) == (subject["digest"] if subject else None)
    fallback = config[0]["mediaType"] if config else None
    assert found.artifact_type == document.get("artifactType", fallback)


def unique(described: list[dict[str, Any]]) -> list[str]:
    return list(dict.fromkeys(item["digest"] for item in described))


@given(manifests())
def test_the_descriptor_of_a_referrer_is_json_of_what_was_read(drawn: tuple[str, dict[str, Any]]) -> None:
    media_type, document = drawn
    content = written(document, pretty=False)
    found = parse_manifest(content, media_type)
    described = json.loads(referrer_descriptor(found, Digest.of(content), len(content)))
    assert described["mediaType"] == media_type
    assert described["digest"] == str(Digest.of(content))
    assert described["size"] == len(content)
    assert described.get("artifactType") == found.artifact_type
    assert described.get("annotations", {}) == found.annotations


@given(st.binary() | VALUES.map(lambda value: json.dumps(value).encode()), TYPES)
def test_any_bytes_are_a_manifest_or_refused(content: bytes, media_type: str) -> None:
    try:
        message = parse_manifest(content, media_type).media_type
    except InvalidManifest as error:
        message = str(error)
    assert 0 < len(message) < 1000


@given(manifests(), st.data())
def test_a_document_cut_short_is_refused(drawn: tuple[str, dict[str, Any]], data: st.DataObject) -> None:
    media_type, document = drawn
    content = written(document, pretty=False)
    with pytest.raises(InvalidManifest):
        parse_manifest(content[: data.draw(st.integers(0, len(content) - 1))], media_type)


@given(manifests(), st.data())
def test_a_key_given_twice_is_refused_wherever_it_stands(
    drawn: tuple[str, dict[str, Any]], data: st.DataObject
) -> None:
    media_type, document = drawn
    key = data.draw(st.sampled_from(sorted(document)))
    again = f",{json.dumps(key)}:{json.dumps(data.draw(VALUES))}}}"
    with pytest.raises(InvalidManifest, match="twice in one object"):
        parse_manifest(written(document, pretty=False)[:-1] + again.encode(), media_type)


@given(manifests(), st.sampled_from(MANIFEST_TYPES))
def test_a_media_type_other_than_the_one_sent_is_refused(drawn: tuple[str, dict[str, Any]], other: str) -> None:
    media_type, document = drawn
    if other != media_type:
        with pytest.raises(InvalidManifest, match="mediaType"):
            parse_manifest(written(document | {"mediaType": other}, pretty=False), media_type)


@given(st.integers(1, 2 * MAX_DEPTH), st.lists(st.sampled_from(["[", '{"k":']), min_size=1, max_size=4))
@settings(max_examples=200)
def test_depth_is_counted_in_objects_and_lists_alike(levels: int, cycle: list[str]) -> None:
    opened = [cycle[level % len(cycle)] for level in range(levels)]
    closed = "".join("]" if opening == "[" else "}" for opening in reversed(opened))
    innermost = "" if opened[-1] == "[" else "0"
    deep = f'{{"schemaVersion":2,"manifests":[],"x":{"".join(opened)}{innermost}{closed}}}'
    if levels + 1 <= MAX_DEPTH:
        parse_manifest(deep.encode(), IMAGE_INDEX)
    else:
        with pytest.raises(InvalidManifest, match="deeper than 64"):
            parse_manifest(deep.encode(), IMAGE_INDEX)


@given(st.sampled_from(["layers", "manifests"]), descriptors())
def test_no_document_is_an_image_and_an_index(extra: str, item: dict[str, Any]) -> None:
    both = {"schemaVersion": 2, "config": item, "layers": [item], "manifests": [item]}
    for media_type in (IMAGE_MANIFEST, IMAGE_INDEX):
        with pytest.raises(InvalidManifest, match="as well"):
            parse_manifest(written(both, pretty=False), media_type)
