"""Steps 2, 5 and 8: who has signed, whether it is a signature, and whether it is who is asked for."""

from __future__ import annotations

from datetime import timedelta

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256, SHA384
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import RFC822Name
from cryptography.x509.oid import ExtendedKeyUsageOID

from signing.authorities import ChainAuthority, Identity, KeyAuthority
from signing.steps import Step
from tests.signing import attachments as made
from tests.signing.defects import Judged, at, edited, flipped, refused, tag_edited
from tests.signing.services import (
    CODE_SIGNING,
    NOW,
    OTHER_NAME,
    Authority,
    CertificateLog,
    b64,
    certified,
    hint,
    new_key,
    pem,
    sign,
    utf8,
)
from tests.signing.services import ISSUER as SERVICE_ISSUER
from tests.signing.world import ISSUER, WHO, World

PAYLOAD = made.simple_signing()


def with_signature(world: World, signature: bytes) -> Judged:
    return tag_edited(made.signed_tag(world.key), signature=b64(signature)), world.keys()


# Step 2, keys


@refused(Step.SIGNER, "no key of release has signed")
def a_key_that_is_not_trusted(world: World) -> Judged:
    return made.signed_tag(world.other_key), world.keys()


@refused(Step.SIGNER, "no key of release has signed")
def a_bundle_by_a_key_that_is_not_trusted(world: World) -> Judged:
    return made.attach(made.bundle(world.other_key)), world.keys()


@refused(Step.SIGNER, "no key of release has signed")
def a_payload_that_was_swapped(world: World) -> Judged:
    swapped = (made.simple_signing(made.digest(made.ARTIFACT)) + b" ", made.SIMPLE_SIGNING)
    return made.tagged((*swapped, made.signature_annotations(sign(world.key, PAYLOAD)))), world.keys()


@refused(Step.SIGNER, "no key of release has signed")
def a_signature_with_bytes_behind_it(world: World) -> Judged:
    return with_signature(world, sign(world.key, PAYLOAD) + b"\0")


@refused(Step.SIGNER, "no key of release has signed")
def a_signature_that_is_not_spelled_in_der(world: World) -> Judged:
    signature = sign(world.key, PAYLOAD)
    return with_signature(world, b"\x30\x81" + signature[1:])


@refused(Step.SIGNER, "no key of release has signed")
def a_signature_of_nothing(world: World) -> Judged:
    return with_signature(world, bytes.fromhex("3006020100020100"))


@refused(Step.SIGNER, "no key of release has signed")
def a_signature_with_another_hash_than_the_keys(world: World) -> Judged:
    return with_signature(world, world.key.sign(PAYLOAD, ec.ECDSA(SHA384())))


@refused(Step.SIGNER, "no key of release has signed")
def a_signature_of_the_hash_instead_of_the_bytes(world: World) -> Judged:
    return with_signature(world, sign(world.key, made.hashlib.sha256(PAYLOAD).digest()))


@refused(Step.SIGNER, "no key of release has signed")
def a_signature_by_rsa_for_a_key_of_ecdsa(world: World) -> Judged:
    return with_signature(world, sign(rsa.generate_private_key(65537, 2048), PAYLOAD))


@refused(Step.SIGNER, "no key of release has signed")
def a_signature_by_pss_where_none_says_so(world: World) -> Judged:
    key = rsa.generate_private_key(65537, 2048)
    signature = key.sign(PAYLOAD, padding.PSS(padding.MGF1(SHA256()), 32), SHA256())
    return tag_edited(made.signed_tag(key), signature=b64(signature)), world.keys(key)


@refused(Step.SIGNER, "is an RSA key of 1024 bits")
def a_trusted_key_of_rsa_that_is_too_short(world: World) -> Judged:
    key = rsa.generate_private_key(65537, 1024)
    return made.signed_tag(key), world.keys(key)


@refused(Step.SIGNER, "is a key of the curve secp256k1")
def a_trusted_key_of_a_curve_that_is_not_taken(world: World) -> Judged:
    return made.signed_tag(world.key), world.keys(ec.generate_private_key(ec.SECP256K1()))


@refused(Step.SIGNER, "is no PEM of a public key")
def a_trusted_key_that_is_a_certificate(world: World) -> Judged:
    return made.signed_tag(world.key), KeyAuthority("release", (world.certificate.public_bytes(Encoding.PEM),))


@refused(Step.SIGNER, "several PEM blocks")
def a_trusted_key_with_another_behind_it(world: World) -> Judged:
    return made.signed_tag(world.key), KeyAuthority("release", (pem(world.key) + pem(world.other_key),))


@refused(Step.SIGNER, "no key of release has signed")
def a_message_that_is_said_to_be_an_envelope(world: World) -> Judged:
    document = made.bundle(world.key)
    document["dsseEnvelope"]["signatures"][0]["sig"] = b64(sign(world.key, made.statement()))
    document["verificationMaterial"]["publicKey"] = {}
    return made.attach(document), world.keys()


@refused(Step.SIGNER, "no key of release has signed")
def a_hint_of_a_key_that_is_not_trusted(world: World) -> Judged:
    document = made.bundle(world.other_key)
    return made.attach(document), world.keys()


# Step 2, certificates


@refused(Step.SIGNER, "by a key without a certificate")
def a_key_where_an_identity_is_asked_for(world: World) -> Judged:
    return made.attach(made.bundle(world.key)), world.keyless()


@refused(Step.SIGNER, "not trusted")
def a_certificate_of_another_authority(world: World) -> Judged:
    other = Authority()
    other.certificates = world.sigstore.authority.certificates
    certificate = other.issue(world.key, RFC822Name(WHO), ISSUER)
    return made.attach(world.keyless_bundle(certificate=certificate)), world.keyless()


@refused(Step.SIGNER, "not trusted")
def a_certificate_that_signed_itself(world: World) -> Judged:
    names = [(x509.SubjectAlternativeName([RFC822Name(WHO)]), True)]
    certificate = certified("fulcio", world.key, "fulcio", world.key, usages=[CODE_SIGNING], extensions=names)
    return made.attach(world.keyless_bundle(certificate=certificate)), world.keyless()


@refused(Step.SIGNER, "not trusted")
def a_certificate_whose_signature_was_altered(world: World) -> Judged:
    document = world.keyless_bundle()
    place = "verificationMaterial/certificate/rawBytes"
    der = bytearray(made.from_base64(at(document, place)))
    der[-1] ^= 1
    return made.attach(edited(document, place, b64(bytes(der)))), world.keyless()


@refused(Step.SIGNER, "not trusted")
def an_intermediate_that_came_with_it_and_is_no_authoritys(world: World) -> Judged:
    # A signer's own certificate, of the trusted authority, has issued another.
    signer = world.issue(extensions=[(x509.SubjectKeyIdentifier.from_public_key(world.key.public_key()), False)])
    names = [(x509.SubjectAlternativeName([RFC822Name(WHO)]), True)]
    key = new_key()
    forged = certified("x", key, "", world.key, usages=[CODE_SIGNING], extensions=names)
    return chained(world, key, forged, signer, world.sigstore.authority.intermediate)


@refused(Step.SIGNER, "may not issue certificates")
def an_authority_that_may_not_issue(world: World) -> Judged:
    authority = Authority(may_issue=False)
    certificate = authority.issue(world.key, RFC822Name(WHO), ISSUER)
    trusted = ChainAuthority("company", (authority.root.public_bytes(Encoding.PEM),))
    return (*chained(world, world.key, certificate, authority.intermediate)[:1], trusted)


@refused(Step.SIGNER, "basicConstraints.cA must be asserted")
def an_intermediate_that_is_no_authority(world: World) -> Judged:
    authority = Authority(is_ca=False)
    certificate = authority.issue(world.key, RFC822Name(WHO), ISSUER)
    trusted = ChainAuthority("company", (authority.root.public_bytes(Encoding.PEM),))
    return (*chained(world, world.key, certificate, authority.intermediate)[:1], trusted)


@refused(Step.SIGNER, "is not for this usage")
def an_authority_of_timestamps_that_certifies_signers(world: World) -> Judged:
    authority = world.sigstore.timestamps
    certificate = certified("x", world.key, authority.name, authority.key, usages=[CODE_SIGNING])
    trusted = ChainAuthority("company", (authority.root.public_bytes(Encoding.PEM),))
    return (*chained(world, world.key, certificate, authority.intermediate)[:1], trusted)


@refused(Step.SIGNER, "the certificate of an authority, and no signer's")
def a_certificate_of_an_authority_as_a_signers(world: World) -> Judged:
    certificate = world.issue(is_ca=True)
    return made.attach(world.keyless_bundle(certificate=certificate)), world.keyless()


@refused(Step.SIGNER, "was not issued for signing code")
def a_certificate_that_is_for_nothing(world: World) -> Judged:
    return made.attach(world.keyless_bundle(certificate=world.issue(usages=[]))), world.keyless()


@refused(Step.SIGNER, "was not issued for signing code")
def a_certificate_of_a_server(world: World) -> Judged:
    certificate = world.issue(usages=[ExtendedKeyUsageOID.SERVER_AUTH])
    return made.attach(world.keyless_bundle(certificate=certificate)), world.keyless()


@refused(Step.SIGNER, "critical extension")
def a_certificate_with_a_critical_extension_nobody_knows(world: World) -> Judged:
    unknown = (x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00"), True)
    return made.attach(world.keyless_bundle(certificate=world.issue(extensions=[unknown]))), world.keyless()


@refused(Step.SIGNER, "no log of certificates has seen it")
def a_certificate_that_no_log_has_seen(world: World) -> Judged:
    return made.attach(world.keyless_bundle(certificate=world.issue(has_timestamp=False))), world.keyless()


@refused(Step.SIGNER, "no trusted log of certificates has seen it")
def a_certificate_with_the_timestamp_of_another(world: World) -> Judged:
    certificate = world.issue(timestamp_of=world.issue(has_timestamp=False))
    return made.attach(world.keyless_bundle(certificate=certificate)), world.keyless()


@refused(Step.SIGNER, "no trusted log of certificates has seen it")
def a_certificate_that_another_log_has_seen(world: World) -> Judged:
    certificate = world.issue(log=CertificateLog())
    return made.attach(world.keyless_bundle(certificate=certificate)), world.keyless()


@refused(Step.SIGNER, "no trusted log of certificates has seen it")
def a_certificate_seen_by_a_log_after_its_time(world: World) -> Judged:
    described = world.sigstore.authority.certificates.described(end=NOW - timedelta(days=1))
    return made.attach(world.keyless_bundle()), world.keyless(root=world.root(certificate_logs=[described]))


@refused(Step.SIGNER, "not trusted")
def a_trust_root_without_authorities(world: World) -> Judged:
    return made.attach(world.keyless_bundle()), world.keyless(root=world.root(authorities=[]))


@refused(Step.SIGNER, "is an RSA key of 1024 bits")
def a_certificate_with_a_key_of_rsa_that_is_too_short(world: World) -> Judged:
    key = rsa.generate_private_key(65537, 1024)
    certificate = world.sigstore.authority.issue(key, RFC822Name(WHO), ISSUER)
    return chained(world, key, certificate, world.sigstore.authority.intermediate)


def chained(world: World, key: object, certificate: x509.Certificate, *others: x509.Certificate) -> Judged:
    """Sign as cosign does with a certificate of one's own authority."""
    annotations = made.signature_annotations(
        sign(key, PAYLOAD),
        certificate=certificate.public_bytes(Encoding.PEM).decode(),
        chain="".join(each.public_bytes(Encoding.PEM).decode() for each in others),
    )
    return made.tagged((PAYLOAD, made.SIMPLE_SIGNING, annotations)), world.chain()


# Step 5


@refused(Step.SIGNATURE, "by the key it names")
def a_statement_that_was_altered(world: World) -> Judged:
    document = made.bundle(world.key)
    payload = made.statement(predicate={"passed": True})
    return made.attach(edited(document, "dsseEnvelope/payload", b64(payload))), world.keys()


@refused(Step.SIGNATURE, "by the key it names")
def a_signature_of_which_a_bit_was_turned(world: World) -> Judged:
    document = made.bundle(world.key)
    place = "dsseEnvelope/signatures/0/sig"
    return made.attach(edited(document, place, flipped(at(document, place)))), world.keys()


@refused(Step.SIGNATURE, "by the key it names")
def a_signature_of_another_bundle(world: World) -> Judged:
    document, other = made.bundle(world.key), made.bundle(world.key, made.statement("https://example.com/other"))
    return made.attach(edited(document, "dsseEnvelope/signatures", other["dsseEnvelope"]["signatures"])), world.keys()


@refused(Step.SIGNATURE, "by the key it names")
def a_hint_of_the_trusted_key_on_a_signature_by_another(world: World) -> Judged:
    document = edited(made.bundle(world.other_key), "verificationMaterial/publicKey/hint", hint(world.key))
    return made.attach(document), world.keys()


@refused(Step.SIGNATURE, "by its certificate's key")
def a_certificate_of_another_key(world: World) -> Judged:
    certificate = world.sigstore.authority.issue(world.other_key, RFC822Name(WHO), ISSUER)
    document = made.bundle(world.key, certificate=certificate)
    body = made.dsse(world.other_key, document["dsseEnvelope"], certificate)
    document["verificationMaterial"]["tlogEntries"] = [world.sigstore.log.entry(body)]
    return made.attach(document), world.keyless()


@refused(Step.SIGNATURE, "by the key it names")
def a_message_that_is_another_manifest(world: World) -> Judged:
    return made.attach(made.message_bundle(world.key, made.OTHER)), world.keys()


# Step 8


@refused(Step.IDENTITY, "who is not asked for")
def an_identity_that_is_not_asked_for(world: World) -> Judged:
    return made.attach(world.keyless_bundle()), world.keyless(Identity(identity="other@example.com", issuer=ISSUER))


@refused(Step.IDENTITY, "who is not asked for")
def an_issuer_that_is_not_asked_for(world: World) -> Judged:
    wanted = Identity(identity=WHO, issuer="https://accounts.example.org")
    return made.attach(world.keyless_bundle()), world.keyless(wanted)


@refused(Step.IDENTITY, "who is not asked for")
def an_identity_without_an_issuer_where_one_is_asked_for(world: World) -> Judged:
    return made.attach(world.keyless_bundle(certificate=world.issue(issuer=None))), world.keyless()


@refused(Step.IDENTITY, "issuers that contradict each other")
def two_issuers_that_contradict_each_other(world: World) -> Judged:
    certificate = world.issue(old_issuer="https://evil.example.com")
    return made.attach(world.keyless_bundle(certificate=certificate)), world.keyless()


@refused(Step.IDENTITY, "who is not asked for")
def an_identity_in_other_case(world: World) -> Judged:
    return made.attach(world.keyless_bundle()), world.keyless(Identity(identity=WHO.upper()))


@refused(Step.IDENTITY, "who is not asked for")
def an_identity_with_a_letter_of_another_alphabet(world: World) -> Judged:
    lookalike = x509.OtherName(OTHER_NAME, utf8(WHO.replace("e", "\u0435", 1)))
    certificate = world.issue(lookalike)
    return made.attach(world.keyless_bundle(certificate=certificate)), world.keyless()


@refused(Step.IDENTITY, "who is not asked for")
def an_identity_in_another_normal_form(world: World) -> Judged:
    name = x509.OtherName(OTHER_NAME, utf8("re\u0301al"))
    wanted = Identity(identity="r\u00e9al")
    return made.attach(world.keyless_bundle(certificate=world.issue(name))), world.keyless(wanted)


@refused(Step.IDENTITY, "with a control character")
def an_identity_with_a_zero_byte(world: World) -> Judged:
    name = x509.OtherName(OTHER_NAME, utf8(f"{WHO}\0"))
    return made.attach(world.keyless_bundle(certificate=world.issue(name))), world.keyless()


@refused(Step.IDENTITY, "who is not asked for")
def an_identity_that_only_starts_like_the_pattern(world: World) -> Judged:
    certificate = world.issue(RFC822Name(f"{WHO}.evil.org"))
    return made.attach(world.keyless_bundle(certificate=certificate)), world.keyless(Identity(identity_pattern=WHO))


@refused(Step.IDENTITY, "a pattern that is asked for can't be read by RE2")
def a_pattern_that_is_none(world: World) -> Judged:
    return made.attach(world.keyless_bundle()), world.keyless(Identity(identity_pattern="(a"))


@refused(Step.IDENTITY, "who is not asked for")
def an_identity_that_asks_for_nothing(world: World) -> Judged:
    return made.attach(world.keyless_bundle()), world.keyless(Identity())


@refused(Step.IDENTITY, "names 2 identities")
def a_certificate_of_two_identities(world: World) -> Judged:
    names = x509.SubjectAlternativeName([RFC822Name(WHO), RFC822Name("other@example.com")])
    certificate = world.sigstore.authority.issue(world.key, None, ISSUER, extensions=[(names, True)])
    return made.attach(world.keyless_bundle(certificate=certificate)), world.keyless()


@refused(Step.IDENTITY, "names 0 identities")
def a_certificate_of_nobody(world: World) -> Judged:
    certificate = world.sigstore.authority.issue(world.key, None, ISSUER)
    return made.attach(world.keyless_bundle(certificate=certificate)), world.keyless()


@refused(Step.IDENTITY, "no UTF8String")
def an_other_name_that_is_no_text(world: World) -> Judged:
    name = x509.OtherName(OTHER_NAME, b"\x04\x03abc")
    return made.attach(world.keyless_bundle(certificate=world.issue(name))), world.keyless()


@refused(Step.IDENTITY, "not spelled in DER")
def an_issuer_that_is_longer_than_it_says(world: World) -> Judged:
    extension = (x509.UnrecognizedExtension(SERVICE_ISSUER, utf8(ISSUER) + b"x"), False)
    certificate = world.issue(issuer=None, extensions=[extension])
    return made.attach(world.keyless_bundle(certificate=certificate)), world.keyless()


@refused(Step.IDENTITY, "not spelled in DER")
def an_issuer_whose_length_is_spelled_too_long(world: World) -> Judged:
    spelled = b"\x0c\x81" + bytes([len(ISSUER)]) + ISSUER.encode()
    extension = (x509.UnrecognizedExtension(SERVICE_ISSUER, spelled), False)
    certificate = world.issue(issuer=None, extensions=[extension])
    return made.attach(world.keyless_bundle(certificate=certificate)), world.keyless()
