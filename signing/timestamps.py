"""Timestamps by a third party (RFC 3161): that a signature was there at a moment."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Final

from cryptography.x509 import Certificate, ObjectIdentifier
from rfc3161_client import TimeStampResponse, VerificationError, VerifierBuilder, decode_timestamp_response

from signing import certificates
from signing.certificates import InvalidCertificate, Untrusted
from signing.roots import CertificateAuthority
from signing.steps import Refused, Step
from signing.timestamp_answers import ordered

MOST_TIMESTAMPS: Final = 8
"""Of one signature."""
LARGEST: Final = 64 << 10
"""Bytes of one."""
_HASHES: Final = {
    ObjectIdentifier("2.16.840.1.101.3.4.2.1"): "sha256",
    ObjectIdentifier("2.16.840.1.101.3.4.2.2"): "sha384",
    ObjectIdentifier("2.16.840.1.101.3.4.2.3"): "sha512",
}


def _refused(reason: str) -> Refused:
    return Refused(Step.TIME, reason)


def verify_timestamp(response: bytes, stamped: bytes, authorities: Iterable[CertificateAuthority]) -> datetime:
    """Return when a trusted authority has seen the stamped bytes (those of a signature). Raise Refused.

    `response` is a TimeStampResp in DER, its certificates in any order. The authority's certificate is issued for timestamps,
    chains to a trusted root, and is valid at the moment that is stamped; the authority itself is trusted then.
    """
    read = _read(response)
    information = read.tst_info
    algorithm = _HASHES.get(information.message_imprint.hash_algorithm)
    if algorithm is None:
        raise _refused("the timestamp is of a hash other than SHA-256, SHA-384 and SHA-512")
    if hashlib.new(algorithm, stamped).digest() != information.message_imprint.message:
        raise _refused("the timestamp is of another signature")
    at = information.gen_time.astimezone(UTC)
    reasons = []
    for authority in authorities:
        try:
            _verify_by(authority, read, stamped, at)
        except (Untrusted, VerificationError, ValueError) as error:
            reasons.append(str(error))
            continue
        if authority.period.covers(at):
            return at
        reasons.append(f"its authority was not trusted at {at:%Y-%m-%d %H:%M:%S}")
    raise _refused(
        "no trusted authority has signed the timestamp" + (f": {'; '.join(reasons)[:300]}" if reasons else "")
    )


def _read(response: bytes) -> TimeStampResponse:
    if len(response) > LARGEST:
        raise _refused(f"the timestamp is larger than {LARGEST} bytes")
    try:
        response = ordered(response)
        read = decode_timestamp_response(response)
        if read.as_bytes() != response:
            raise _refused("the timestamp is not spelled in DER")
        read.tst_info.gen_time  # noqa: B018  It is parsed when it is first asked for.
    except (ValueError, TypeError, OverflowError):
        raise _refused("the timestamp can't be read (RFC 3161 in DER)") from None
    return read


def _verify_by(authority: CertificateAuthority, response: TimeStampResponse, stamped: bytes, at: datetime) -> None:
    signer, others = _signer(response, authority.certificates)
    named = authority.certificates[0]
    if not certificates.is_authority(named) and signer != named:
        raise Untrusted("it is signed with another certificate than the authority's")
    own = [each for each in authority.certificates if each != signer]
    roots = own[-1:] or [signer]
    chain = certificates.verify_chain(signer, [*own[:-1], *others], roots, at=at, usage=certificates.TIME_STAMPING)
    verifier = VerifierBuilder(tsa_certificate=signer, intermediates=chain[1:-1], roots=chain[-1:]).build()
    if not verifier.verify_message(response, stamped):
        raise Untrusted("its signature is not the authority's")


def _signer(response: TimeStampResponse, known: Sequence[Certificate]) -> tuple[Certificate, list[Certificate]]:
    """Return the certificate that a timestamp names as its signer's, and those that come with it beside."""
    signers = list(response.signed_data.signer_infos)
    if len(signers) != 1:
        raise Untrusted(f"it has {len(signers)} signers; exactly one is read")
    embedded = sorted(response.signed_data.certificates)
    if len(embedded) > certificates.LONGEST_CHAIN:
        raise Untrusted("it holds too many certificates")
    try:
        offered = [certificates.from_der(each) for each in embedded]
    except InvalidCertificate as error:
        raise Untrusted(f"it holds what {error}") from None
    for certificate in [*known, *offered]:
        if (certificate.issuer, certificate.serial_number) == (signers[0].issuer, signers[0].serial_number):
            return certificate, [each for each in offered if each != certificate]
    raise Untrusted("the certificate of its signer is not known")
