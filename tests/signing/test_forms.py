"""Every form in which a signature reaches a registry is read and verified, by every kind of authority that fits it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from signing.authorities import ChainAuthority, Identity
from signing.verified import SIGNED, Form
from tests.signing import attachments as made
from tests.signing.services import CODE_SIGNING, NOW, OTHER_NAME, Authority, b64, certified, new_key, sign, spki, utf8
from tests.signing.world import ISSUER, WHO, World, accepted, judged, rejected, signature_of

PREDICATE = "https://example.com/tests/v1"


@pytest.fixture(scope="module")
def world() -> World:
    return World()


# By keys


@pytest.mark.parametrize(
    "key",
    [
        ec.generate_private_key(ec.SECP256R1()),
        ec.generate_private_key(ec.SECP384R1()),
        ec.generate_private_key(ec.SECP521R1()),
        ed25519.Ed25519PrivateKey.generate(),
        rsa.generate_private_key(65537, 2048),
    ],
    ids=["p256", "p384", "p521", "ed25519", "rsa"],
)
def test_a_key_of_each_kind_signs_in_each_form(world: World, key: Any) -> None:
    for attached in (
        made.signed_tag(key),
        made.attach(made.bundle(key)),
        made.attach(made.message_bundle(key)),
    ):
        found = accepted(made.evidence(attached), world.keys(key))
        assert found.statement.predicate_type == SIGNED
        assert (found.signed_at, found.is_logged, found.valid_until) == (None, False, None)


def test_a_verified_signature_says_where_it_is_and_by_whom(world: World) -> None:
    attached = made.signed_tag(world.key)
    found = accepted(made.evidence(attached), world.keys(world.other_key, world.key))
    assert found.form is Form.COSIGN
    assert found.where == f"{attached.digest}, layer 1"
    assert found.key is not None
    assert found.signer == f"key {found.key}"


def test_a_simple_signature_may_be_a_referrer(world: World) -> None:
    payload = made.simple_signing()
    annotations = made.signature_annotations(sign(world.key, payload))
    attached = made.referrer(payload, made.SIMPLE_SIGNING, annotations=annotations)
    assert accepted(made.evidence(attached), world.keys()).form is Form.COSIGN


def test_each_layer_of_a_tag_is_a_signature_by_itself(world: World) -> None:
    payload = made.simple_signing()
    layers = [
        (payload + b" " * number, made.SIMPLE_SIGNING, made.signature_annotations(sign(key, payload + b" " * number)))
        for number, key in enumerate((world.key, world.other_key))
    ]
    found = judged(made.evidence(made.tagged(*layers)), world.keys())
    assert [each.where[-7:] for each in found.verified] == ["layer 1"]
    assert [each.where[-7:] for each in found.rejected] == ["layer 2"]


@pytest.mark.parametrize("statement_type", ["https://in-toto.io/Statement/v1", "https://in-toto.io/Statement/v0.1"])
def test_an_attestation_says_its_predicate(world: World, statement_type: str) -> None:
    payload = made.statement(PREDICATE, {"passed": True}, _type=statement_type)
    bundle = made.attach(made.bundle(world.key, payload))
    layer = (made.compact(made.envelope(world.key, payload)), made.ENVELOPE_TYPE, {})
    for attached, form in ((bundle, Form.BUNDLE), (made.tagged(layer, suffix="att"), Form.COSIGN_ATTESTATION)):
        found = accepted(made.evidence(attached), world.keys())
        assert found.form is form
        assert (found.statement.predicate_type, found.statement.predicate) == (PREDICATE, {"passed": True})


def test_one_of_several_subjects_is_enough(world: World) -> None:
    subjects = [
        {"name": "another", "digest": {"sha256": "0" * 64}},
        {"name": "it", "digest": {"sha256": made.digest(made.ARTIFACT)[7:]}},
    ]
    accepted(made.evidence(made.attach(made.bundle(world.key, made.statement(subject=subjects)))), world.keys())


def test_an_index_has_signatures_of_its_own(world: World) -> None:
    payload = made.statement(subject=[{"digest": {"sha256": made.digest(made.INDEX)[7:]}}])
    subject = made.descriptor(made.INDEX, made.INDEX_TYPE)
    attached = made.attach(made.bundle(world.key, payload), subject=subject)
    accepted(made.evidence(attached, content=made.INDEX, media_type=made.INDEX_TYPE), world.keys())


def test_a_key_may_be_asked_for_a_log_entry_and_a_timestamp(world: World) -> None:
    document = made.bundle(world.key)
    body = made.dsse(world.key, document["dsseEnvelope"])
    document["verificationMaterial"] |= {
        "tlogEntries": [world.sigstore.log.entry(body)],
        "timestampVerificationData": made.stamped(world.sigstore.timestamps.stamp(signature_of(document))),
    }
    authority = world.keys(root=world.root(), needs_log=True, needs_timestamp=True)
    found = accepted(made.evidence(made.attach(document)), authority)
    assert found.is_logged
    assert found.signed_at == NOW + timedelta(seconds=5)


def test_a_key_that_needs_no_log_does_without_knowing_it(world: World) -> None:
    document = made.bundle(world.key)
    document["verificationMaterial"]["tlogEntries"] = [
        world.sigstore.log.entry(made.dsse(world.key, document["dsseEnvelope"]))
    ]
    assert not accepted(made.evidence(made.attach(document)), world.keys()).is_logged


def test_a_log_that_says_no_time_has_to_be_trusted_now_where_nobody_else_does(world: World) -> None:
    document = made.bundle(world.key)
    body = made.dsse_2(world.key, document["dsseEnvelope"])
    document["verificationMaterial"]["tlogEntries"] = [world.sigstore.second_log.entry(body)]
    found = made.evidence(made.attach(document))
    end = NOW + timedelta(days=1)
    retiring = world.root(logs=[world.sigstore.second_log.described(end=end)])
    authority = world.keys(root=retiring, needs_log=True)
    assert accepted(found, authority).valid_until == end
    early = world.keys(root=world.root(logs=[world.sigstore.second_log.described(start=end)]), needs_log=True)
    for refused in (rejected(found, authority, now=end + timedelta(seconds=1)), rejected(found, early)):
        assert refused.reason.startswith("the log's key was not trusted at")
    assert accepted(found, world.keys(root=world.root(), needs_log=True)).valid_until is None


def test_a_log_that_was_not_trusted_then_does_not_count(world: World) -> None:
    document = made.bundle(world.key)
    body = made.dsse_2(world.key, document["dsseEnvelope"])
    document["verificationMaterial"] |= {
        "tlogEntries": [world.sigstore.second_log.entry(body)],
        "timestampVerificationData": made.stamped(world.sigstore.timestamps.stamp(signature_of(document))),
    }
    attached = made.attach(document)
    assert accepted(made.evidence(attached), world.keys(root=world.root())).is_logged
    retired = world.root(logs=[world.sigstore.second_log.described(end=NOW - timedelta(days=1))])
    assert not accepted(made.evidence(attached), world.keys(root=retired)).is_logged


def test_a_log_that_says_no_time_is_trusted_when_another_has_promised_the_signature(world: World) -> None:
    document = made.bundle(world.key)
    envelope = document["dsseEnvelope"]
    document["verificationMaterial"]["tlogEntries"] = [
        world.sigstore.second_log.entry(made.dsse_2(world.key, envelope)),
        world.sigstore.log.entry(made.dsse(world.key, envelope)),
    ]
    found = made.evidence(made.attach(document))
    day = NOW + timedelta(days=1)

    def trusting(**period: Any) -> Any:
        logs = [world.sigstore.log.described(), world.sigstore.second_log.described(**period)]
        return world.keys(root=world.root(logs=logs), needs_log=True)

    later = day + timedelta(days=1)
    assert accepted(found, trusting(end=day), now=later).valid_until is None
    assert rejected(found, trusting(start=day), now=later).reason.startswith("the log's key was not trusted at")


# By identities


@pytest.mark.parametrize("kind", ["dsse", "hashedrekord", "intoto"])
def test_an_identity_signs_with_an_entry_of_each_kind(world: World, kind: str) -> None:
    document = world.keyless_bundle()
    envelope, certificate = document["dsseEnvelope"], world.certificate
    body = {
        "dsse": made.dsse(world.key, envelope, certificate),
        "hashedrekord": made.hashedrekord(
            world.key, made.pae(made.unpacked(envelope)), signature_of(document), certificate
        ),
        "intoto": made.intoto_2(world.key, envelope, certificate),
    }[kind]
    document["verificationMaterial"]["tlogEntries"] = [world.sigstore.log.entry(body)]
    found = accepted(made.evidence(made.attach(document)), world.keyless())
    assert (found.identity, found.issuer, found.signer) == (WHO, ISSUER, f"{WHO} ({ISSUER})")
    assert found.is_logged
    assert found.signed_at == NOW + timedelta(seconds=10)
    assert found.valid_until is None


def test_what_was_signed_with_a_short_certificate_holds_for_years(world: World) -> None:
    evidence = made.evidence(made.attach(world.keyless_bundle()))
    accepted(evidence, world.keyless(), now=NOW + timedelta(days=5000))


@pytest.mark.parametrize("kind", ["hashedrekord", "dsse"])
def test_rekor_2_is_a_log_whose_time_is_witnessed_by_a_timestamp(world: World, kind: str) -> None:
    document = world.second_bundle()
    if kind == "dsse":
        body = made.dsse_2(world.key, document["dsseEnvelope"], world.certificate)
        document["verificationMaterial"]["tlogEntries"] = [world.sigstore.second_log.entry(body)]
    found = accepted(made.evidence(made.attach(document)), world.keyless())
    assert found.is_logged
    assert found.signed_at == NOW + timedelta(seconds=5)


def test_a_timestamp_may_do_where_no_log_is_asked_for(world: World) -> None:
    found = accepted(made.evidence(made.attach(world.stamped_bundle())), world.keyless(needs_log=False))
    assert (found.is_logged, found.signed_at) == (False, NOW + timedelta(seconds=5))


@pytest.mark.parametrize("algorithm", ["sha256", "sha384", "sha512"])
def test_a_timestamp_is_of_any_of_three_hashes(world: World, algorithm: str) -> None:
    document = world.stamped_bundle()
    response = world.sigstore.timestamps.stamp(signature_of(document), algorithm=algorithm)
    document["verificationMaterial"]["timestampVerificationData"] = made.stamped(response)
    accepted(made.evidence(made.attach(document)), world.keyless(needs_log=False))


def test_the_first_entry_of_a_log_needs_no_hashes(world: World) -> None:
    document = world.keyless_bundle()
    log = world.sigstore.log
    before, log.leaves = log.leaves, []
    body = made.dsse(world.key, document["dsseEnvelope"], world.certificate)
    entry = log.entry(body)
    log.leaves = before
    root = made.hashlib.sha256(b"\x00" + body).digest()
    entry["inclusionProof"] = {
        "treeSize": "1",
        "rootHash": b64(root),
        "checkpoint": {"envelope": log.checkpoint(1, root)},
    }
    document["verificationMaterial"]["tlogEntries"] = [entry]
    accepted(made.evidence(made.attach(document)), world.keyless())


def test_cosigns_annotations_hold_certificate_and_log_entry(world: World) -> None:
    found = accepted(made.evidence(world.keyless_tag()), world.keyless())
    assert (found.form, found.identity, found.is_logged) == (Form.COSIGN, WHO, True)


def test_cosigns_annotations_may_hold_a_timestamp(world: World) -> None:
    payload = made.simple_signing()
    signature = sign(world.key, payload)
    annotations = made.signature_annotations(
        signature,
        certificate=world.certificate.public_bytes(Encoding.PEM).decode(),
        timestamp=made.compact({"SignedRFC3161Timestamp": b64(world.sigstore.timestamps.stamp(signature))}).decode(),
    )
    attached = made.tagged((payload, made.SIMPLE_SIGNING, annotations))
    accepted(made.evidence(attached), world.keyless(needs_log=False))


@pytest.mark.parametrize("kind", ["intoto", "dsse"])
def test_cosigns_attestations_are_in_the_log(world: World, kind: str) -> None:
    envelope = made.envelope(world.key, made.statement(PREDICATE))
    content = made.compact(envelope)
    body = (
        made.intoto(world.key, envelope, content, world.certificate)
        if kind == "intoto"
        else made.dsse(world.key, envelope, world.certificate)
    )
    annotations = {
        "dev.cosignproject.cosign/signature": "",
        "dev.sigstore.cosign/certificate": world.certificate.public_bytes(Encoding.PEM).decode(),
        "dev.sigstore.cosign/bundle": world.sigstore.log.cosign_entry(body),
    }
    attached = made.tagged((content, made.ENVELOPE_TYPE, annotations), suffix="att")
    assert accepted(made.evidence(attached), world.keyless()).is_logged


@pytest.mark.parametrize(
    "media_type",
    [
        "application/vnd.dev.sigstore.bundle+json;version=0.1",
        "application/vnd.dev.sigstore.bundle+json;version=0.2",
        "application/vnd.dev.sigstore.bundle+json;version=0.3",
        "application/vnd.dev.sigstore.bundle.v0.3+json",
    ],
)
def test_bundles_of_each_version(world: World, media_type: str) -> None:
    document = world.keyless_bundle() | {"mediaType": media_type}
    if "0.3" not in media_type:
        certificate = document["verificationMaterial"].pop("certificate")
        document["verificationMaterial"]["x509CertificateChain"] = {"certificates": [certificate]}
    if "0.1" in media_type:
        del document["verificationMaterial"]["tlogEntries"][0]["inclusionProof"]
    accepted(made.evidence(made.attach(document, media_type=media_type)), world.keyless())


@pytest.mark.parametrize(
    ("name", "identity"),
    [
        (
            x509.UniformResourceIdentifier("https://ci.example.com/team/.github/workflows/release.yml@refs/heads/main"),
            None,
        ),
        (x509.OtherName(OTHER_NAME, utf8("release!example.com")), "release!example.com"),
    ],
    ids=["uri", "other-name"],
)
def test_identities_are_uris_and_other_names_too(world: World, name: Any, identity: str | None) -> None:
    certificate = world.issue(name)
    wanted = identity or name.value
    attached = made.attach(world.keyless_bundle(certificate=certificate))
    assert accepted(made.evidence(attached), world.keyless(Identity(identity=wanted))).identity == wanted


def test_identities_fit_patterns_that_match_as_a_whole(world: World) -> None:
    evidence = made.evidence(made.attach(world.keyless_bundle()))
    accepted(evidence, world.keyless(Identity(identity_pattern=r".*@example\.com", issuer_pattern="https://.*")))


def test_an_old_certificate_states_its_issuer_in_the_old_extension(world: World) -> None:
    certificate = world.issue(issuer=None, old_issuer=ISSUER)
    accepted(made.evidence(made.attach(world.keyless_bundle(certificate=certificate))), world.keyless())


def test_a_root_without_a_certificate_log_asks_for_none(world: World) -> None:
    certificate = world.issue(has_timestamp=False)
    evidence = made.evidence(made.attach(world.keyless_bundle(certificate=certificate)))
    accepted(evidence, world.keyless(root=world.root(certificate_logs=[])))


# By own authorities


def test_a_certificate_of_ones_own_authority_holds_until_it_expires(world: World) -> None:
    payload = made.simple_signing()
    certificate = world.issue(end=NOW + timedelta(days=30))
    annotations = made.signature_annotations(
        sign(world.key, payload),
        certificate=certificate.public_bytes(Encoding.PEM).decode(),
        chain=world.sigstore.authority.intermediate.public_bytes(Encoding.PEM).decode(),
    )
    evidence = made.evidence(made.tagged((payload, made.SIMPLE_SIGNING, annotations)))
    found = accepted(evidence, world.chain())
    assert found.valid_until == certificate.not_valid_after_utc
    assert found.identity == WHO
    accepted(evidence, world.chain(identities=(Identity(identity=WHO),)))


def test_a_timestamp_keeps_it_after_it_has_expired(world: World) -> None:
    payload = made.simple_signing()
    signature = sign(world.key, payload)
    stamp = world.sigstore.timestamps.stamp(signature)
    annotations = made.signature_annotations(
        signature,
        certificate=world.certificate.public_bytes(Encoding.PEM).decode(),
        chain=world.sigstore.authority.intermediate.public_bytes(Encoding.PEM).decode(),
        timestamp=made.compact({"SignedRFC3161Timestamp": b64(stamp)}).decode(),
    )
    evidence = made.evidence(made.tagged((payload, made.SIMPLE_SIGNING, annotations)))
    found = accepted(evidence, world.chain(root=world.root()), now=NOW + timedelta(days=900))
    assert (found.signed_at, found.valid_until) == (NOW + timedelta(seconds=5), None)


def test_a_subject_is_asked_for_by_its_attributes(world: World) -> None:
    key = new_key()
    authority = world.sigstore.authority
    certificate = made_for(world, "builder", key)
    payload = made.simple_signing()
    annotations = made.signature_annotations(
        sign(key, payload),
        certificate=certificate.public_bytes(Encoding.PEM).decode(),
        chain=authority.intermediate.public_bytes(Encoding.PEM).decode(),
    )
    evidence = made.evidence(made.tagged((payload, made.SIMPLE_SIGNING, annotations)))
    accepted(evidence, world.chain(subjects=("CN=nobody", "CN=builder,O=lake")))
    found = judged(evidence, world.chain(subjects=("CN=builder,O=pond",)))
    assert [each.step for each in found.rejected] == [8]


def made_for(world: World, name: str, key: Any) -> x509.Certificate:
    authority = world.sigstore.authority
    return certified(name, key, authority.name, authority.key, usages=[CODE_SIGNING])


# What is attached beside


def test_what_is_no_signature_is_passed_over(world: World) -> None:
    others = made.referrer(b"{}", "application/spdx+json")
    found = judged(made.evidence(others, made.signed_tag(world.key)), world.keys())
    assert (len(found.verified), len(found.rejected)) == (1, 0)


def test_a_model_signature_is_left_to_its_own_form(world: World) -> None:
    payload = made.statement("https://model_signing/signature/v1.0")
    found = judged(made.evidence(made.attach(made.bundle(world.key, payload))), world.keys())
    assert not [each for each in found.verified if each.form is Form.BUNDLE]


def test_the_hint_is_the_hash_of_the_key(world: World) -> None:
    document = made.bundle(world.key)
    assert document["verificationMaterial"]["publicKey"]["hint"] == b64(made.hashlib.sha256(spki(world.key)).digest())


def test_a_proof_of_rekor_1_does_without_a_promise_where_a_timestamp_witnesses(world: World) -> None:
    document = world.keyless_bundle()
    entry = document["verificationMaterial"]["tlogEntries"][0]
    del entry["inclusionPromise"]
    response = world.sigstore.timestamps.stamp(signature_of(document))
    document["verificationMaterial"]["timestampVerificationData"] = made.stamped(response)
    found = accepted(made.evidence(made.attach(document)), world.keyless())
    assert (found.is_logged, found.signed_at) == (True, NOW + timedelta(seconds=5))


def test_an_authority_that_was_renewed_since_is_trusted(world: World) -> None:
    authority = Authority(start=NOW + timedelta(days=3))
    certificate = authority.issue(world.key, x509.RFC822Name(WHO), None, end=NOW + timedelta(days=30))
    payload = made.simple_signing()
    annotations = made.signature_annotations(
        sign(world.key, payload),
        certificate=certificate.public_bytes(Encoding.PEM).decode(),
        chain=authority.intermediate.public_bytes(Encoding.PEM).decode(),
    )
    evidence = made.evidence(made.tagged((payload, made.SIMPLE_SIGNING, annotations)))
    trusted = ChainAuthority("company", (authority.root.public_bytes(Encoding.PEM),))
    accepted(evidence, trusted, now=NOW + timedelta(days=4))
    assert [each.step for each in judged(evidence, trusted, now=NOW + timedelta(days=1)).rejected] == [2]
