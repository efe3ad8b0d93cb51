"""Step 1: what can't be read, or could be read in two ways."""

from __future__ import annotations

import json

from signing.evidence import Attached
from signing.steps import Step
from tests.signing import attachments as made
from tests.signing.defects import Judged, at, edited, refused, tag_edited, with_entry
from tests.signing.services import b64, sign
from tests.signing.world import World

SIG = "dsseEnvelope/signatures/0/sig"


@refused(Step.READ, "no JSON object that every reader reads alike")
def a_truncated_bundle(world: World) -> Judged:
    return made.attach(json.dumps(made.bundle(world.key)).encode()[:-40]), world.keys()


@refused(Step.READ, "no JSON object that every reader reads alike")
def a_bundle_with_bytes_behind_it(world: World) -> Judged:
    return made.attach(json.dumps(made.bundle(world.key)).encode() + b"{}"), world.keys()


@refused(Step.READ, "no JSON object that every reader reads alike")
def a_bundle_with_a_key_twice(world: World) -> Judged:
    content = json.dumps(made.bundle(world.key)).encode()
    return made.attach(content.replace(b'{"mediaType"', b'{"mediaType":"x","mediaType"', 1)), world.keys()


@refused(Step.READ, "no JSON object that every reader reads alike")
def a_statement_with_its_subject_twice(world: World) -> Judged:
    payload = made.statement().replace(
        b'"subject":', b'"subject":[{"digest":{"sha256":"%s"}}],"subject":' % (b"0" * 64)
    )
    return made.attach(made.bundle(world.key, payload)), world.keys()


@refused(Step.READ, "no JSON object that every reader reads alike")
def a_payload_with_its_digest_twice(world: World) -> Judged:
    payload = made.simple_signing().replace(
        b'"docker-manifest-digest":', b'"docker-manifest-digest":"sha256:0","docker-manifest-digest":'
    )
    return made.signed_tag(world.key, payload), world.keys()


@refused(Step.READ, "no JSON object that every reader reads alike")
def a_payload_in_utf_16(world: World) -> Judged:
    return made.signed_tag(world.key, made.simple_signing().decode().encode("utf-16")), world.keys()


@refused(Step.READ, "no JSON object that every reader reads alike")
def a_payload_behind_a_byte_order_mark(world: World) -> Judged:
    return made.signed_tag(world.key, b"\xef\xbb\xbf" + made.simple_signing()), world.keys()


@refused(Step.READ, "no JSON object that every reader reads alike")
def a_predicate_that_is_too_deep(world: World) -> Judged:
    payload = made.statement(predicate="HERE").replace(b'"HERE"', b'{"a":' * 100 + b"1" + b"}" * 100)
    return made.attach(made.bundle(world.key, payload)), world.keys()


@refused(Step.READ, "a member 'signature' that is not known")
def a_bundle_with_a_member_that_is_not_known(world: World) -> Judged:
    return made.attach(made.bundle(world.key) | {"signature": "x"}), world.keys()


@refused(Step.READ, "which is not known")
def a_bundle_of_a_version_to_come(world: World) -> Judged:
    document = made.bundle(world.key) | {"mediaType": "application/vnd.dev.sigstore.bundle.v0.9+json"}
    return made.attach(document), world.keys()


@refused(Step.READ, "has 0 signatures")
def an_envelope_whose_signature_was_stripped(world: World) -> Judged:
    return made.attach(edited(made.bundle(world.key), "dsseEnvelope/signatures", [])), world.keys()


@refused(Step.READ, "sig of signatures 1 of dsseEnvelope of the bundle is empty")
def an_envelope_whose_signature_is_empty(world: World) -> Judged:
    return made.attach(edited(made.bundle(world.key), SIG, "")), world.keys()


@refused(Step.READ, "the signature was stripped")
def a_layer_whose_signature_was_stripped(world: World) -> Judged:
    return tag_edited(made.signed_tag(world.key), signature=None), world.keys()


@refused(Step.READ, "has 2 signatures")
def an_envelope_with_two_signatures(world: World) -> Judged:
    document = made.bundle(world.key)
    signatures = [*made.bundle(world.other_key)["dsseEnvelope"]["signatures"], *at(document, "dsseEnvelope/signatures")]
    return made.attach(edited(document, "dsseEnvelope/signatures", signatures)), world.keys()


@refused(Step.READ, "neither an envelope nor a message's signature, or both")
def a_bundle_of_an_envelope_and_a_message(world: World) -> Judged:
    message = made.message_bundle(world.key)["messageSignature"]
    return made.attach(made.bundle(world.key) | {"messageSignature": message}), world.keys()


@refused(Step.READ, "names 2 signers")
def a_bundle_with_a_key_and_a_certificate(world: World) -> Judged:
    document = world.keyless_bundle(publicKey={"hint": "x"})
    return made.attach(document), world.keyless()


@refused(Step.READ, "names 0 signers")
def a_bundle_that_names_no_signer(world: World) -> Judged:
    return made.attach(edited(made.bundle(world.key), "verificationMaterial/publicKey", ...)), world.keys()


@refused(Step.READ, "which its version replaces by one certificate")
def a_new_bundle_with_an_old_ones_chain(world: World) -> Judged:
    document = world.keyless_bundle()
    chain = {"certificates": [document["verificationMaterial"].pop("certificate")]}
    return made.attach(edited(document, "verificationMaterial/x509CertificateChain", chain)), world.keyless()


@refused(Step.READ, "without a proof of inclusion")
def a_new_bundle_without_the_logs_proof(world: World) -> Judged:
    return made.attach(with_entry(world.keyless_bundle(), "inclusionProof", ...)), world.keyless()


@refused(Step.READ, "is no base64")
def base64_with_a_line_end(world: World) -> Judged:
    document = made.bundle(world.key)
    return made.attach(edited(document, SIG, at(document, SIG) + "\n")), world.keys()


@refused(Step.READ, "is no base64")
def base64_of_the_alphabet_for_addresses(world: World) -> Judged:
    payload = made.statement(predicate={"text": "ÿÿÿ>>>???~~~" * 5})
    document = made.bundle(world.key, payload)
    text = at(document, "dsseEnvelope/payload").replace("+", "-").replace("/", "_") + "-_=="
    return made.attach(edited(document, "dsseEnvelope/payload", text)), world.keys()


@refused(Step.READ, "is no base64")
def base64_without_its_padding(world: World) -> Judged:
    payload = made.statement(predicate={"pad": "1"})
    while not b64(payload).endswith("="):
        payload += b" "
    document = made.bundle(world.key, payload)
    return made.attach(edited(document, "dsseEnvelope/payload", b64(payload).rstrip("="))), world.keys()


@refused(Step.READ, "not spelled in the one way")
def base64_with_a_bit_that_is_not_used(world: World) -> Judged:
    payload = made.simple_signing()
    signature = sign(world.key, payload)
    while not b64(signature).endswith("=="):
        payload += b" "
        signature = sign(world.key, payload)
    text = b64(signature)
    last = text[-3]
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    changed = text[:-3] + alphabet[alphabet.index(last) ^ 1] + "=="
    return tag_edited(made.signed_tag(world.key, payload), signature=changed), world.keys()


@refused(Step.READ, "which is not known")
def a_statement_of_another_type(world: World) -> Judged:
    return made.attach(made.bundle(world.key, made.statement(_type="https://in-toto.io/Statement/v2"))), world.keys()


@refused(Step.READ, "has no subject")
def a_statement_without_subjects(world: World) -> Judged:
    return made.attach(made.bundle(world.key, made.statement(subject=[]))), world.keys()


@refused(Step.READ, "has no digest")
def a_subject_without_a_digest(world: World) -> Judged:
    return made.attach(made.bundle(world.key, made.statement(subject=[{"name": "it"}]))), world.keys()


@refused(Step.READ, "has no predicateType")
def a_statement_without_a_predicate_type(world: World) -> Judged:
    return made.attach(made.bundle(world.key, made.statement(predicateType=...))), world.keys()


@refused(Step.READ, "predicate is no object")
def a_predicate_that_is_a_list(world: World) -> Judged:
    return made.attach(made.bundle(world.key, made.statement(predicate=[1]))), world.keys()


@refused(Step.READ, "hexadecimal digits in lower case")
def a_subjects_digest_in_upper_case(world: World) -> Judged:
    subject = [{"digest": {"sha256": made.digest(made.ARTIFACT)[7:].upper()}}]
    return made.attach(made.bundle(world.key, made.statement(subject=subject))), world.keys()


@refused(Step.READ, "has a payload of the type")
def an_envelope_of_another_payload_type(world: World) -> Judged:
    document = made.bundle(world.key)
    document["dsseEnvelope"] = made.envelope(world.key, made.statement(), "application/json")
    return made.attach(document), world.keys()


@refused(Step.READ, "a member 'evil' that is not known")
def a_payload_with_more_than_cosigns(world: World) -> Judged:
    return made.signed_tag(world.key, made.simple_signing(evil={"x": 1})), world.keys()


@refused(Step.READ, "holds other bytes than its digest says")
def a_layer_whose_bytes_were_swapped(world: World) -> Judged:
    attached = made.signed_tag(world.key)
    blobs = dict.fromkeys(attached.blobs, made.simple_signing(made.digest(made.OTHER)))
    return Attached(attached.origin, attached.digest, attached.media_type, attached.content, blobs), world.keys()


@refused(Step.READ, "is larger than what is gathered")
def a_layer_that_was_not_gathered(world: World) -> Judged:
    attached = made.signed_tag(world.key)
    missing = dict.fromkeys(attached.blobs, "is larger than what is gathered")
    return Attached(attached.origin, attached.digest, attached.media_type, attached.content, {}, missing), world.keys()


@refused(Step.READ, "holds other bytes than its digest")
def a_manifest_that_is_another_than_its_digest(world: World) -> Judged:
    attached = made.signed_tag(world.key)
    content = attached.content + b" "
    return Attached(attached.origin, attached.digest, attached.media_type, content, attached.blobs), world.keys()


@refused(Step.READ, "holds 2 certificates")
def an_annotation_with_two_certificates(world: World) -> Judged:
    both = world.certificate.public_bytes(made.Encoding.PEM).decode() * 2
    return tag_edited(world.keyless_tag(), certificate=both), world.keyless()


@refused(Step.READ, "is no PEM of certificates and nothing else")
def an_annotation_with_words_before_the_certificate(world: World) -> Judged:
    text = "words\n" + world.certificate.public_bytes(made.Encoding.PEM).decode()
    return tag_edited(world.keyless_tag(), certificate=text), world.keyless()


@refused(Step.READ, "certificate")
def a_certificate_with_bytes_behind_it(world: World) -> Judged:
    document = world.keyless_bundle()
    place = "verificationMaterial/certificate/rawBytes"
    return made.attach(edited(document, place, b64(made.from_base64(at(document, place)) + b"\0"))), world.keyless()


@refused(Step.READ, "has no logIndex that is a number")
def a_number_with_a_sign(world: World) -> Judged:
    document = world.keyless_bundle()
    index = at(document, "verificationMaterial/tlogEntries/0/logIndex")
    return made.attach(with_entry(document, "logIndex", f"+{index}")), world.keyless()


@refused(Step.READ, "has 9 tlogEntries, of which 8 are read at most")
def more_log_entries_than_are_read(world: World) -> Judged:
    document = world.keyless_bundle()
    entries = at(document, "verificationMaterial/tlogEntries") * 9
    return made.attach(edited(document, "verificationMaterial/tlogEntries", entries)), world.keyless()


@refused(Step.READ, "has 9 rfc3161Timestamps")
def more_timestamps_than_are_read(world: World) -> Judged:
    document = world.stamped_bundle()
    stamps = at(document, "verificationMaterial/timestampVerificationData/rfc3161Timestamps") * 9
    place = "verificationMaterial/timestampVerificationData/rfc3161Timestamps"
    return made.attach(edited(document, place, stamps)), world.keyless(needs_log=False)
