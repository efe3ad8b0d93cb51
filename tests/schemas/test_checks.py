"""What a schema may be is found out when it is added."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from jsonschema_specifications import REGISTRY

from schemas.checks import DEPTH, LARGEST, SUBSCHEMAS, subschemas
from schemas.keywords import BoundedValidator
from schemas.schema import Schema, read_schema
from schemas.violations import InvalidSchema
from tests.schemas.making import made, told, written


@pytest.fixture
def canary() -> Iterator[tuple[str, list[str]]]:
    """Return a server's URL, and the paths that anybody has asked it for."""
    asked: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's name
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/schema", asked
    server.shutdown()
    thread.join()
    server.server_close()


def refusal(content: bytes | None = None, **keywords: Any) -> InvalidSchema:
    with pytest.raises(InvalidSchema) as caught:
        Schema(*read_schema(content if content is not None else written(**keywords)), {})
    return caught.value


def test_nothing_is_ever_fetched(canary: tuple[str, list[str]]) -> None:
    url, asked = canary
    for keywords in (
        {"ref": url},
        {"properties": {"x": {"$ref": f"{url}#/$defs/x"}}},
        {"defs": {"unused": {"items": {"$ref": url}}}},
        {"contentSchema": {"$ref": url}},
    ):
        found = refusal(**keywords)
        assert found.pointer.endswith("/$ref")
        assert "nothing else is ever fetched" in found.reason
    for document in (
        {"$schema": url},
        {"$id": url},
        {"$dynamicRef": url},
        {"items": {"$id": url}},
        {"items": {"$schema": url}},
    ):
        refusal(json.dumps(json.loads(written()) | document).encode())
    schema = made(properties={"x": {"$comment": url, "const": {"$ref": url}, "default": {"$ref": url}}})
    assert told(schema, {"x": json.dumps({"$ref": url})}) == []
    assert asked == []


REFUSED = {
    "no JSON": (b"{", "", "is not JSON"),
    "no object": (b"[]", "", "is not a JSON object"),
    "a key twice": (b'{"type": "object", "type": "string"}', "", "a key twice"),
    "no UTF-8": (b'{"$id": "\xff"}', "", "is not UTF-8"),
    "no number": (b'{"minimum": NaN}', "", "NaN"),
    "too large": (written(description="x" * LARGEST), "", "bytes"),
    "too deep": (b'{"default": ' + b"[" * DEPTH + b"]" * DEPTH + b"}", "", "deeper than"),
    "far too deep": (b'{"not":' * 3000 + b"{}" + b"}" * 3000, "", "deeper than"),
    "too many subschemas": (written(allOf=[True] * SUBSCHEMAS), None, "one subschema too many"),
    "no id": (b"{}", "/$id", "has no $id like"),
    "another id": (b'{"$id": "https://acme.example/review/1.0.0"}', "/$id", "has no $id like"),
    "no version": (b'{"$id": "urn:blacklake:schema:acme/review:1.0"}', "/$id", "has no $id like"),
    "another dialect": (b'{"$schema": "http://json-schema.org/draft-07/schema#"}', "/$schema", "is another than"),
    "applies to nothing": (written(x_applies_to="layers"), "/x-applies-to", "is none of"),
    "applies to no text": (written(x_applies_to=[]), "/x-applies-to", "is none of"),
    "no type": (written(properties={"a/b~c": {"type": "text"}}), "/properties/a~1b~0c/type", "is not valid"),
    "no list": (written(required="owner"), "/required", "is not valid"),
    "a dialect below the top": (written(items={"$schema": "x"}), "/items/$schema", "at the top only"),
    "an id below the top": (written(defs={"x": {"$id": "urn:x"}}), "/$defs/x/$id", "at the top only"),
    "a dynamic reference": (written(items={"$dynamicRef": "#x"}), "/items/$dynamicRef", "say $ref"),
    "a dynamic anchor": (written(defs={"x": {"$dynamicAnchor": "x"}}), "/$defs/x/$dynamicAnchor", "say $anchor"),
    "look-ahead": (written(pattern="^(?=.*x)"), "/pattern", "look-around"),
    "a back-reference": (written(items={"pattern": r"(a)\1"}), "/items/pattern", "RE2"),
    "too many repetitions": (written(patternProperties={"a{1001}": {}}), "/patternProperties/a{1001}", "RE2"),
    "a pattern that unfolds": (written(pattern="((a{1,30}){1,30}){1,30}"), "/pattern", "RE2"),
    "a long pattern": (written(pattern="a" * 1001), "/pattern", "longer than"),
    "an unclosed pattern": (written(patternProperties={"[a/": True}), "/patternProperties/[a~1", "RE2"),
    "a reference to nothing": (written(ref="#/$defs/none"), "/$ref", "is not there"),
    "a reference to no anchor": (written(ref="#none"), "/$ref", "is not there"),
    "a reference to another place": (written(ref="../review"), "/$ref", "ever fetched"),
    "a reference to an unknown schema": (written(ref="urn:blacklake:schema:acme/x:1.0.0"), "/$ref", "is not there"),
    "a reference to the meta-schema": (
        written(ref="https://json-schema.org/draft/2020-12/schema"),
        "/$ref",
        "ever fetched",
    ),
    "a reference to what was not looked at": (
        written(ref="#/hidden/x", hidden={"x": {"pattern": "(?=x)"}}),
        "/$ref",
        "is not a subschema",
    ),
    "a reference into a const": (
        written(items={"$ref": "#/const"}, const={"$ref": "#"}),
        "/items/$ref",
        "is not a subschema",
    ),
}


@pytest.mark.parametrize(("content", "pointer", "reason"), REFUSED.values(), ids=REFUSED)
def test_what_can_not_be_is_refused_with_the_place_and_the_reason(
    content: bytes, pointer: str | None, reason: str
) -> None:
    found = refusal(content)
    assert reason in found.reason
    assert pointer in (None, found.pointer)
    assert len(str(found)) < 1000


def test_what_others_may_be_referred_to_is_what_is_given() -> None:
    base = written("acme/base", defs={"score": {"type": "number", "$anchor": "score"}}, type="object")
    for fragment in ("#/$defs/score", "#score"):
        schema = made(
            base, x_applies_to="config", properties={"x": {"$ref": f"urn:blacklake:schema:acme/base:1.0.0{fragment}"}}
        )
        assert told(schema, {"x": "1"}) == [("/x", "type")]
    with pytest.raises(InvalidSchema, match="is not a subschema"):
        made(base, ref="urn:blacklake:schema:acme/base:1.0.0#/$defs")


def test_every_place_of_subschemas_is_looked_into() -> None:
    """Those in which the meta-schema expects a schema (its `$dynamicRef`s)."""
    meta: list[Any] = [Draft202012Validator.META_SCHEMA]
    places = set()
    vocabularies = ("core", "applicator", "unevaluated", "content")
    meta += (REGISTRY.contents(f"https://json-schema.org/draft/2020-12/meta/{name}") for name in vocabularies)
    for vocabulary in meta:
        for keyword, subschema in vocabulary["properties"].items():
            if "$dynamicRef" in json.dumps(subschema) or "schemaArray" in json.dumps(subschema):
                places.add(keyword)
    one = {"pattern": "(?=x)"}
    looked_into = {
        keyword
        for keyword in places
        for value in (one, [one], {"x": one})
        if any(found.schema == one for found in subschemas({keyword: value}))
    }
    assert places - looked_into == {"dependencies", "$recursiveRef"}, (
        "of older dialects, which judge nothing in this one"
    )


def test_what_a_schema_says_is_judged_by_every_keyword_of_its_dialect() -> None:
    assert set(BoundedValidator.VALIDATORS) == set(Draft202012Validator.VALIDATORS)
