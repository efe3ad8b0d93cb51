"""What is made here is judged here, and is of the form that cosign writes."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from signing.authorities import KeyAuthority
from signing.evidence import Attached, Evidence
from signing.making import bundles, envelopes, tags
from signing.making.artifacts import Made, Subject
from signing.making.envelopes import InvalidPredicate, attested, seal, signed
from signing.making.tags import ForeignTag, Witnessed
from signing.private_keys import SigningKey, new_signing_key
from signing.verified import SIGNED, Form
from tests.signing.attachments import ARTIFACT, MANIFEST_TYPE
from tests.signing.services import NOW
from tests.signing.world import World, accepted, judged

SUBJECT = Subject.of(ARTIFACT, MANIFEST_TYPE)
TEST_RESULT = "https://in-toto.io/attestation/test-result/v0.1"
REFERENCE = "registry.example.com/team/model"


@pytest.fixture(scope="module")
def world() -> World:
    return World()


def gathered(made: Made, **blobs: bytes) -> Attached:
    held = {blob.digest: blob.content for blob in made.blobs} | blobs
    return Attached(made.tag or "referrer", made.digest, made.media_type, made.content, held)


def evidence(*attached: Attached) -> Evidence:
    return Evidence(SUBJECT.digest, MANIFEST_TYPE, ARTIFACT, attached)


def keys(*trusted: SigningKey) -> KeyAuthority:
    return KeyAuthority("release", tuple(key.public_pem for key in trusted))


KEYS = {
    "P-256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "P-384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "P-521": lambda: ec.generate_private_key(ec.SECP521R1()),
    "Ed25519": ed25519.Ed25519PrivateKey.generate,
    "RSA-2048": lambda: rsa.generate_private_key(65537, 2048),
}


@pytest.mark.parametrize("kind", KEYS)
def test_a_bundle_of_every_kind_of_key_verifies(kind: str) -> None:
    key = SigningKey(KEYS[kind]())
    made = bundles.attach(SUBJECT, bundles.bundle(seal(signed(SUBJECT), key), key), SIGNED, created=NOW)
    verified = accepted(evidence(gathered(made)), keys(key))
    assert verified.form is Form.BUNDLE
    assert verified.statement.predicate_type == SIGNED


@pytest.mark.parametrize("kind", KEYS)
def test_a_layer_of_every_kind_of_key_verifies(kind: str) -> None:
    key = SigningKey(KEYS[kind]())
    payload = tags.simple_signing(SUBJECT, REFERENCE)
    made = tags.add_signature(SUBJECT, payload, key.sign(payload), Witnessed(), None)
    assert accepted(evidence(gathered(made)), keys(key)).form is Form.COSIGN


def test_the_referrer_is_the_one_that_cosign_3_writes() -> None:
    key = new_signing_key()
    made = bundles.attach(SUBJECT, bundles.bundle(seal(signed(SUBJECT), key), key), SIGNED, created=NOW)
    manifest = json.loads(made.content)
    kind = "application/vnd.dev.sigstore.bundle.v0.3+json"
    assert manifest["artifactType"] == kind
    assert manifest["config"] == {
        "mediaType": "application/vnd.oci.empty.v1+json",
        "digest": "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",
        "size": 2,
        "artifactType": kind,
    }
    assert [each["mediaType"] for each in manifest["layers"]] == [kind]
    assert manifest["subject"] == {"mediaType": MANIFEST_TYPE, "digest": SUBJECT.digest, "size": len(ARTIFACT)}
    assert manifest["annotations"] == {
        "dev.sigstore.bundle.content": "dsse-envelope",
        "dev.sigstore.bundle.predicateType": SIGNED,
        "org.opencontainers.image.created": "2026-03-01T12:00:00Z",
    }
    assert made.tag is None


def test_the_image_of_a_tag_is_the_one_that_cosign_2_writes() -> None:
    made = sign_by_tag(new_signing_key())
    manifest = json.loads(made.content)
    assert made.tag == SUBJECT.digest.replace(":", "-") + ".sig"
    assert manifest["config"]["mediaType"] == "application/vnd.oci.image.config.v1+json"
    assert manifest["config"]["size"] == 233
    [layer] = manifest["layers"]
    assert layer["mediaType"] == "application/vnd.dev.cosign.simplesigning.v1+json"
    config = json.loads(made.blobs[0].content)
    assert config["rootfs"]["diff_ids"] == [layer["digest"]]


def sign_by_tag(key: SigningKey, present: Made | None = None) -> Made:
    payload = tags.simple_signing(SUBJECT, REFERENCE, {"build": "7"} if present else None)
    return tags.add_signature(SUBJECT, payload, key.sign(payload), Witnessed(), present.content if present else None)


def test_a_second_signature_is_added_to_the_first() -> None:
    one, two = new_signing_key(), new_signing_key()
    first = sign_by_tag(one)
    second = sign_by_tag(two, first)
    held = gathered(second, **{blob.digest: blob.content for blob in first.blobs})
    for key in (one, two):
        found = judged(evidence(held), keys(key))
        assert len(found.verified) == 1
    assert [each["digest"] for each in json.loads(second.content)["layers"]] == json.loads(second.blobs[0].content)[
        "rootfs"
    ]["diff_ids"]


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b'{"schemaVersion":2,"manifests":[]}'])
def test_what_is_no_image_is_not_added_to(content: bytes) -> None:
    with pytest.raises(ForeignTag, match="holds no image manifest"):
        tags.add_signature(SUBJECT, b"{}", b"1", Witnessed(), content)


def test_an_attestation_verifies_in_both_forms() -> None:
    key = new_signing_key()
    envelope = seal(attested(SUBJECT, TEST_RESULT, {"result": "PASSED"}, name=REFERENCE), key)
    by_tag = tags.add_attestation(SUBJECT, envelope, TEST_RESULT, Witnessed(), None)
    as_bundle = bundles.attach(SUBJECT, bundles.bundle(envelope, key), TEST_RESULT, created=NOW)
    assert by_tag.tag == SUBJECT.digest.replace(":", "-") + ".att"
    for made, form in ((by_tag, Form.COSIGN_ATTESTATION), (as_bundle, Form.BUNDLE)):
        verified = accepted(evidence(gathered(made)), keys(key))
        assert verified.form is form
        assert verified.statement.predicate_type == TEST_RESULT
        assert verified.statement.predicate == {"result": "PASSED"}


@pytest.mark.parametrize(
    ("predicate_type", "predicate", "reason"),
    [
        ("", {}, "has no type"),
        ("a b", {}, "has no type"),
        (SIGNED, {}, "by which an artifact is signed"),
        (TEST_RESULT, {"a": float("nan")}, "can't be written"),
        (TEST_RESULT, {"a": "\ud800"}, "can't be written"),
        (TEST_RESULT, json.loads('{"a":' * 64 + "1" + "}" * 64), "is nested deeper than 63 levels"),
        (TEST_RESULT, {"a": "x" * 2_359_300}, "makes a statement of 2359"),
    ],
)
def test_what_is_no_predicate_is_refused(predicate_type: str, predicate: dict[str, Any], reason: str) -> None:
    with pytest.raises(InvalidPredicate, match=reason):
        attested(SUBJECT, predicate_type, predicate)


@pytest.mark.parametrize("content", [b"", b"[]", b"\xff", b'{"a":1,"a":2}', b"[" * 100_000, b'{"a":NaN}'])
def test_what_is_no_document_of_a_predicate_is_refused(content: bytes) -> None:
    with pytest.raises(InvalidPredicate):
        envelopes.read_predicate(content)


def test_a_predicate_is_read() -> None:
    assert envelopes.read_predicate(b'{"a": [1.5, "\xc3\xa9"]}') == {"a": [1.5, "é"]}


def test_a_signature_with_a_certificate_verifies_by_own_authorities(world: World) -> None:
    own = world.sigstore.authority
    key = SigningKey(world.key)
    payload = tags.simple_signing(SUBJECT, REFERENCE)
    witnessed = Witnessed(
        certificate=world.certificate.public_bytes(Encoding.PEM),
        chain=own.intermediate.public_bytes(Encoding.PEM),
        timestamp=world.sigstore.timestamps.stamp(signature := key.sign(payload)),
    )
    made = tags.add_signature(SUBJECT, payload, signature, witnessed, None)
    verified = accepted(evidence(gathered(made)), world.chain(root=world.root()))
    assert verified.signed_at is not None


def test_an_altered_payload_is_refused() -> None:
    key = new_signing_key()
    envelope = seal(signed(SUBJECT), key)
    other = replace(envelope, payload=signed(Subject.of(b"{}", MANIFEST_TYPE)))
    made = bundles.attach(SUBJECT, bundles.bundle(other, key), SIGNED, created=NOW)
    found = judged(evidence(gathered(made)), keys(key))
    assert not found.verified
    assert len(found.rejected) == 1
