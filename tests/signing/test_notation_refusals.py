"""Signatures of the Notary Project that have one defect each, and the step at which each is refused."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import cbor2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.hashes import SHA224, SHA384
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID

from signing.authorities import Authority, ChainAuthority, Identity, KeyAuthority, KeylessAuthority
from signing.evidence import Attached, Evidence
from signing.notation import read_notation
from signing.roots import TrustRoot
from signing.steps import Refused, Step
from signing.verified import Rejected
from tests.signing import chains
from tests.signing.chains import AUTHORITY, NOW, SIGNER, Chain, chain
from tests.signing.notation_envelopes import (
    ARTIFACT,
    AUTHENTIC,
    COSE,
    EXPIRY,
    MANIFEST,
    SCHEME,
    SIGNED_AT,
    SUBJECT,
    TIME,
    attach,
    cose,
    drop,
    jws,
    raw_signature,
    target,
    url,
)

OWN = chain()
FOREIGN = chain()
STATED = SIGNED_AT.strftime("%Y-%m-%dT%H:%M:%SZ")
SECONDS = cbor2.CBORTag(1, int(SIGNED_AT.timestamp()))
INDEX = "application/vnd.oci.image.index.v1+json"


def own_authority(**more: Any) -> ChainAuthority:
    return ChainAuthority("own", more.pop("certificates", (OWN.root.pem,)), **more)


def found_by(attached: Attached, authority: Authority, evidence: Evidence, now: Any) -> Rejected | Refused | None:
    """Return why the one signature of a manifest is not accepted; None where it is."""
    candidates = list(read_notation(attached))
    assert len(candidates) == 1
    if isinstance(candidates[0], Rejected):
        return candidates[0]
    try:
        candidates[0].verify(evidence, authority, now=now)
    except Refused as error:
        return error
    return None


def by(made: Chain, **more: Any) -> tuple[Attached, Authority]:
    """Return a sound envelope by another chain, whose root is trusted."""
    return attach(jws(made, **more)), ChainAuthority("own", (made.root.pem,))


def signer(**changes: Any) -> Chain:
    return chain(signer=replace(SIGNER, key=changes.pop("key", None) or chains.new_key(), **changes))


def middle(**changes: Any) -> Chain:
    return chain(middle=replace(AUTHORITY, subject=chains.name("Intermediate"), key=chains.new_key(), **changes))


def x5c(*certificates: x509.Certificate) -> dict[str, Any]:
    return {"x5c": [base64.b64encode(each.public_bytes(Encoding.DER)).decode() for each in certificates]}


def flipped(envelope: bytes) -> bytes:
    document = json.loads(envelope)
    document["payload"] = url(target(size=SUBJECT.size + 1))
    return json.dumps(document).encode()


def public_pem() -> bytes:
    return OWN.signer.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def indefinite() -> bytes:
    body = cbor2.loads(cose(OWN)).value
    return b"\xd2\x9f" + b"".join(cbor2.dumps(part) for part in body) + b"\xff"


def with_true() -> bytes:
    said = cbor2.dumps({2: [SCHEME], 3: "a", SCHEME: "notary.x509", TIME: SECONDS})
    return bytes((said[0] + 1,)) + said[1:] + cbor2.dumps(True) + cbor2.dumps(-7)


def twice() -> bytes:
    said = cbor2.dumps({1: -7, 2: [SCHEME], 3: "a", SCHEME: "notary.x509", TIME: SECONDS})
    return bytes((said[0] + 1,)) + said[1:] + cbor2.dumps(1) + cbor2.dumps(-7)


def replaced(attached: Attached, **changes: Any) -> Attached:
    return Attached(**{**{name: getattr(attached, name) for name in attached.__struct_fields__}, **changes})


def tampered_layer() -> Attached:
    attached = attach(jws(OWN))
    return replaced(attached, blobs={digest: content + b" " for digest, content in attached.blobs.items()})


Case = Callable[[], tuple[Attached, Authority] | Attached]

READ: dict[str, tuple[Case, str]] = {
    "no-json": (lambda: attach(b"{"), "no JSON object"),
    "truncated-envelope": (lambda: attach(jws(OWN)[:-20]), "no JSON object"),
    "duplicate-keys": (lambda: attach(jws(OWN)[:-1] + b',"payload":"e30"}'), "each key once"),
    "duplicate-keys-in-the-protected-header": (
        lambda: attach(jws(OWN, protected=b'{"alg":"ES256","alg":"none"}')),
        "each key once",
    ),
    "general-serialisation": (lambda: attach(jws(OWN, envelope={"signatures": []})), "'signatures' that is not known"),
    "signature-missing": (lambda: attach(jws(OWN, envelope={"signature": drop()})), "no signature"),
    "signature-stripped": (lambda: attach(jws(OWN, envelope={"signature": ""})), "no signature"),
    "payload-padded": (lambda: attach(jws(OWN, envelope={"payload": url(target()) + "="})), "base64url"),
    "payload-with-line-end": (lambda: attach(jws(OWN, envelope={"payload": url(target()) + "\n"})), "base64url"),
    "payload-of-another-type": (lambda: attach(jws(OWN, protected={"cty": "application/json"})), "of the type"),
    "payload-with-more": (lambda: attach(jws(OWN, payload=b'{"targetArtifact":{},"a":1}')), "not known"),
    "payload-with-duplicate-digests": (
        lambda: attach(jws(OWN, payload=target()[:-2] + b',"digest":"sha256:0"}}')),
        "each key once",
    ),
    "payload-with-digest-in-other-case": (
        lambda: attach(jws(OWN, payload=target()[:-2] + b',"Digest":"sha256:0"}}')),
        "'Digest' that is not known",
    ),
    "payload-without-size": (lambda: attach(jws(OWN, payload=target(size=drop()))), "no size"),
    "payload-without-media-type": (lambda: attach(jws(OWN, payload=target(mediaType=drop()))), "no mediaType"),
    "payload-that-is-a-list": (lambda: attach(jws(OWN, payload=b"[]")), "no JSON object"),
    "header-in-other-case": (lambda: attach(jws(OWN, protected={"ALG": "none"})), "'ALG'"),
    "header-in-both": (lambda: attach(jws(OWN, header={"alg": "ES256"})), "beside it"),
    "critical-missing": (lambda: attach(jws(OWN, protected={"crit": drop()})), "which attributes are critical"),
    "critical-empty": (lambda: attach(jws(OWN, protected={"crit": []})), "which attributes are critical"),
    "critical-a-text": (lambda: attach(jws(OWN, protected={"crit": SCHEME})), "which attributes are critical"),
    "critical-unknown": (
        lambda: attach(jws(OWN, protected={"crit": [SCHEME, "com.example.must"], "com.example.must": 1})),
        "'com.example.must', which is not known",
    ),
    "critical-b64": (lambda: attach(jws(OWN, protected={"crit": [SCHEME, "b64"], "b64": False})), "'b64'"),
    "critical-twice": (lambda: attach(jws(OWN, protected={"crit": [SCHEME, SCHEME]})), "twice"),
    "critical-without-scheme": (
        lambda: attach(jws(OWN, protected={"crit": [EXPIRY], EXPIRY: "2026-07-01T00:00:00Z"})),
        "not marked as critical",
    ),
    "critical-that-is-absent": (lambda: attach(jws(OWN, protected={"crit": [SCHEME, EXPIRY]})), "has none"),
    "expiry-not-critical": (
        lambda: attach(jws(OWN, protected={EXPIRY: "2026-07-01T00:00:00Z"})),
        "expiry is not marked as critical",
    ),
    "expiry-before-signing": (
        lambda: attach(jws(OWN, protected={EXPIRY: "2020-01-01T00:00:00Z", "crit": [SCHEME, EXPIRY]})),
        "before it was signed",
    ),
    "plug-in": (
        lambda: attach(jws(OWN, protected={"io.cncf.notary.verificationPlugin": "com.example.p", "crit": [SCHEME]})),
        "plug-in 'com.example.p'",
    ),
    "scheme-unknown": (lambda: attach(jws(OWN, protected={SCHEME: "notary.x510"})), "'notary.x510'"),
    "scheme-missing": (lambda: attach(jws(OWN, protected={SCHEME: drop()})), "has none"),
    "time-missing": (lambda: attach(jws(OWN, protected={TIME: drop()})), "no io.cncf.notary.signingTime"),
    "time-of-the-other-scheme": (lambda: attach(jws(OWN, protected={AUTHENTIC: STATED})), "does not know"),
    "time-a-number": (lambda: attach(jws(OWN, protected={TIME: 1700000000})), "no time"),
    "time-without-zone": (lambda: attach(jws(OWN, protected={TIME: STATED[:-1]})), "no time"),
    "time-that-is-none": (lambda: attach(jws(OWN, protected={TIME: "2026-02-30T00:00:00Z"})), "no time"),
    "time-out-of-range": (lambda: attach(jws(OWN, protected={TIME: "0001-01-01T00:00:00+14:00"})), "no time"),
    "certificates-missing": (lambda: attach(jws(OWN, header={"x5c": drop()})), "without certificates"),
    "certificates-empty": (lambda: attach(jws(OWN, header={"x5c": []})), "without certificates"),
    "certificates-too-many": (
        lambda: attach(jws(OWN, header=x5c(*[OWN.signer.certificate] * 9))),
        "9 certificates",
    ),
    "certificate-with-trailing-bytes": (
        lambda: attach(
            jws(
                OWN,
                header={"x5c": [base64.b64encode(OWN.signer.certificate.public_bytes(Encoding.DER) + b"\0").decode()]},
            )
        ),
        "certificate 1",
    ),
    "timestamp-no-base64": (lambda: attach(jws(OWN, header={"io.cncf.notary.timestampSignature": "§"})), "no base64"),
    "envelope-of-another-type": (lambda: attach(jws(OWN), "application/json"), "'application/json'"),
    "jws-as-cose": (lambda: attach(jws(OWN), COSE), "no CBOR"),
    "cose-as-jws": (lambda: attach(cose(OWN)), "no JSON object"),
    "cose-untagged": (lambda: attach(cose(OWN, tag=None), COSE), "no COSE_Sign1"),
    "cose-of-another-tag": (lambda: attach(cose(OWN, tag=98), COSE), "no CBOR"),
    "cose-truncated": (lambda: attach(cose(OWN)[:-1], COSE), "no CBOR"),
    "cose-with-trailing-bytes": (lambda: attach(cose(OWN) + b"\0", COSE), "followed by 1 bytes"),
    "cose-of-indefinite-length": (lambda: attach(indefinite(), COSE), "no CBOR"),
    "cose-duplicate-keys": (lambda: attach(cose(OWN, protected=twice()), COSE), "no CBOR"),
    "cose-key-that-is-true": (lambda: attach(cose(OWN, protected=with_true()), COSE), "label"),
    "cose-header-in-both": (lambda: attach(cose(OWN, header={1: -7}), COSE), "beside it"),
    "cose-algorithm-unknown": (lambda: attach(cose(OWN, protected={1: -8}), COSE), "-8"),
    "cose-time-without-tag": (lambda: attach(cose(OWN, protected={TIME: 1700000000}), COSE), "tag 1"),
    "cose-time-as-text": (
        lambda: attach(cose(OWN, protected={TIME: cbor2.CBORTag(0, STATED)}), COSE),
        "no CBOR",
    ),
    "cose-time-in-parts-of-seconds": (
        lambda: attach(cose(OWN, protected={TIME: cbor2.CBORTag(1, 1.5)}), COSE),
        "tag 1",
    ),
    "cose-critical-unknown": (
        lambda: attach(cose(OWN, protected={2: [SCHEME, "a"], "a": 1}), COSE),
        "'a', which is not known",
    ),
    "cose-one-certificate-alone": (
        lambda: attach(cose(OWN, header={33: OWN.signer.certificate.public_bytes(Encoding.DER)}), COSE),
        "without certificates",
    ),
    "cose-certificate-a-text": (lambda: attach(cose(OWN, header={33: ["a"]}), COSE), "none in DER"),
    "cose-signature-empty": (lambda: attach(cose(OWN, signature=b""), COSE), "no signature"),
    "cose-payload-elsewhere": (
        lambda: attach(cbor2.dumps(cbor2.CBORTag(18, [b"", {}, None, b"1"])), COSE),
        "no payload",
    ),
    "layer-of-another-digest": (tampered_layer, "other bytes than its digest says"),
    "layer-not-gathered": (lambda: replaced(attach(jws(OWN)), blobs={}), "was not gathered"),
}


SIGNER_CASES: dict[str, tuple[Case, str]] = {
    "keys-are-trusted": (
        lambda: (attach(jws(OWN)), KeyAuthority("k", (public_pem(),))),
        "certificates of own authorities",
    ),
    "identities-are-trusted": (
        lambda: (attach(jws(OWN)), KeylessAuthority("i", (Identity("a"),), TrustRoot(b""))),
        "certificates of own authorities",
    ),
    "root-of-another": (
        lambda: (attach(jws(OWN)), own_authority(certificates=(FOREIGN.root.pem,))),
        "no certificate of its chain",
    ),
    "no-root": (lambda: (attach(jws(OWN)), own_authority(certificates=())), "no certificate of its chain"),
    "signer-trusted-without-its-authority": (
        lambda: (attach(jws(OWN)), own_authority(certificates=(OWN.signer.pem,))),
        "no certificate of its chain",
    ),
    "trusted-root-appended": (
        lambda: attach(jws(FOREIGN, header=x5c(*FOREIGN.certificates, OWN.root.certificate))),
        "certificate 3 of its chain was not issued by the next",
    ),
    "root-of-same-name": (
        lambda: attach(jws(FOREIGN, header=x5c(*FOREIGN.certificates[:2], OWN.root.certificate))),
        "certificate 2 of its chain was not issued by the next",
    ),
    "chain-out-of-order": (lambda: attach(jws(OWN, header=x5c(*OWN.certificates[::-1]))), "of its chain"),
    "chain-without-root": (lambda: attach(jws(OWN, header=x5c(*OWN.certificates[:2]))), "not self-signed"),
    "signer-alone": (lambda: attach(jws(OWN, header=x5c(OWN.signer.certificate))), "not self-signed"),
    "signer-an-authority": (
        lambda: by(signer(ca=True, usage=("digital_signature", "key_cert_sign"))),
        "is an authority's",
    ),
    "signer-without-key-usage": (lambda: by(signer(usage=None)), "no critical key usage"),
    "signer-with-key-usage-not-critical": (lambda: by(signer(is_usage_critical=False)), "no critical key usage"),
    "signer-may-not-sign": (lambda: by(signer(usage=("content_commitment",))), "digitalSignature"),
    "signer-may-encrypt": (lambda: by(signer(usage=("digital_signature", "key_encipherment"))), "digitalSignature"),
    "signer-is-for-servers": (
        lambda: by(signer(extended=(ExtendedKeyUsageOID.CODE_SIGNING, ExtendedKeyUsageOID.SERVER_AUTH))),
        "issued for servers",
    ),
    "signer-is-for-timestamps": (lambda: by(signer(extended=(ExtendedKeyUsageOID.TIME_STAMPING,))), "for timestamps"),
    "signer-is-for-anything": (
        lambda: by(signer(extended=(ExtendedKeyUsageOID.CODE_SIGNING, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE))),
        "for anything",
    ),
    "signer-is-not-for-code": (lambda: by(signer(extended=(ExtendedKeyUsageOID.SMARTCARD_LOGON,))), "signing code"),
    "authority-without-key-usage": (lambda: by(middle(usage=None)), "no critical key usage"),
    "authority-may-not-issue": (lambda: by(middle(usage=("crl_sign",))), "may not issue"),
    "authority-is-none": (lambda: by(middle(ca=False)), "is no authority's"),
    "path-too-long": (
        lambda: by(chain(root=replace(AUTHORITY, subject=chains.name("Root"), key=chains.new_key(), path_length=0))),
        "path length",
    ),
    "signer-of-RSA-1024": (
        lambda: by(signer(key=chains.rsa_key(1024)), signature=b"1", protected={"alg": "PS256"}),
        "none that is taken",
    ),
    "signer-of-Ed25519": (
        lambda: by(signer(key=ed25519.Ed25519PrivateKey.generate()), signature=b"1", protected={"alg": "EdDSA"}),
        "none that is taken",
    ),
    "algorithm-none": (lambda: attach(jws(OWN, protected={"alg": "none"})), "ES256 is what goes"),
    "algorithm-of-another-kind": (lambda: attach(jws(OWN, protected={"alg": "PS256"})), "ES256 is what goes"),
    "algorithm-with-the-public-key-as-secret": (
        lambda: attach(jws(OWN, protected={"alg": "HS256"})),
        "ES256 is what goes",
    ),
    "algorithm-of-another-size": (
        lambda: by(signer(key=ec.generate_private_key(ec.SECP384R1())), protected={"alg": "ES256"}),
        "ES384 is what goes",
    ),
    "certificate-signed-with-SHA-224": (lambda: by(signer(digest=SHA224())), "hash that is not taken"),
    "scheme-of-signing-authorities": (
        lambda: attach(jws(OWN, protected=by_authority())),
        "not trusted as a signing authority",
    ),
    "scheme-of-others-by-signing-authorities": (
        lambda: (attach(jws(OWN)), own_authority(is_signing_authority=True)),
        "is trusted as a signing authority",
    ),
}


def by_authority(stated: str = STATED) -> dict[str, Any]:
    scheme = {SCHEME: "notary.x509.signingAuthority", AUTHENTIC: stated, TIME: drop()}
    return {**scheme, "crit": [SCHEME, AUTHENTIC]}


TIME_CASES: dict[str, tuple[Case, str]] = {
    "signer-expired": (lambda: by(signer(end=NOW - timedelta(seconds=1))), "nobody who is trusted witnesses"),
    "signer-not-yet-valid": (lambda: by(signer(start=NOW + timedelta(seconds=1))), "certificate 1"),
    "authority-expired": (lambda: by(middle(end=NOW - timedelta(seconds=1))), "certificate 2"),
    "expired": (
        lambda: attach(jws(OWN, protected={EXPIRY: NOW.strftime("%Y-%m-%dT%H:%M:%SZ"), "crit": [SCHEME, EXPIRY]})),
        "has expired",
    ),
    "cose-expired": (
        lambda: attach(
            cose(OWN, protected={EXPIRY: cbor2.CBORTag(1, int(NOW.timestamp())), 2: [SCHEME, EXPIRY]}), COSE
        ),
        "has expired",
    ),
    "authentic-time-before-the-certificate": (
        lambda: (
            attach(jws(OWN, protected=by_authority("2020-01-01T00:00:00Z"))),
            own_authority(is_signing_authority=True),
        ),
        "when it was signed",
    ),
    "authentic-time-to-come": (
        lambda: (
            attach(jws(OWN, protected=by_authority("2026-06-02T00:00:00Z"))),
            own_authority(is_signing_authority=True),
        ),
        "which is to come",
    ),
}

LATER: dict[str, tuple[Step, Case, str]] = {
    "payload-swapped": (Step.SIGNATURE, lambda: attach(flipped(jws(OWN))), "altered"),
    "wrong-key": (Step.SIGNATURE, lambda: attach(jws(OWN, key=FOREIGN.signer.key)), "altered"),
    "other-hash": (
        Step.SIGNATURE,
        lambda: attach(jws(OWN, signature=raw_signature(OWN.signer.key, b"", SHA384()))),
        "altered",
    ),
    "signature-in-DER": (
        Step.SIGNATURE,
        lambda: attach(jws(OWN, signature=OWN.signer.key.sign(b"", ec.ECDSA(SHA384())))),
        "altered",
    ),
    "signature-zero": (Step.SIGNATURE, lambda: attach(jws(OWN, signature=bytes(64))), "altered"),
    "cose-payload-swapped": (Step.SIGNATURE, lambda: attach(cose_swapped(), COSE), "altered"),
    "cose-signature-of-jws": (Step.SIGNATURE, lambda: attach(cose(OWN, signature=bytes(range(64))), COSE), "altered"),
    "digest-of-another": (
        Step.SUBJECT,
        lambda: attach(jws(OWN, payload=target(digest="sha256:" + "0" * 64))),
        "it signs sha256:000",
    ),
    "digest-of-another-algorithm": (
        Step.SUBJECT,
        lambda: attach(jws(OWN, payload=target(digest="sha512:" + "0" * 128))),
        "it signs sha512:000",
    ),
    "index-against-manifest": (Step.SUBJECT, lambda: attach(jws(OWN, payload=target(mediaType=INDEX))), INDEX),
    "size-of-another": (Step.SUBJECT, lambda: attach(jws(OWN, payload=target(size=1))), "1 bytes"),
    "attached-to-another": (
        Step.SUBJECT,
        lambda: attach(jws(OWN), subject=replace(SUBJECT, digest="sha256:" + "0" * 64)),
        "refers to",
    ),
    "subject-not-asked-for": (
        Step.IDENTITY,
        lambda: (attach(jws(OWN)), own_authority(subjects=("CN=Release,O=Other",))),
        "",
    ),
    "subject-in-other-case": (
        Step.IDENTITY,
        lambda: (attach(jws(OWN)), own_authority(subjects=("CN=release,O=Example",))),
        "",
    ),
    "subject-with-more": (
        Step.IDENTITY,
        lambda: (attach(jws(OWN)), own_authority(subjects=("CN=Release,O=Example,L=Bern",))),
        "",
    ),
    "identity-not-asked-for": (
        Step.IDENTITY,
        lambda: (attach(jws(OWN)), own_authority(identities=(Identity("a@example.com"),))),
        "who is not asked for",
    ),
}


def cose_swapped() -> bytes:
    protected, header, _, signature = cbor2.loads(cose(OWN)).value
    return cbor2.dumps(cbor2.CBORTag(18, [protected, header, target(size=1), signature]))


TABLE = [
    *[pytest.param(Step.READ, case, reason, id=name) for name, (case, reason) in READ.items()],
    *[pytest.param(Step.SIGNER, case, reason, id=name) for name, (case, reason) in SIGNER_CASES.items()],
    *[pytest.param(Step.TIME, case, reason, id=name) for name, (case, reason) in TIME_CASES.items()],
    *[pytest.param(step, case, reason, id=name) for name, (step, case, reason) in LATER.items()],
]


@pytest.mark.parametrize(("step", "case", "reason"), TABLE)
def test_it_is_refused(step: Step, case: Case, reason: str) -> None:
    made = case()
    attached, authority = made if isinstance(made, tuple) else (made, own_authority())
    found = found_by(attached, authority, Evidence(SUBJECT.digest, MANIFEST, ARTIFACT), NOW)
    assert found is not None, "it was accepted"
    assert found.step == step, found.reason
    assert reason in found.reason


def test_what_the_table_changes_is_sound_without_the_change() -> None:
    for attached in (attach(jws(OWN)), attach(cose(OWN), COSE)):
        assert found_by(attached, own_authority(), Evidence(SUBJECT.digest, MANIFEST, ARTIFACT), NOW) is None
    authentic = attach(jws(OWN, protected=by_authority()))
    authority = own_authority(is_signing_authority=True)
    assert found_by(authentic, authority, Evidence(SUBJECT.digest, MANIFEST, ARTIFACT), NOW) is None
    assert (
        found_by(attach(jws(signer())), own_authority(), Evidence(SUBJECT.digest, MANIFEST, ARTIFACT), NOW) is not None
    )


def test_a_signature_of_a_manifest_is_none_of_an_index_with_its_bytes() -> None:
    found = found_by(attach(jws(OWN)), own_authority(), Evidence(SUBJECT.digest, INDEX, ARTIFACT), NOW)
    assert found is not None
    assert found.step == Step.SUBJECT
