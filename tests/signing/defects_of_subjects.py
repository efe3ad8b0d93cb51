"""Steps 6 and 7: of which artifact it speaks, and what it says."""

from __future__ import annotations

from signing.evidence import Attached, Evidence
from signing.steps import Step
from tests.signing import attachments as made
from tests.signing.defects import Judged, refused
from tests.signing.world import World

OTHER = made.digest(made.OTHER)
INDEX = made.digest(made.INDEX)


def subject(**digests: str) -> bytes:
    return made.statement(subject=[{"digest": digests}])


@refused(Step.SUBJECT, "it signs sha256:")
def a_signature_of_another_image_under_this_ones_tag(world: World) -> Judged:
    return made.signed_tag(world.key, made.simple_signing(OTHER)), world.keys()


@refused(Step.SUBJECT, "it signs sha256:")
def a_signature_of_the_index_for_its_manifest(world: World) -> Judged:
    return made.signed_tag(world.key, made.simple_signing(INDEX)), world.keys()


@refused(Step.SUBJECT, "it signs sha256:")
def a_signature_of_a_manifest_for_the_index_with_it(world: World) -> Judged:
    evidence = made.evidence(made.signed_tag(world.key), content=made.INDEX, media_type=made.INDEX_TYPE)
    return evidence, world.keys()


@refused(Step.SUBJECT, "it signs SHA256:")
def a_digest_in_upper_case(world: World) -> Judged:
    return made.signed_tag(world.key, made.simple_signing(made.digest(made.ARTIFACT).upper())), world.keys()


@refused(Step.SUBJECT, "it signs sha256:")
def a_digest_with_a_space_behind_it(world: World) -> Judged:
    return made.signed_tag(world.key, made.simple_signing(made.digest(made.ARTIFACT) + " ")), world.keys()


@refused(Step.SUBJECT, "it speaks of sha256:")
def a_bundle_of_another_image(world: World) -> Judged:
    return made.attach(made.bundle(world.key, subject(sha256=OTHER[7:]))), world.keys()


@refused(Step.SUBJECT, "it speaks of sha256:")
def a_keyless_bundle_of_another_image(world: World) -> Judged:
    return made.attach(world.keyless_bundle(subject(sha256=OTHER[7:]))), world.keyless()


@refused(Step.SUBJECT, "it speaks of sha256:")
def an_attestation_of_several_others(world: World) -> Judged:
    subjects = [{"digest": {"sha256": f"{number:064x}"}} for number in range(5)]
    envelope = made.envelope(world.key, made.statement(subject=subjects))
    return made.tagged((made.compact(envelope), made.ENVELOPE_TYPE, {}), suffix="att"), world.keys()


@refused(Step.SUBJECT, "it speaks of sha512:")
def a_subject_with_another_algorithm_only(world: World) -> Judged:
    value = made.hashlib.sha512(made.ARTIFACT).hexdigest()
    return made.attach(made.bundle(world.key, subject(sha512=value))), world.keys()


@refused(Step.SUBJECT, "but another sha512")
def a_subject_with_two_digests_of_two_artifacts(world: World) -> Judged:
    digests = {"sha256": made.digest(made.ARTIFACT)[7:], "sha512": made.hashlib.sha512(made.OTHER).hexdigest()}
    return made.attach(made.bundle(world.key, subject(**digests))), world.keys()


@refused(Step.SUBJECT, "it speaks of gitCommit:")
def a_subject_of_a_commit(world: World) -> Judged:
    return made.attach(made.bundle(world.key, subject(gitCommit=made.digest(made.ARTIFACT)[7:]))), world.keys()


@refused(Step.SUBJECT, "its manifest refers to")
def a_referrer_of_another_digest(world: World) -> Judged:
    other = made.descriptor(made.OTHER, made.MANIFEST_TYPE)
    return made.attach(made.bundle(world.key), subject=other), world.keys()


@refused(Step.SUBJECT, "its manifest refers to one of the type")
def a_referrer_that_takes_the_manifest_for_an_index(world: World) -> Judged:
    confused = made.descriptor(made.ARTIFACT, made.INDEX_TYPE)
    return made.attach(made.bundle(world.key), subject=confused), world.keys()


@refused(Step.SUBJECT, "its manifest refers to one of")
def a_referrer_of_another_size(world: World) -> Judged:
    other = made.descriptor(made.ARTIFACT, made.MANIFEST_TYPE) | {"size": 1}
    return made.attach(made.bundle(world.key), subject=other), world.keys()


@refused(Step.SUBJECT, "has no subject")
def a_referrer_without_a_subject(world: World) -> Judged:
    attached = made.signed_tag(world.key)
    return Attached("referrer", attached.digest, attached.media_type, attached.content, attached.blobs), world.keys()


@refused(Step.SUBJECT, "holds other bytes than its digest")
def an_artifact_that_is_another_than_its_digest(world: World) -> Judged:
    digest = made.digest(made.ARTIFACT)
    return Evidence(digest, made.MANIFEST_TYPE, made.OTHER, (made.signed_tag(world.key),)), world.keys()


@refused(Step.SUBJECT, "it signs the sha256")
def a_message_whose_stated_digest_is_anothers(world: World) -> Judged:
    document = made.message_bundle(world.key)
    other = made.b64(made.hashlib.sha256(made.OTHER).digest())
    document["messageSignature"]["messageDigest"]["digest"] = other
    return made.attach(document), world.keys()


@refused(Step.STATEMENT, "and no signature of an image")
def a_payload_of_another_type(world: World) -> Judged:
    return made.signed_tag(world.key, made.simple_signing(type="atomic container signature")), world.keys()


@refused(Step.STATEMENT, "and no signature of an image")
def a_payload_of_a_type_in_other_case(world: World) -> Judged:
    return made.signed_tag(world.key, made.simple_signing(type="Cosign container image signature")), world.keys()
