"""Manifests are read strictly: what two readers could read differently is refused, and what is read is right."""

from __future__ import annotations

import json
from typing import Any

import pytest

from mediatypes.digest import Digest
from mediatypes.documents import MAX_DEPTH
from mediatypes.manifest import InvalidManifest, parse_manifest, referrer_descriptor
from mediatypes.oci import DOCKER_LIST, DOCKER_MANIFEST, IMAGE_INDEX, IMAGE_MANIFEST, NON_DISTRIBUTABLE

CONFIG = {"mediaType": "application/vnd.oci.empty.v1+json", "digest": str(Digest.of(b"{}")), "size": 2}


def image(**more: Any) -> bytes:
    return json.dumps({"schemaVersion": 2, "config": CONFIG, "layers": [], **more}).encode()


def index(**more: Any) -> bytes:
    return json.dumps({"schemaVersion": 2, "manifests": [], **more}).encode()


def described(content: bytes, media_type: str = "application/octet-stream") -> dict[str, Any]:
    return {"mediaType": media_type, "digest": str(Digest.of(content)), "size": len(content)}


def refused(content: bytes, media_type: str = IMAGE_MANIFEST) -> str:
    with pytest.raises(InvalidManifest) as caught:
        parse_manifest(content, media_type)
    return str(caught.value)


# What is read


def test_an_image_names_its_config_and_layers_once_each_in_order() -> None:
    layers = [described(b"b"), described(b"a"), described(b"b"), described(b"{}")]
    found = parse_manifest(image(layers=layers), IMAGE_MANIFEST)
    assert found.blobs == (Digest.of(b"{}"), Digest.of(b"b"), Digest.of(b"a"))
    assert found.required == set(found.blobs)
    assert found.children == ()


@pytest.mark.parametrize("layer_type", sorted(NON_DISTRIBUTABLE))
def test_a_non_distributable_layer_is_not_required(layer_type: str) -> None:
    found = parse_manifest(image(layers=[described(b"far", layer_type), described(b"near")]), IMAGE_MANIFEST)
    assert found.blobs == (Digest.of(b"{}"), Digest.of(b"far"), Digest.of(b"near"))
    assert found.required == {Digest.of(b"{}"), Digest.of(b"near")}


def test_an_index_names_its_children_once_each_in_order() -> None:
    children = [described(content, IMAGE_MANIFEST) for content in (b"2", b"1", b"2")]
    found = parse_manifest(index(manifests=children), IMAGE_INDEX)
    assert found.children == (Digest.of(b"2"), Digest.of(b"1"))
    assert found.blobs == ()


@pytest.mark.parametrize(
    ("media_type", "content"),
    [(IMAGE_MANIFEST, image()), (DOCKER_MANIFEST, image()), (IMAGE_INDEX, index()), (DOCKER_LIST, index())],
)
def test_the_media_type_is_the_one_that_was_sent(media_type: str, content: bytes) -> None:
    assert parse_manifest(content, media_type).media_type == media_type


def test_the_artifact_type_is_the_manifests_own() -> None:
    assert parse_manifest(image(artifactType="a/b"), IMAGE_MANIFEST).artifact_type == "a/b"
    assert parse_manifest(index(artifactType="a/b"), IMAGE_INDEX).artifact_type == "a/b"


@pytest.mark.parametrize("more", [{}, {"artifactType": ""}, {"artifactType": None}])
def test_the_config_type_stands_in_for_an_absent_artifact_type(more: dict[str, Any]) -> None:
    assert parse_manifest(image(**more), IMAGE_MANIFEST).artifact_type == CONFIG["mediaType"]


def test_an_index_without_an_artifact_type_has_none() -> None:
    assert parse_manifest(index(), IMAGE_INDEX).artifact_type is None


def test_a_subject_and_annotations_are_read() -> None:
    found = parse_manifest(image(subject=described(b"s"), annotations={"k": "v"}), IMAGE_MANIFEST)
    assert found.subject == Digest.of(b"s")
    assert found.annotations == {"k": "v"}


def test_sha512_digests_are_read() -> None:
    layer = {"mediaType": "a/b", "size": 1, "digest": str(Digest.of(b"x", "sha512"))}
    assert parse_manifest(image(layers=[layer]), IMAGE_MANIFEST).blobs[1] == Digest.of(b"x", "sha512")


# The descriptor of a referrer


def referrer(content: bytes, media_type: str = IMAGE_MANIFEST) -> Any:
    return json.loads(referrer_descriptor(parse_manifest(content, media_type), Digest.of(content), len(content)))


def test_a_referrer_is_described_with_artifact_type_and_annotations() -> None:
    content = image(artifactType="a/b", annotations={"k": "v", "größe": "\ud83d\ude00"})
    assert referrer(content) == {
        "mediaType": IMAGE_MANIFEST,
        "digest": str(Digest.of(content)),
        "size": len(content),
        "artifactType": "a/b",
        "annotations": {"k": "v", "größe": "😀"},
    }


def test_an_index_without_type_and_annotations_is_described_without_them() -> None:
    assert set(referrer(index(), IMAGE_INDEX)) == {"mediaType", "digest", "size"}


@pytest.mark.parametrize("annotations", [{"s": "\ud800"}, {"\udfff": "s"}])
def test_half_a_surrogate_pair_in_an_annotation_is_refused(annotations: dict[str, str]) -> None:
    assert "surrogate" in refused(image(annotations=annotations))


def test_annotations_take_no_more_room_in_a_descriptor_than_in_their_manifest() -> None:
    content = json.dumps(json.loads(image(annotations={"s": "é\n" * 1000})), ensure_ascii=False).encode()
    described_as = referrer_descriptor(parse_manifest(content, IMAGE_MANIFEST), Digest.of(content), len(content))
    assert len(described_as) < 4 * 1000 + 500  # with ASCII escapes it were 8 * 1000


# Depth


def nested(levels: int, innermost: bytes) -> bytes:
    """Return an image whose objects and lists stand `levels` deep; `innermost` goes into the innermost list."""
    lists = b"[" * (levels - 1) + innermost + b"]" * (levels - 1)
    return image()[:-1] + b',"x":' + lists + b"}"


@pytest.mark.parametrize("innermost", [b"", b"1", b'"text"'])
def test_a_manifest_may_be_64_levels_deep_and_no_deeper(innermost: bytes) -> None:
    assert MAX_DEPTH == 64
    parse_manifest(nested(64, innermost), IMAGE_MANIFEST)
    assert refused(nested(65, innermost)) == "is nested deeper than 64 levels"


def test_objects_count_as_levels_like_lists() -> None:
    inside = b'{"a":' * 63 + b"1" + b"}" * 63
    parse_manifest(image()[:-1] + b',"x":' + inside + b"}", IMAGE_MANIFEST)
    assert "deeper" in refused(image()[:-1] + b',"x":{"a":' + inside + b"}}")


@pytest.mark.parametrize("opening", [b"[", b'{"a":', b'[{"a":'])
def test_a_document_of_4_mib_of_openings_is_refused(opening: bytes) -> None:
    assert refused(opening * ((4 << 20) // len(opening))) == "is nested deeper than 64 levels"


# What is no JSON that everyone reads alike


@pytest.mark.parametrize("content", [b"", b" ", b"{", b"nonsense", b'{"a":1}{"b":2}', b"'x'", b"{'a':1}", b'{"a":1,}'])
def test_what_is_no_json_is_refused(content: bytes) -> None:
    assert refused(content).startswith("is not JSON: ")


@pytest.mark.parametrize("content", [b"[]", b"1", b"null", b"true", b'"x"'])
def test_json_that_is_no_object_is_refused(content: bytes) -> None:
    assert refused(content) == "is not a JSON object"


@pytest.mark.parametrize("constant", ["NaN", "Infinity", "-Infinity"])
def test_constants_that_json_does_not_know_are_refused(constant: str) -> None:
    assert refused(b'{"x":' + constant.encode() + b"}") == f"is not JSON: it holds {constant}"


@pytest.mark.parametrize("bad", [b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xe2\x82"])
def test_what_is_no_utf8_is_refused(bad: bytes) -> None:
    assert refused(b'{"x":"' + bad + b'"}') == "is not UTF-8"


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "utf-16-le"])
def test_other_encodings_of_unicode_are_refused(encoding: str) -> None:
    refused(image().decode().encode(encoding))


@pytest.mark.parametrize("content", [b"\xef\xbb\xbf", b"\xef\xbb\xbf" + image()])
def test_a_byte_order_mark_is_refused(content: bytes) -> None:
    assert "BOM" in refused(content)


@pytest.mark.parametrize("pair", ['"a":1,"a":1', '"a":1,"b":2,"\\u0061":3', '"":1,"":2'])
def test_a_key_given_twice_is_refused_wherever_it_is(pair: str) -> None:
    at_top = refused(b"{" + pair.encode() + b"}")
    assert at_top.startswith("has the key ")
    assert at_top.endswith(" twice in one object")
    inside = image()[:-1] + b',"x":[{"y":{' + pair.encode() + b"}}]}"
    assert refused(inside) == at_top


def test_the_same_key_in_different_objects_is_no_duplicate() -> None:
    parse_manifest(image(x=[{"a": 1}, {"a": 1, "b": {"a": 1}}]), IMAGE_MANIFEST)


def test_keys_that_differ_in_case_or_normal_form_are_no_duplicates() -> None:
    more = b',"custom":1,"Custom":1,"\\u00e9":2,"e\\u0301":3}'
    parse_manifest(image()[:-1] + more, IMAGE_MANIFEST)


@pytest.mark.parametrize("key", ["Config", "LAYERS", "Manifests", "schemaver\u017fion", "\u017fubject", "MediaType"])
def test_a_key_that_readers_in_go_take_for_another_is_refused(key: str) -> None:
    assert refused(image(**{key: []})).startswith("has the key ")


@pytest.mark.parametrize("key", ["Digest", "DATA", "mediatype", "SIZE"])
def test_a_descriptor_s_key_that_readers_in_go_take_for_another_is_refused(key: str) -> None:
    assert refused(image(layers=[described(b"x") | {key: "sha256:"}])).startswith("has the key ")


def test_annotations_and_custom_objects_may_have_any_keys() -> None:
    parse_manifest(image(annotations={"Config": "x"}, custom={"Layers": []}), IMAGE_MANIFEST)


def test_a_number_of_very_many_digits_is_refused() -> None:
    assert refused(image()[:-1] + b',"x":' + b"9" * 5000 + b"}").startswith("is not JSON: ")


def test_a_float_beyond_all_bounds_is_nobodys_business() -> None:
    parse_manifest(image()[:-1] + b',"x":1e999}', IMAGE_MANIFEST)


# What contradicts itself


@pytest.mark.parametrize("version", [None, 1, 3, "2", True, [2]])
def test_another_schema_version_is_refused(version: object) -> None:
    assert refused(image(schemaVersion=version)) == "has no schemaVersion 2"


def test_another_media_type_than_was_sent_is_refused() -> None:
    assert refused(image(mediaType=DOCKER_MANIFEST)).startswith(f"says mediaType '{DOCKER_MANIFEST}'")


@pytest.mark.parametrize("media_type", [IMAGE_MANIFEST, DOCKER_MANIFEST])
def test_an_image_with_manifests_is_refused(media_type: str) -> None:
    assert refused(image(manifests=[]), media_type) == "is an image manifest, and has `manifests` as well"


@pytest.mark.parametrize("media_type", [IMAGE_INDEX, DOCKER_LIST])
@pytest.mark.parametrize("more", [{"layers": []}, {"config": CONFIG}, {"layers": None}])
def test_an_index_with_layers_or_config_is_refused(media_type: str, more: dict[str, Any]) -> None:
    assert refused(index(**more), media_type) == "is an index, and has `layers` or `config` as well"


@pytest.mark.parametrize("listed", [{}, "x", 1, True])
def test_lists_must_be_lists(listed: object) -> None:
    assert refused(image(layers=listed)) == "has no list `layers`"
    assert refused(index(manifests=listed), IMAGE_INDEX) == "has no list `manifests`"


def test_an_index_must_have_manifests() -> None:
    assert refused(index(manifests=None), IMAGE_INDEX) == "has no list `manifests`"


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"size": -1}, "has no size"),
        ({"size": 1.5}, "has no size"),
        ({"size": "1"}, "has no size"),
        ({"size": True}, "has no size"),
        ({"size": 1 << 63}, "has no size"),
        ({"digest": None}, "has no digest"),
        ({"digest": "sha256:x"}, "has a digest at `layers[1]` that"),
        ({"mediaType": None}, "has no media type"),
        ({"mediaType": ""}, "has no media type"),
        ({"mediaType": "a\nb"}, "has no media type"),
        ({"mediaType": "ä/b"}, "has no media type"),
        ({"mediaType": "a" * 256}, "has no media type"),
    ],
)
def test_a_bad_descriptor_is_refused_naming_its_place(changed: dict[str, Any], reason: str) -> None:
    layers = [described(b"good"), described(b"bad") | changed]
    message = refused(image(layers=layers))
    assert message.startswith(reason)
    assert "`layers[1]`" in message


@pytest.mark.parametrize("annotations", [[], "x", {"k": 1}, {"k": None}, {"k": {"a": "b"}}])
def test_annotations_must_be_strings_by_name(annotations: object) -> None:
    assert refused(image(annotations=annotations)) == "has annotations that are not an object of strings"


def test_what_a_message_quotes_is_short() -> None:
    assert len(refused(image(mediaType="x" * 100_000))) < 400
    assert len(refused(b'{"%s":1,"%s":2}' % (b"k" * 100_000, b"k" * 100_000))) < 400
