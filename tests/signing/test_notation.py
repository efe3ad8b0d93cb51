from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from signing.authorities import ChainAuthority
from signing.evidence import Attached, Evidence
from signing.making import timestamps
from signing.making.artifacts import Made, Subject
from signing.notation import NotationSignature, read_notation
from signing.private_keys import SigningKey
from signing.steps import Refused, Step
from signing.verified import SIGNED, Form, Rejected, Verified
from tests.signing import chains
from tests.signing import making_notation as making
from tests.signing.chains import NOW, SIGNER, Chain, chain
from tests.signing.services import TimestampAuthority

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
ARTIFACT = json.dumps({"schemaVersion": 2, "mediaType": MANIFEST, "layers": []}).encode()
SUBJECT = Subject.of(ARTIFACT, MANIFEST)


def evidence() -> Evidence:
    return Evidence(SUBJECT.digest, MANIFEST, ARTIFACT)


def attached(made: Made) -> Attached:
    blobs = {blob.digest: blob.content for blob in made.blobs}
    return Attached("referrer", made.digest, made.media_type, made.content, blobs)


def trusting(*held: chains.Held, **more: Any) -> ChainAuthority:
    return ChainAuthority("own", tuple(each.pem for each in held), **more)


def only(found: list[Any]) -> Any:
    assert len(found) == 1
    return found[0]


def verified(made: Made, authority: ChainAuthority, now: Any = NOW) -> Verified:
    candidate = only(list(read_notation(attached(made))))
    assert isinstance(candidate, NotationSignature), candidate
    return candidate.verify(evidence(), authority, now=now)


def signed(own: Chain, **more: Any) -> Made:
    at = more.pop("signed_at", NOW - timedelta(days=1))
    return making.sign(SUBJECT, SigningKey(own.signer.key), own.certificates, signed_at=at, **more).attach(created=NOW)


@pytest.fixture(scope="module")
def own() -> Chain:
    return chain()


def test_what_is_signed_verifies_by_the_root(own: Chain) -> None:
    found = verified(signed(own), trusting(own.root))
    assert found.form is Form.NOTATION
    assert found.statement.predicate_type == SIGNED
    assert found.signed_at is None
    assert found.valid_until == own.signer.certificate.not_valid_after_utc
    assert "CN=Release" in found.signer


def test_it_verifies_by_an_authority_in_between(own: Chain) -> None:
    assert verified(signed(own), trusting(own.middle))


@pytest.mark.parametrize(
    "key",
    [
        pytest.param(lambda: ec.generate_private_key(ec.SECP384R1()), id="P-384"),
        pytest.param(lambda: ec.generate_private_key(ec.SECP521R1()), id="P-521"),
        pytest.param(lambda: chains.rsa_key(2048), id="RSA-2048"),
        pytest.param(lambda: chains.rsa_key(3072), id="RSA-3072"),
    ],
)
def test_every_kind_of_key_signs(key: Any) -> None:
    own = chain(signer=replace(SIGNER, key=key()))
    assert verified(signed(own), trusting(own.root))


def test_a_certificate_without_an_authority_is_trusted_by_itself() -> None:
    alone = chains.issue(replace(SIGNER, key=chains.new_key()))
    made = making.sign(SUBJECT, SigningKey(alone.key), [alone.certificate], signed_at=NOW).attach(created=NOW)
    assert verified(made, trusting(alone))


def test_it_holds_until_it_expires(own: Chain) -> None:
    until = NOW + timedelta(days=2)
    assert verified(signed(own, expires_at=until), trusting(own.root)).valid_until == until


def test_the_signer_is_one_of_those_named(own: Chain) -> None:
    assert verified(signed(own), trusting(own.root, subjects=("CN=Other,O=Example", "O=Example,CN=Release")))


@pytest.mark.parametrize(
    "subject", ["C=CH, ST=ZH, O=Example", "C=CH, S=ZH,  O=Example, CN=Release", "S=ZH", "OU=Models", "O=Example"]
)
def test_a_subject_may_be_written_as_in_trust_policies_of_notation(own: Chain, subject: str) -> None:
    assert verified(signed(own), trusting(own.root, subjects=(subject,)))


@pytest.mark.parametrize("subject", ["CN=S=ZH", "C=CH\\, ST=ZH", "CN=", "", "Release"])
def test_a_subject_that_is_another_or_none_is_refused(own: Chain, subject: str) -> None:
    with pytest.raises(Refused) as refused:
        verified(signed(own), trusting(own.root, subjects=(subject,)))
    assert refused.value.step == Step.IDENTITY


def test_a_timestamp_witnesses_that_an_expired_certificate_was_valid() -> None:
    end = NOW - timedelta(days=2)
    own = chain(signer=replace(SIGNER, key=chains.new_key(), end=end))
    at = end - timedelta(days=1)
    made = making.sign(SUBJECT, SigningKey(own.signer.key), own.certificates, signed_at=at)
    tsa = TimestampAuthority()
    asked = timestamps.timestamp_request(made.signature)
    answer = tsa.stamp(made.signature, at, nonce=asked.nonce, has_chain=True)
    token = timestamps.token_of(timestamps.read_timestamp(answer, asked, made.signature))
    stamped = made.attach(created=NOW, timestamp=token)
    roots = (tsa.root.public_bytes(Encoding.PEM),)
    found = verified(stamped, trusting(own.root, timestamp_certificates=roots))
    assert found.signed_at == at
    assert found.valid_until is None
    with pytest.raises(Refused, match="no trusted authority has signed the timestamp"):
        verified(stamped, trusting(own.root, timestamp_certificates=(own.root.pem,)))
    late = made.attach(created=NOW, timestamp=timestamps.token_of(tsa.stamp(made.signature, NOW, has_chain=True)))
    with pytest.raises(Refused, match="when it was signed"):
        verified(late, trusting(own.root, timestamp_certificates=roots))


def test_certificates_that_notation_would_not_take_are_not_signed_with(own: Chain) -> None:
    key = SigningKey(own.signer.key)
    for certificates, reason in (
        ((), "has no certificates"),
        (own.certificates[1:], "not the key's"),
        (own.certificates[:2], "not self-signed"),
    ):
        with pytest.raises(making.UnusableChain, match=reason):
            making.sign(SUBJECT, key, certificates, signed_at=NOW)
    other = chain(signer=replace(SIGNER, key=ed25519.Ed25519PrivateKey.generate()))
    with pytest.raises(making.UnusableChain, match="none that is taken"):
        making.sign(SUBJECT, SigningKey(other.signer.key), other.certificates, signed_at=NOW)


def test_the_manifest_is_the_one_that_notation_writes(own: Chain) -> None:
    manifest = json.loads(signed(own).content)
    assert "artifactType" not in manifest
    assert manifest["config"]["mediaType"] == "application/vnd.cncf.notary.signature"
    assert manifest["config"]["size"] == 2
    assert [layer["mediaType"] for layer in manifest["layers"]] == ["application/jose+json"]
    prints = json.loads(manifest["annotations"]["io.cncf.notary.x509chain.thumbprint#S256"])
    assert prints == [each.fingerprint(SHA256()).hex() for each in own.certificates]


def test_another_manifest_holds_no_such_signature(own: Chain) -> None:
    made = signed(own)
    other = json.loads(made.content)
    other["config"]["mediaType"] = "application/vnd.oci.empty.v1+json"
    assert list(read_notation(replace_content(made, other))) == []


def replace_content(made: Made, manifest: dict[str, Any]) -> Attached:
    return attached(replace(made, content=json.dumps(manifest).encode()))


def test_a_manifest_has_one_layer(own: Chain) -> None:
    manifest = json.loads(signed(own).content)
    manifest["layers"] *= 2
    found = only(list(read_notation(replace_content(signed(own), manifest))))
    assert isinstance(found, Rejected)
    assert found.step == 1
    assert "2 layers" in found.reason
