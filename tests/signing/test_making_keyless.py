"""Keyless signatures: what Fulcio, Rekor and a timestamp authority are asked, what they answer, and what is made of it."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import RFC822Name
from rfc3161_client import TimeStampRequest

from signing.making import bundles, fulcio, rekor, tags, timestamps
from signing.making.answers import InvalidAnswer
from signing.making.envelopes import Envelope, seal, signed
from signing.making.tags import Witnessed
from signing.private_keys import SigningKey, UnusableKey, new_signing_key
from signing.verified import SIGNED
from tests.signing.services import NOW, TransparencyLog, b64, compact
from tests.signing.test_making import REFERENCE, SUBJECT, evidence, gathered
from tests.signing.world import ISSUER, WHO, World, accepted


@pytest.fixture(scope="module")
def world() -> World:
    return World()


def certificates_of(world: World, request: bytes, place: str = "signedCertificateEmbeddedSct") -> bytes:
    """Answer as Fulcio does: the request's key gets a certificate."""
    pem = base64.b64decode(json.loads(request)["certificateSigningRequest"])
    asked = x509.load_pem_x509_csr(pem)
    assert asked.is_signature_valid
    own = world.sigstore.authority
    public: Any = asked.public_key()
    held = type("Held", (), {"public_key": lambda _: public})()
    issued = own.issue(held, RFC822Name(WHO), ISSUER)
    chain = [each.public_bytes(Encoding.PEM).decode() for each in (issued, own.intermediate, own.root)]
    return json.dumps({place: {"chain": {"certificates": chain}}}).encode()


def logged_1(log: TransparencyLog, request: bytes) -> bytes:
    """Answer as Rekor 1 does: an entry under its identifier, with hashes in hexadecimal digits."""
    proposed = json.loads(request)
    if proposed["kind"] == "dsse":
        content = proposed["spec"]["proposedContent"]
        envelope = json.loads(content["envelope"])
        proposed["spec"] = {
            "envelopeHash": hashed(content["envelope"].encode()),
            "payloadHash": hashed(base64.b64decode(envelope["payload"])),
            "signatures": [{"signature": envelope["signatures"][0]["sig"], "verifier": content["verifiers"][0]}],
        }
    entry = log.entry(compact(proposed))
    proof = entry["inclusionProof"]
    return json.dumps(
        {
            "24296fb24b8ad77a": {
                "body": entry["canonicalizedBody"],
                "integratedTime": int(entry["integratedTime"]),
                "logID": base64.b64decode(entry["logId"]["keyId"]).hex(),
                "logIndex": int(entry["logIndex"]),
                "verification": {
                    "signedEntryTimestamp": entry["inclusionPromise"]["signedEntryTimestamp"],
                    "inclusionProof": {
                        "checkpoint": proof["checkpoint"]["envelope"],
                        "hashes": [base64.b64decode(each).hex() for each in proof["hashes"]],
                        "logIndex": int(proof["logIndex"]),
                        "rootHash": base64.b64decode(proof["rootHash"]).hex(),
                        "treeSize": int(proof["treeSize"]),
                    },
                },
            }
        }
    ).encode()


def hashed(content: bytes) -> dict[str, str]:
    return {"algorithm": "sha256", "value": hashlib.sha256(content).hexdigest()}


def logged_2(log: TransparencyLog, request: bytes) -> bytes:
    """Answer as Rekor 2 does: what is zero or empty is left out."""
    asked = json.loads(request)["hashedRekordRequestV002"]
    record = {"data": {"algorithm": "SHA2_256", "digest": asked["digest"]}, "signature": asked["signature"]}
    body = {"apiVersion": "0.0.2", "kind": "hashedrekord", "spec": {"hashedRekordV002": record}}
    return json.dumps(log.entry(compact(body))).encode()


def stamped(world: World, request: TimeStampRequest, signature: bytes) -> bytes:
    return world.sigstore.timestamps.stamp(signature, nonce=request.nonce)


@pytest.fixture(scope="module")
def keyless(world: World) -> tuple[SigningKey, tuple[x509.Certificate, ...], Envelope]:
    key = new_signing_key()
    chain = fulcio.read_certificates(certificates_of(world, fulcio.certificate_request(key)), key)
    return key, chain, seal(signed(SUBJECT), key)


def test_a_bundle_with_an_entry_of_rekor_1_verifies(world: World, keyless: Any) -> None:
    _, chain, envelope = keyless
    request = rekor.envelope_request_1(envelope, chain[0])
    entry = rekor.read_entry_1(logged_1(world.sigstore.log, request), envelope.signature)
    content = bundles.bundle(envelope, chain[0].public_bytes(Encoding.DER), entries=[entry])
    made = bundles.attach(SUBJECT, content, SIGNED, created=NOW)
    verified = accepted(evidence(gathered(made)), world.keyless())
    assert verified.identity == WHO
    assert verified.is_logged


def test_a_bundle_with_an_entry_of_rekor_2_and_a_timestamp_verifies(world: World, keyless: Any) -> None:
    _, chain, envelope = keyless
    signature = envelope.signature
    request = rekor.request_2(envelope.signed_bytes, signature, chain[0])
    entry = rekor.read_entry_2(logged_2(world.sigstore.second_log, request), signature)
    asked = timestamps.timestamp_request(signature)
    stamp = timestamps.read_timestamp(stamped(world, asked, signature), asked, signature)
    content = bundles.bundle(envelope, chain[0].public_bytes(Encoding.DER), entries=[entry], timestamps=[stamp])
    made = bundles.attach(SUBJECT, content, SIGNED, created=NOW)
    verified = accepted(evidence(gathered(made)), world.keyless())
    assert verified.is_logged
    assert verified.signed_at is not None


def test_a_layer_with_a_promise_of_rekor_1_verifies(world: World, keyless: Any) -> None:
    key, chain, _ = keyless
    payload = tags.simple_signing(SUBJECT, REFERENCE)
    signature = key.sign(payload)
    request = rekor.signature_request_1(payload, signature, chain[0])
    entry = rekor.read_entry_1(logged_1(world.sigstore.log, request), signature)
    witnessed = Witnessed(
        certificate=chain[0].public_bytes(Encoding.PEM),
        chain=b"".join(each.public_bytes(Encoding.PEM) for each in chain[1:]),
        entry=entry,
    )
    made = tags.add_signature(SUBJECT, payload, signature, witnessed, None)
    assert accepted(evidence(gathered(made)), world.keyless()).identity == WHO


@pytest.mark.parametrize("version", [1, 2])
def test_a_key_is_logged_as_well(world: World, version: int) -> None:
    key = SigningKey(world.key)
    envelope = seal(signed(SUBJECT), key)
    if version == 1:
        answer = logged_1(world.sigstore.log, rekor.envelope_request_1(envelope, key))
        entry = rekor.read_entry_1(answer, envelope.signature)
    else:
        answer = logged_2(world.sigstore.second_log, rekor.request_2(envelope.signed_bytes, envelope.signature, key))
        entry = rekor.read_entry_2(answer, envelope.signature)
    made = bundles.attach(SUBJECT, bundles.bundle(envelope, key, entries=[entry]), SIGNED, created=NOW)
    assert accepted(evidence(gathered(made)), world.keys(root=world.root(), needs_log=True)).is_logged


def test_a_certificate_beside_its_timestamp_in_an_answer_is_read(world: World) -> None:
    key = new_signing_key()
    answer = certificates_of(world, fulcio.certificate_request(key), "signedCertificateDetachedSct")
    assert len(fulcio.read_certificates(answer, key)) == 3


def test_only_ecdsa_keys_are_certified() -> None:
    with pytest.raises(UnusableKey, match="not ECDSA"):
        fulcio.certificate_request(SigningKey(ed25519.Ed25519PrivateKey.generate()))


def test_a_log_takes_no_pure_ed25519() -> None:
    key = SigningKey(ed25519.Ed25519PrivateKey.generate())
    with pytest.raises(UnusableKey, match="a log does not take"):
        rekor.request_2(b"1", key.sign(b"1"), key)


def test_larger_curves_are_logged_by_the_hash_of_their_size() -> None:
    key = SigningKey(ec.generate_private_key(ec.SECP384R1()))
    asked = json.loads(rekor.request_2(b"1", key.sign(b"1"), key))["hashedRekordRequestV002"]
    assert len(base64.b64decode(asked["digest"])) == 48
    assert asked["signature"]["verifier"]["keyDetails"] == "PKIX_ECDSA_P384_SHA_384"


def changed(answer: bytes, **changes: Any) -> bytes:
    return json.dumps({**json.loads(answer), **changes}).encode()


@pytest.mark.parametrize(
    "answer",
    [b"", b"[]", b"{}", b'{"signedCertificateEmbeddedSct":{"chain":{"certificates":["a"]}}}', b'{"a":1,"a":2}'],
)
def test_an_answer_of_fulcio_without_a_certificate_is_refused(answer: bytes) -> None:
    with pytest.raises(InvalidAnswer, match="Fulcio"):
        fulcio.read_certificates(answer, new_signing_key())


def test_a_certificate_of_another_key_is_refused(world: World) -> None:
    answer = certificates_of(world, fulcio.certificate_request(new_signing_key()))
    with pytest.raises(InvalidAnswer, match="another key"):
        fulcio.read_certificates(answer, new_signing_key())


@pytest.mark.parametrize("answer", [b"", b"{}", b'{"a":{}}', b'{"a":{},"b":{}}', b'{"a":[]}', b'{"a":{"body":"!"}}'])
def test_an_answer_of_rekor_1_without_an_entry_is_refused(answer: bytes) -> None:
    with pytest.raises(InvalidAnswer, match="Rekor"):
        rekor.read_entry_1(answer, b"1")


def test_an_entry_of_another_signature_is_refused(world: World, keyless: Any) -> None:
    _, chain, envelope = keyless
    first = logged_1(world.sigstore.log, rekor.envelope_request_1(envelope, chain[0]))
    second = logged_2(world.sigstore.second_log, rekor.request_2(envelope.signed_bytes, envelope.signature, chain[0]))
    with pytest.raises(InvalidAnswer, match="another signature"):
        rekor.read_entry_1(first, b"other")
    with pytest.raises(InvalidAnswer, match="another signature"):
        rekor.read_entry_2(second, b"other")


@pytest.mark.parametrize(
    "changes",
    [
        {"inclusionProof": None},
        {"inclusionProof": {}},
        {"logId": {"keyId": "!"}},
        {"logIndex": -1},
        {"logIndex": True},
        {"canonicalizedBody": b64(b"[]")},
    ],
)
def test_an_entry_of_rekor_2_that_is_not_whole_is_refused(world: World, keyless: Any, changes: dict[str, Any]) -> None:
    _, chain, envelope = keyless
    answer = logged_2(world.sigstore.second_log, rekor.request_2(envelope.signed_bytes, envelope.signature, chain[0]))
    with pytest.raises(InvalidAnswer, match="Rekor"):
        rekor.read_entry_2(changed(answer, **changes), envelope.signature)


def test_a_timestamp_of_something_else_is_refused(world: World) -> None:
    asked = timestamps.timestamp_request(b"signature")
    for answer, reason in (
        (stamped(world, asked, b"other"), "of something else"),
        (world.sigstore.timestamps.stamp(b"signature", nonce=5), "the nonce is another"),
        (world.sigstore.timestamps.stamp(b"signature"), "nonce"),
        (b"1", "can't be read"),
        (b"", "can't be read"),
        (bytes.fromhex("30053003020102"), "refuses, status 2"),
    ):
        with pytest.raises(InvalidAnswer, match=reason):
            timestamps.read_timestamp(answer, asked, b"signature")
