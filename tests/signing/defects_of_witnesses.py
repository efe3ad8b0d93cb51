"""Steps 3 and 4: when it was signed, and what the log holds."""

from __future__ import annotations

import copy
import json
from datetime import timedelta
from typing import Any

from signing.steps import Step
from tests.signing import attachments as made
from tests.signing.defects import ENTRY, Judged, at, edited, flipped, refused, tag_edited, with_entry
from tests.signing.services import (
    CODE_SIGNING,
    NOW,
    SHORT,
    TIME_STAMPING,
    TimestampAuthority,
    TransparencyLog,
    b64,
    certified,
    compact,
    new_key,
)
from tests.signing.world import World, signature_of

LATER = NOW + timedelta(days=30)
PROOF = "inclusionProof"
CHECKPOINT = "inclusionProof/checkpoint/envelope"


# Step 3


@refused(Step.TIME, "no trusted party witnesses when")
def a_short_certificate_without_a_witness(world: World) -> Judged:
    return made.attach(made.bundle(world.key, certificate=world.certificate)), world.keyless(needs_log=False)


@refused(Step.TIME, "nobody witnesses an earlier one")
def an_expired_certificate_without_a_timestamp(world: World) -> Judged:
    chain = world.sigstore.authority.intermediate.public_bytes(made.Encoding.PEM).decode()
    certificate = world.certificate.public_bytes(made.Encoding.PEM).decode()
    attached = made.signed_tag(world.key, certificate=certificate, chain=chain)
    return attached, world.chain(), LATER


@refused(Step.TIME, "nobody witnesses an earlier one")
def a_certificate_that_is_not_valid_yet(world: World) -> Judged:
    chain = world.sigstore.authority.intermediate.public_bytes(made.Encoding.PEM).decode()
    certificate = world.certificate.public_bytes(made.Encoding.PEM).decode()
    attached = made.signed_tag(world.key, certificate=certificate, chain=chain)
    return attached, world.chain(), NOW - timedelta(days=1)


@refused(Step.TIME, "its certificate is valid from")
def a_signature_logged_after_its_certificate_expired(world: World) -> Judged:
    return logged(world, at=NOW + 3 * SHORT)


@refused(Step.TIME, "its certificate is valid from")
def a_signature_logged_before_its_certificate_was_valid(world: World) -> Judged:
    return logged(world, at=NOW - timedelta(seconds=1))


@refused(Step.TIME, "its certificate is valid from")
def a_signature_timestamped_after_its_certificate_expired(world: World) -> Judged:
    return stamped(world, at=LATER)


@refused(Step.TIME, "its certificate is valid from")
def a_signature_logged_in_time_and_timestamped_too_late(world: World) -> Judged:
    document = world.keyless_bundle()
    late = made.stamped(world.sigstore.timestamps.stamp(signature_of(document), LATER))
    return made.attach(edited(document, "verificationMaterial/timestampVerificationData", late)), world.keyless()


@refused(Step.TIME, "authority was not trusted at")
def an_authority_after_the_time_of_its_trust(world: World) -> Judged:
    described = world.sigstore.authority.described(end=NOW - timedelta(days=1))
    return made.attach(world.keyless_bundle()), world.keyless(root=world.root(authorities=[described]))


@refused(Step.TIME, "the timestamp is of another signature")
def a_timestamp_of_another_signature(world: World) -> Judged:
    return made.attach(world.stamped_bundle(world.sigstore.timestamps.stamp(b"x"))), world.keyless(needs_log=False)


@refused(Step.TIME, "no trusted authority has signed the timestamp")
def a_timestamp_of_an_authority_that_is_not_trusted(world: World) -> Judged:
    return stamped(world, by=TimestampAuthority())


@refused(Step.TIME, "no trusted authority has signed the timestamp")
def a_timestamp_where_no_authority_of_them_is_trusted(world: World) -> Judged:
    authority = world.keys(root=world.root(timestamp_authorities=[]), needs_timestamp=True)
    document = made.bundle(world.key)
    response = world.sigstore.timestamps.stamp(signature_of(document))
    document["verificationMaterial"]["timestampVerificationData"] = made.stamped(response)
    return made.attach(document), authority


@refused(Step.TIME, "no trusted authority has signed the timestamp: cert is not valid at validation time")
def a_timestamp_of_an_authority_that_had_expired(world: World) -> Judged:
    authority = TimestampAuthority(end=NOW - timedelta(days=1))
    return trusted(world, authority)


@refused(Step.TIME, "was not trusted at")
def a_timestamp_after_the_time_of_its_authoritys_trust(world: World) -> Judged:
    described = world.sigstore.timestamps.described(end=NOW - timedelta(days=1))
    attached, _ = stamped(world)
    return attached, world.keyless(root=world.root(timestamp_authorities=[described]), needs_log=False)


@refused(Step.TIME, "was not issued for timestamps")
def a_timestamp_by_a_certificate_that_is_not_for_them(world: World) -> Judged:
    return trusted(world, TimestampAuthority(usages=[CODE_SIGNING]))


@refused(Step.TIME, "signed with another certificate than the authority's")
def a_timestamp_by_another_certificate_of_the_authoritys_issuer(world: World) -> Judged:
    authority = copy.copy(world.sigstore.timestamps)
    authority.signing_key = new_key()
    authority.signer = certified("other", authority.signing_key, "tsa", authority.key, usages=[TIME_STAMPING])
    return stamped(world, by=authority)


@refused(Step.TIME, "no trusted authority has signed the timestamp")
def a_timestamp_whose_signature_was_altered(world: World) -> Judged:
    document = world.stamped_bundle()
    place = "verificationMaterial/timestampVerificationData/rfc3161Timestamps/0/signedTimestamp"
    response = bytearray(made.from_base64(at(document, place)))
    response[-1] ^= 1
    return made.attach(edited(document, place, b64(bytes(response)))), world.keyless(needs_log=False)


@refused(Step.TIME, "the timestamp is of another signature")
def a_timestamp_whose_imprint_was_altered(world: World) -> Judged:
    document = world.stamped_bundle()
    other = made.hashlib.sha256(signature_of(document)).digest()
    response = world.sigstore.timestamps.stamp(signature_of(document)).replace(other, b"\0" * 32)
    return made.attach(world.stamped_bundle(response)), world.keyless(needs_log=False)


@refused(Step.TIME, "the timestamp can't be read")
def a_timestamp_with_bytes_behind_it(world: World) -> Judged:
    response = world.sigstore.timestamps.stamp(b"x") + b"\0"
    return made.attach(world.stamped_bundle(response)), world.keyless(needs_log=False)


@refused(Step.TIME, "the timestamp can't be read")
def a_timestamp_that_is_none(world: World) -> Judged:
    return made.attach(world.stamped_bundle(b"\x30\x03\x02\x01\x00")), world.keyless(needs_log=False)


@refused(Step.TIME, "it has no timestamp, and one is asked for")
def no_timestamp_where_one_is_asked_for(world: World) -> Judged:
    return made.attach(made.bundle(world.key)), world.keys(root=world.root(), needs_timestamp=True)


@refused(Step.TIME, "no trusted party witnesses when")
def an_entry_of_rekor_2_without_a_timestamp(world: World) -> Judged:
    document = edited(world.second_bundle(), "verificationMaterial/timestampVerificationData", ...)
    return made.attach(document), world.keyless()


@refused(Step.TIME, "no trusted party witnesses when")
def a_time_that_no_promise_vouches_for(world: World) -> Judged:
    document = edited(world.second_bundle(), "verificationMaterial/timestampVerificationData", ...)
    return made.attach(with_entry(document, "integratedTime", str(int(NOW.timestamp()) + 5))), world.keyless()


def logged(world: World, **more: Any) -> Judged:
    document = world.keyless_bundle()
    body = made.dsse(world.key, document["dsseEnvelope"], world.certificate)
    return made.attach(edited(document, ENTRY, world.sigstore.log.entry(body, **more))), world.keyless()


def stamped(world: World, by: TimestampAuthority | None = None, at: Any = NOW + timedelta(seconds=5)) -> Judged:
    document = world.stamped_bundle()
    response = (by or world.sigstore.timestamps).stamp(signature_of(document), at)
    document = edited(document, "verificationMaterial/timestampVerificationData", made.stamped(response))
    return made.attach(document), world.keyless(needs_log=False)


def trusted(world: World, authority: TimestampAuthority) -> Judged:
    """Stamp by an authority that the root trusts."""
    attached, _ = stamped(world, by=authority)
    return attached, world.keyless(root=world.root(timestamp_authorities=[authority.described()]), needs_log=False)


# Step 4


@refused(Step.LOG, "no entry of a transparency log comes with it")
def no_entry_where_a_log_is_asked_for(world: World) -> Judged:
    return made.attach(world.stamped_bundle()), world.keyless()


@refused(Step.LOG, "no entry of a transparency log comes with it")
def no_entry_where_a_log_is_asked_for_of_a_key(world: World) -> Judged:
    return made.signed_tag(world.key), world.keys(root=world.root(), needs_log=True)


@refused(Step.LOG, "is not one of those that are trusted")
def an_entry_of_another_log(world: World) -> Judged:
    document = world.keyless_bundle()
    body = made.dsse(world.key, document["dsseEnvelope"], world.certificate)
    return made.attach(edited(document, ENTRY, TransparencyLog().entry(body))), world.keyless()


@refused(Step.LOG, "promise (signed entry timestamp) is not signed by the log's key")
def a_promise_by_another_log(world: World) -> Judged:
    document = world.keyless_bundle()
    body = made.dsse(world.key, document["dsseEnvelope"], world.certificate)
    other = TransparencyLog().entry(body)["inclusionPromise"]
    return made.attach(with_entry(document, "inclusionPromise", other)), world.keyless()


@refused(Step.LOG, "promise (signed entry timestamp) is not signed by the log's key")
def a_promise_of_another_time(world: World) -> Judged:
    document = world.keyless_bundle()
    return made.attach(with_entry(document, "integratedTime", str(int(NOW.timestamp()) + 11))), world.keyless()


@refused(Step.LOG, "promise (signed entry timestamp) is not signed by the log's key")
def a_promise_of_another_place(world: World) -> Judged:
    document = world.keyless_bundle()
    index = int(at(document, f"{ENTRY}/logIndex"))
    return made.attach(with_entry(document, "logIndex", str(index + 1))), world.keyless()


@refused(Step.LOG, "the log's promise has no time")
def a_promise_without_a_time(world: World) -> Judged:
    return made.attach(with_entry(world.keyless_bundle(), "integratedTime", ...)), world.keyless()


@refused(Step.LOG, "the log's promise has no time")
def a_promise_of_a_time_after_all_times(world: World) -> Judged:
    return made.attach(with_entry(world.keyless_bundle(), "integratedTime", "999999999999999999")), world.keyless()


@refused(Step.LOG, "when its key was not trusted")
def a_promise_by_a_key_after_the_time_of_its_trust(world: World) -> Judged:
    described = world.sigstore.log.described(end=NOW - timedelta(days=1))
    return made.attach(world.keyless_bundle()), world.keyless(root=world.root(logs=[described]))


@refused(Step.LOG, "the log's key was not trusted at")
def a_proof_by_a_key_after_the_time_of_its_trust(world: World) -> Judged:
    described = world.sigstore.second_log.described(end=NOW - timedelta(days=1))
    return made.attach(world.second_bundle()), world.keyless(root=world.root(logs=[described]))


@refused(Step.LOG, "the log's key was not trusted at")
def a_proof_by_a_key_that_is_trusted_no_more_and_no_timestamp(world: World) -> Judged:
    document = edited(world.second_bundle(), "verificationMaterial/timestampVerificationData", ...)
    described = world.sigstore.second_log.described(end=NOW - timedelta(days=1))
    return made.attach(document), world.keyless(root=world.root(logs=[described]))


@refused(Step.LOG, "neither the log's promise nor a proof")
def an_entry_with_neither_promise_nor_proof(world: World) -> Judged:
    document = world.keyless_bundle() | {"mediaType": "application/vnd.dev.sigstore.bundle+json;version=0.1"}
    for part in ("inclusionPromise", PROOF):
        document = with_entry(document, part, ...)
    return made.attach(document), world.keyless()


@refused(Step.LOG, "does not lead from the entry to its root")
def a_proof_with_another_root(world: World) -> Judged:
    document = world.keyless_bundle()
    place = f"{PROOF}/rootHash"
    return made.attach(with_entry(document, place, flipped(at(document, f"{ENTRY}/{place}")))), world.keyless()


@refused(Step.LOG, "does not lead from the entry to its root")
def a_proof_with_another_hash(world: World) -> Judged:
    document = world.keyless_bundle()
    place = f"{PROOF}/hashes/1"
    return made.attach(with_entry(document, place, flipped(at(document, f"{ENTRY}/{place}")))), world.keyless()


@refused(Step.LOG, "does not lead from the entry to its root")
def a_proof_with_a_hash_too_many(world: World) -> Judged:
    document = world.keyless_bundle()
    hashes = at(document, f"{ENTRY}/{PROOF}/hashes")
    return made.attach(with_entry(document, f"{PROOF}/hashes", [*hashes, hashes[0]])), world.keyless()


@refused(Step.LOG, "does not lead from the entry to its root")
def a_proof_of_another_place(world: World) -> Judged:
    document = world.keyless_bundle()
    index = int(at(document, f"{ENTRY}/{PROOF}/logIndex"))
    return made.attach(with_entry(document, f"{PROOF}/logIndex", str(index - 1))), world.keyless()


@refused(Step.LOG, "does not lead from the entry to its root")
def a_proof_of_a_place_outside_the_tree(world: World) -> Judged:
    document = world.keyless_bundle()
    size = at(document, f"{ENTRY}/{PROOF}/treeSize")
    return made.attach(with_entry(document, f"{PROOF}/logIndex", size)), world.keyless()


@refused(Step.LOG, "the log's checkpoint is of another tree than the proof")
def a_checkpoint_of_another_tree(world: World) -> Judged:
    document = world.keyless_bundle()
    note = world.sigstore.log.checkpoint(3, b"\1" * 32)
    return made.attach(with_entry(document, CHECKPOINT, note)), world.keyless()


@refused(Step.LOG, "the log's checkpoint is not signed by the log")
def a_checkpoint_by_another_log(world: World) -> Judged:
    return checkpointed(world, TransparencyLog(world.sigstore.log.host))


@refused(Step.LOG, "the log's checkpoint is not signed by the log's key")
def a_checkpoint_by_another_key_in_the_logs_name(world: World) -> Judged:
    other = TransparencyLog(world.sigstore.log.host)
    document = world.keyless_bundle()
    note = checkpoint_of(document, other)
    head, _, line = note.rpartition(" ")
    forged = world.sigstore.log.id[:4] + made.from_base64(line.strip())[4:]
    return made.attach(with_entry(document, CHECKPOINT, f"{head} {b64(forged)}\n")), world.keyless()


@refused(Step.LOG, "and signed in the name of")
def a_checkpoint_of_another_origin(world: World) -> Judged:
    return checkpointed(world, world.sigstore.log, origin="evil.example.com - 1")


@refused(Step.LOG, "and the log is log2026.example.com")
def a_checkpoint_of_rekor_2_in_another_name(world: World) -> Judged:
    document = world.second_bundle()
    note = checkpoint_of(document, world.sigstore.second_log, origin="evil.example.com", name="evil.example.com")
    return made.attach(with_entry(document, CHECKPOINT, note)), world.keyless()


@refused(Step.LOG, "has another place than its proof")
def an_entry_of_rekor_2_in_another_place(world: World) -> Judged:
    return made.attach(with_entry(world.second_bundle(), "logIndex", "3")), world.keyless()


@refused(Step.LOG, "is no signed note")
def a_checkpoint_without_a_signature(world: World) -> Judged:
    document = world.keyless_bundle()
    note = at(document, f"{ENTRY}/{CHECKPOINT}").partition("\n\n")[0]
    return made.attach(with_entry(document, CHECKPOINT, note)), world.keyless()


@refused(Step.LOG, "has no origin, size and root")
def a_checkpoint_without_a_size(world: World) -> Judged:
    note = "rekor.example.com\n\n— rekor.example.com AAAA\n"
    return made.attach(with_entry(world.keyless_bundle(), CHECKPOINT, note)), world.keyless()


@refused(Step.LOG, "the log entry is of another content")
def an_entry_of_another_artifact(world: World) -> Judged:
    other = made.envelope(world.key, made.statement(subject=[{"digest": {"sha256": "0" * 64}}]))
    document = world.keyless_bundle(body=made.dsse(world.key, other, world.certificate))
    return made.attach(document), world.keyless()


@refused(Step.LOG, "the log entry is of another content")
def an_entry_of_a_signature_of_another_image(world: World) -> Judged:
    payload = made.simple_signing(made.digest(made.OTHER))
    body = made.hashedrekord(world.key, payload, made.sign(world.key, payload), world.certificate)
    return world.keyless_tag(entry=world.sigstore.log.cosign_entry(body)), world.keyless()


@refused(Step.LOG, "the log entry is of another signature")
def an_entry_of_another_signature_of_the_same(world: World) -> Judged:
    again = made.envelope(world.key, made.statement())
    return made.attach(world.keyless_bundle(body=made.dsse(world.key, again, world.certificate))), world.keyless()


@refused(Step.LOG, "the log entry is of another signer")
def an_entry_of_another_signer(world: World) -> Judged:
    document = world.keyless_bundle()
    body = made.dsse(world.key, document["dsseEnvelope"], world.issue())
    return made.attach(edited(document, ENTRY, world.sigstore.log.entry(body))), world.keyless()


@refused(Step.LOG, "the log entry is of another signer")
def an_entry_of_the_bare_key_of_a_certificate(world: World) -> Judged:
    document = world.keyless_bundle()
    body = made.dsse(world.key, document["dsseEnvelope"])
    return made.attach(edited(document, ENTRY, world.sigstore.log.entry(body))), world.keyless()


@refused(Step.LOG, "the log entry is of another signer")
def an_entry_of_rekor_2_of_another_signer(world: World) -> Judged:
    document = world.second_bundle()
    envelope = document["dsseEnvelope"]
    body = made.dsse_2(world.key, envelope, world.issue())
    return made.attach(edited(document, ENTRY, world.sigstore.second_log.entry(body))), world.keyless()


@refused(Step.LOG, "is of another kind than its body")
def an_entry_of_another_kind_than_its_body(world: World) -> Judged:
    document = with_entry(world.keyless_bundle(), "kindVersion", {"kind": "hashedrekord", "version": "0.0.1"})
    return made.attach(document), world.keyless()


@refused(Step.LOG, "which is not read")
def an_entry_of_a_kind_that_is_not_read(world: World) -> Judged:
    body = compact({"apiVersion": "0.0.1", "kind": "alpine", "spec": {}})
    return made.attach(world.keyless_bundle(entry=world.sigstore.log.entry(body))), world.keyless()


@refused(Step.LOG, "which names no signature")
def an_entry_that_names_no_signature(world: World) -> Judged:
    document = world.keyless_bundle()
    envelope = document["dsseEnvelope"]
    body = made.intoto(world.key, envelope, compact(envelope), world.certificate)
    return made.attach(edited(document, ENTRY, world.sigstore.log.entry(body))), world.keyless()


@refused(Step.LOG, "does not lead from the entry to its root")
def an_entry_whose_body_was_replaced(world: World) -> Judged:
    document = with_entry(world.keyless_bundle(), "inclusionPromise", ...)
    other = made.dsse(world.key, document["dsseEnvelope"], world.issue())
    return made.attach(with_entry(document, "canonicalizedBody", b64(other))), world.keyless()


@refused(Step.LOG, "promise (signed entry timestamp) is not signed by the log's key")
def an_annotation_whose_promise_was_altered(world: World) -> Judged:
    attached = world.keyless_tag()
    layer = json.loads(attached.content)["layers"][0]
    entry = json.loads(layer["annotations"][made.ANNOTATIONS["entry"]])
    entry["SignedEntryTimestamp"] = flipped(entry["SignedEntryTimestamp"])
    return tag_edited(attached, entry=json.dumps(entry)), world.keyless()


@refused(Step.LOG, "no entry of a transparency log comes with it")
def an_annotation_of_the_log_that_was_stripped(world: World) -> Judged:
    return tag_edited(world.keyless_tag(), entry=None), world.keyless()


def checkpoint_of(document: dict[str, Any], log: TransparencyLog, **more: Any) -> str:
    size, root = (at(document, f"{ENTRY}/{PROOF}/{name}") for name in ("treeSize", "rootHash"))
    return log.checkpoint(int(size), made.from_base64(root), **more)


def checkpointed(world: World, log: TransparencyLog, **more: Any) -> Judged:
    document = world.keyless_bundle()
    return made.attach(with_entry(document, CHECKPOINT, checkpoint_of(document, log, **more))), world.keyless()
