"""Whatever is attached to an artifact, judging it raises nothing, and accepts nothing that was not signed."""

from __future__ import annotations

import base64
import copy
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from signing.evidence import Attached
from tests.signing import attachments as made
from tests.signing.world import World, judged

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=12)
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner))
ANYTHING = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def world() -> World:
    return World()


@pytest.fixture(scope="module")
def bundles(world: World) -> list[dict[str, Any]]:
    return [world.keyless_bundle(), world.second_bundle(), world.stamped_bundle(), made.message_bundle(world.key)]


def places(document: Any, place: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return where something stands in a document."""
    items = (
        document.items() if isinstance(document, dict) else enumerate(document) if isinstance(document, list) else ()
    )
    return [each for key, value in items for each in [(*place, key), *places(value, (*place, key))]]


def replaced(document: Any, number: int, value: Any) -> Any:
    changed = copy.deepcopy(document)
    found = places(changed)
    *steps, last = found[number % len(found)]
    inner = changed
    for step in steps:
        inner = inner[step]
    inner[last] = value
    return changed


@ANYTHING
@given(which=st.integers(0, 3), number=st.integers(0, 10_000), value=VALUES)
def test_a_bundle_with_anything_anywhere(
    world: World, bundles: list[dict[str, Any]], which: int, number: int, value: Any
) -> None:
    attached = made.attach(replaced(bundles[which], number, value))
    for authority in (world.keys(), world.keyless(), world.chain(root=world.root())):
        found = judged(made.evidence(attached), authority)
        assert len(found.verified) + len(found.rejected) == 1


@ANYTHING
@given(number=st.integers(0, 10_000), value=VALUES)
def test_a_statement_with_anything_anywhere(world: World, number: int, value: Any) -> None:
    payload = made.compact(replaced(json.loads(made.statement()), number, value))
    judged(made.evidence(made.attach(made.bundle(world.key, payload))), world.keys())


@ANYTHING
@given(number=st.integers(0, 10_000), value=VALUES, version=st.sampled_from([1, 2]))
def test_a_log_entry_with_anything_anywhere(world: World, number: int, value: Any, version: int) -> None:
    document = world.keyless_bundle() if version == 1 else world.second_bundle()
    entry = document["verificationMaterial"]["tlogEntries"][0]
    body = replaced(json.loads(base64.b64decode(entry["canonicalizedBody"])), number, value)
    log = world.sigstore.log if version == 1 else world.sigstore.second_log
    if not all(isinstance(body.get(name), str) and body[name] for name in ("kind", "apiVersion")):
        return
    document["verificationMaterial"]["tlogEntries"] = [log.entry(made.compact(body))]
    judged(made.evidence(made.attach(document)), world.keyless())


@ANYTHING
@given(number=st.integers(0, 10_000), value=VALUES)
def test_a_manifest_with_anything_anywhere(world: World, number: int, value: Any) -> None:
    for attached in (world.keyless_tag(), made.attach(made.bundle(world.key))):
        content = made.compact(replaced(json.loads(attached.content), number, value))
        changed = Attached(attached.origin, made.digest(content), attached.media_type, content, attached.blobs)
        judged(made.evidence(changed), world.keyless())


@ANYTHING
@given(
    content=st.binary(max_size=200),
    media_type=st.sampled_from([made.BUNDLE_TYPE, made.SIMPLE_SIGNING, made.ENVELOPE_TYPE]),
)
def test_a_layer_of_any_bytes(world: World, content: bytes, media_type: str) -> None:
    found = judged(made.evidence(made.referrer(content, media_type)), world.keys())
    assert not found.verified


@ANYTHING
@given(response=st.binary(max_size=300), cut=st.integers(0, 3000))
def test_a_timestamp_of_any_bytes(world: World, response: bytes, cut: int) -> None:
    whole = world.sigstore.timestamps.stamp(b"x")
    for given_bytes in (response, whole[:cut], whole[: cut % len(whole)] + response + whole[cut % len(whole) :]):
        if given_bytes:
            judged(made.evidence(made.attach(world.stamped_bundle(given_bytes))), world.keyless(needs_log=False))
