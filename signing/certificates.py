"""X.509 certificates: read, chained to what is trusted, and asked who they are for.

Paths are validated by `cryptography.x509.verification` (RFC 5280); what signing asks beyond that of extensions stands here.
Fulcio's extensions: sigstore/fulcio docs/oid-info.md. Signed certificate timestamps: RFC 6962 §3.2.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final, TypeVar

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import (
    BasicConstraints,
    Certificate,
    DNSName,
    DuplicateExtension,
    ExtendedKeyUsage,
    ExtensionNotFound,
    Extensions,
    ExtensionType,
    GeneralName,
    InvalidVersion,
    KeyUsage,
    ObjectIdentifier,
    OtherName,
    RFC822Name,
    SubjectAlternativeName,
    UniformResourceIdentifier,
    UnrecognizedExtension,
    load_der_x509_certificate,
    load_pem_x509_certificates,
)
from cryptography.x509.oid import ExtendedKeyUsageOID
from cryptography.x509.verification import Criticality, ExtensionPolicy, Policy, PolicyBuilder, Store, VerificationError

CODE_SIGNING: Final = ExtendedKeyUsageOID.CODE_SIGNING
TIME_STAMPING: Final = ExtendedKeyUsageOID.TIME_STAMPING
LONGEST_CHAIN: Final = 8
"""Certificates of a chain, the leaf among them."""
LARGEST: Final = 64 << 10
"""Bytes of a certificate or of a PEM with a chain of them."""
_ISSUER: Final = ObjectIdentifier("1.3.6.1.4.1.57264.1.8")
_OLD_ISSUER: Final = ObjectIdentifier("1.3.6.1.4.1.57264.1.1")
_OTHER_NAME: Final = ObjectIdentifier("1.3.6.1.4.1.57264.1.7")
_UTF8_STRING: Final = 0x0C
_Kind = TypeVar("_Kind", bound=ExtensionType)


class InvalidCertificate(ValueError):
    """What is no certificate that can be read."""


class Untrusted(ValueError):
    """A certificate that does not chain to what is trusted, or is not for what it was used for."""


def from_der(der: bytes) -> Certificate:
    """Read a certificate in DER. Raise InvalidCertificate, also where it is followed by anything."""
    if len(der) > LARGEST:
        raise InvalidCertificate(f"is larger than {LARGEST} bytes")
    try:
        certificate = load_der_x509_certificate(der)
        certificate.public_key()
        certificate.extensions  # noqa: B018  It is parsed when it is first asked for.
    except (ValueError, TypeError, DuplicateExtension, InvalidVersion, UnsupportedAlgorithm):
        raise InvalidCertificate("is no certificate that can be read (X.509 in DER)") from None
    if certificate.public_bytes(Encoding.DER) != der:
        raise InvalidCertificate("is a certificate that is not spelled in DER")
    return certificate


def from_pem(pem: bytes) -> list[Certificate]:
    """Read one or more certificates in PEM, and nothing beside them but white space. Raise InvalidCertificate."""
    if len(pem) > LARGEST:
        raise InvalidCertificate(f"is larger than {LARGEST} bytes")
    blocks = pem.split(b"-----END CERTIFICATE-----")
    rest = blocks.pop()
    if (
        not blocks
        or rest.strip()
        or not all(block.lstrip().startswith(b"-----BEGIN CERTIFICATE-----") for block in blocks)
    ):
        raise InvalidCertificate("is no PEM of certificates and nothing else")
    if len(blocks) > LONGEST_CHAIN:
        raise InvalidCertificate(f"holds {len(blocks)} certificates; {LONGEST_CHAIN} are read at most")
    try:
        return [from_der(certificate.public_bytes(Encoding.DER)) for certificate in load_pem_x509_certificates(pem)]
    except (ValueError, TypeError, InvalidVersion):
        raise InvalidCertificate("holds what is no certificate that can be read (X.509 in PEM)") from None


def verify_chain(
    leaf: Certificate,
    intermediates: Sequence[Certificate],
    roots: Sequence[Certificate],
    *,
    at: datetime,
    usage: ObjectIdentifier | None = CODE_SIGNING,
) -> list[Certificate]:
    """Return the chain from a leaf to one of the trusted roots, valid as a whole at a time. Raise Untrusted.

    The leaf is no authority, may sign (key usage, where it is stated) and, where `usage` is given, states it as an extended key
    usage; an authority above that restricts extended key usages allows it, too. A trusted leaf is a chain by itself.
    """
    if not roots:
        raise Untrusted("no authority is trusted that could have issued it")
    if len(intermediates) >= LONGEST_CHAIN:
        raise Untrusted(f"it comes with {len(intermediates)} certificates of authorities")
    try:
        _may_sign(leaf.extensions, usage)
    except (ValueError, DuplicateExtension) as error:
        raise Untrusted(str(error)) from None

    def checks_authority(policy: Policy, certificate: Certificate, extension: KeyUsage | None) -> None:  # noqa: ARG001
        if extension is not None and not extension.key_cert_sign:
            raise ValueError("an authority in its chain may not issue certificates (key usage)")

    def checks_usage(policy: Policy, certificate: Certificate, extension: ExtendedKeyUsage | None) -> None:  # noqa: ARG001
        allowed = {usage, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE}
        if usage is not None and extension is not None and not allowed & set(extension):
            raise ValueError("an authority in its chain is not for this usage (extended key usage)")

    authorities = (
        ExtensionPolicy.permit_all()
        .require_present(BasicConstraints, Criticality.AGNOSTIC, None)
        .may_be_present(KeyUsage, Criticality.AGNOSTIC, checks_authority)
        .may_be_present(ExtendedKeyUsage, Criticality.AGNOSTIC, checks_usage)
    )
    verifier = (
        PolicyBuilder()
        .store(Store(list(roots)))
        .time(at.astimezone(UTC).replace(tzinfo=None))
        .max_chain_depth(LONGEST_CHAIN)
        .extension_policies(ca_policy=authorities, ee_policy=ExtensionPolicy.permit_all())
        .build_client_verifier()
    )
    try:
        return verifier.verify(leaf, list(intermediates)).chain
    except (VerificationError, ValueError, TypeError) as error:
        raise Untrusted(_plainly(str(error))) from None


def _plainly(reason: str) -> str:
    """Return the library's reason without the objects it names."""
    return reason.split(" (encountered", maxsplit=1)[0].removeprefix("validation failed: ")[:300]


def _may_sign(extensions: Extensions, usage: ObjectIdentifier | None) -> None:
    constraints = _extension(extensions, BasicConstraints)
    if constraints is not None and constraints.ca:
        raise ValueError("it is the certificate of an authority, and no signer's")
    key_usage = _extension(extensions, KeyUsage)
    if key_usage is not None and not key_usage.digital_signature:
        raise ValueError("it may not sign (its key usage lacks digitalSignature)")
    usages = _extension(extensions, ExtendedKeyUsage)
    if usage is not None and (usages is None or usage not in usages):
        raise ValueError(f"it was not issued for {_usage_named(usage)} (extended key usage)")


def _usage_named(usage: ObjectIdentifier) -> str:
    return {CODE_SIGNING: "signing code", TIME_STAMPING: "timestamps"}.get(usage, usage.dotted_string)


def _extension(extensions: Extensions, kind: type[_Kind]) -> _Kind | None:
    try:
        return extensions.get_extension_for_class(kind).value
    except ExtensionNotFound:
        return None


def is_authority(certificate: Certificate) -> bool:
    """Say whether a certificate may issue others."""
    constraints = _extension(certificate.extensions, BasicConstraints)
    return constraints is not None and constraints.ca


def is_valid_at(certificate: Certificate, at: datetime) -> bool:
    """Say whether a moment lies within a certificate's validity, both ends included."""
    return certificate.not_valid_before_utc <= at <= certificate.not_valid_after_utc


def identities(certificate: Certificate) -> tuple[str, ...]:
    """Return the subject's alternative names: e-mail addresses, URIs, DNS names, and Fulcio's other names.

    Raise InvalidCertificate where one can't be read or holds a control character.
    """
    names = _extension(certificate.extensions, SubjectAlternativeName)
    found = tuple(text for name in names or () if (text := _name(name)) is not None)
    for name in found:
        if any(ord(letter) < 0x20 or ord(letter) == 0x7F for letter in name):
            raise InvalidCertificate("names an identity with a control character")
    return found


def _name(name: GeneralName) -> str | None:
    if isinstance(name, RFC822Name | UniformResourceIdentifier | DNSName):
        return name.value
    if isinstance(name, OtherName) and name.type_id == _OTHER_NAME:
        return _utf8_string(name.value)
    return None


def issuer(certificate: Certificate) -> str | None:
    """Return the OpenID Connect issuer by which the subject has shown who it is; None where none is stated.

    Raise InvalidCertificate where it can't be read, or the two extensions that state it contradict each other.
    """
    new, old = (_raw(certificate.extensions, oid) for oid in (_ISSUER, _OLD_ISSUER))
    found = None if new is None else _utf8_string(new)
    if old is not None:
        try:
            older = old.decode()
        except UnicodeDecodeError:
            raise InvalidCertificate("states an issuer that is no UTF-8") from None
        if found is not None and older != found:
            raise InvalidCertificate("states two issuers that contradict each other")
        found = older
    return found


def _raw(extensions: Extensions, oid: ObjectIdentifier) -> bytes | None:
    try:
        value = extensions.get_extension_for_oid(oid).value
    except ExtensionNotFound:
        return None
    return value.value if isinstance(value, UnrecognizedExtension) else None


def _utf8_string(der: bytes) -> str:
    """Return the text of one UTF8String in DER (X.690 §8.23, §10.1), of at most 65535 bytes."""
    lengths = {0x81: 1, 0x82: 2}
    if len(der) < 2 or der[0] != _UTF8_STRING:
        raise InvalidCertificate("holds a text that is no UTF8String")
    size = lengths.get(der[1], 0)
    length = int.from_bytes(der[2 : 2 + size], "big") if size else der[1]
    text = der[2 + size :]
    if len(text) != length or (size and length < (0x80 if size == 1 else 0x100)):
        raise InvalidCertificate("holds a text that is not spelled in DER")
    try:
        return text.decode()
    except UnicodeDecodeError:
        raise InvalidCertificate("holds a text that is no UTF-8") from None


def to_der(certificate: Certificate) -> bytes:
    """Return a certificate in DER."""
    return certificate.public_bytes(Encoding.DER)
