"""What a Notary Project signature signs beside its payload, in either envelope.

notaryproject/specifications specs/signature-specification.md, Signed Attributes; specs/signing-scheme.md.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from cryptography.x509 import Certificate

from signing.certificates import LONGEST_CHAIN, InvalidCertificate, from_der
from signing.documents import unreadable

SCHEME: Final = "io.cncf.notary.signingScheme"
SIGNING_TIME: Final = "io.cncf.notary.signingTime"
AUTHENTIC_TIME: Final = "io.cncf.notary.authenticSigningTime"
EXPIRY: Final = "io.cncf.notary.expiry"
PLUGIN: Final = "io.cncf.notary.verificationPlugin"
PLUGIN_VERSION: Final = "io.cncf.notary.verificationPluginMinVersion"
TIMESTAMP: Final = "io.cncf.notary.timestampSignature"
_CRITICAL: Final = (SCHEME, EXPIRY, AUTHENTIC_TIME)


class Scheme(StrEnum):
    """Who vouches for the time of signing."""

    X509 = "notary.x509"
    """Nobody but a timestamp authority, where one has countersigned."""
    SIGNING_AUTHORITY = "notary.x509.signingAuthority"
    """The signer, whom its certificate authority trusts with it."""


@dataclass(frozen=True, slots=True)
class Attributes:
    """The signed attributes that are common to both envelopes."""

    scheme: Scheme
    signed_at: datetime
    """When, as the signer says."""
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class Envelope:
    """A signature, read and not verified."""

    attributes: Attributes
    algorithm: str
    """Its name in JWS: `PS256`, `ES256`, …"""
    content_type: str
    payload: bytes
    signed: bytes
    """The bytes that the signature is over."""
    signature: bytes
    """Of ECDSA, r and s side by side, each as long as the curve's order."""
    chain: tuple[Certificate, ...]
    """The signer's certificate, then those of the authorities."""
    timestamp: bytes | None
    """A TimeStampToken (RFC 3161) of the signature."""


def read_attributes(
    headers: Mapping[Any, object], critical: object, read_time: Callable[[object, str], datetime]
) -> Attributes:
    """Read the signed attributes of an envelope. Raise Refused, also where one is critical that is not known."""
    named = PLUGIN if PLUGIN in headers else PLUGIN_VERSION
    if named in headers:
        raise unreadable(f"it asks to be verified by the plug-in {headers[named]!r:.80}, and no plug-ins are run here")
    listed = _critical(critical, headers)
    scheme = _scheme(headers.get(SCHEME))
    time, other = (SIGNING_TIME, AUTHENTIC_TIME) if scheme is Scheme.X509 else (AUTHENTIC_TIME, SIGNING_TIME)
    if other in headers:
        raise unreadable(f"it has the attribute {other}, which the scheme {scheme} does not know")
    if time not in headers:
        raise unreadable(f"it has no {time}, which the scheme {scheme} asks for")
    for name in _CRITICAL:
        if name in headers and name not in listed:
            raise unreadable(f"the attribute {name} is not marked as critical (crit)")
    signed_at = read_time(headers[time], time)
    expires_at = read_time(headers[EXPIRY], EXPIRY) if EXPIRY in headers else None
    if expires_at is not None and expires_at <= signed_at:
        raise unreadable("it expires before it was signed")
    return Attributes(scheme, signed_at, expires_at)


def read_chain(listed: object) -> tuple[Certificate, ...]:
    """Read the certificates, DER each. Raise Refused."""
    if not isinstance(listed, Sequence) or isinstance(listed, str | bytes) or not listed:
        raise unreadable("it comes without certificates")
    if len(listed) > LONGEST_CHAIN:
        raise unreadable(f"it comes with {len(listed)} certificates; {LONGEST_CHAIN} are read at most")
    return tuple(_certificate(item, position) for position, item in enumerate(listed, 1))


def _certificate(der: object, position: int) -> Certificate:
    if not isinstance(der, bytes):
        raise unreadable(f"certificate {position} is none in DER")
    try:
        return from_der(der)
    except InvalidCertificate as error:
        raise unreadable(f"certificate {position} {error}") from None


def _critical(listed: object, headers: Mapping[Any, object]) -> Sequence[object]:
    if not isinstance(listed, Sequence) or isinstance(listed, str | bytes) or not listed:
        raise unreadable("it says not which attributes are critical (crit)")
    for position, name in enumerate(listed):
        if name in listed[:position]:
            raise unreadable(f"it names the critical attribute {name!r:.120} twice")
        if name not in _CRITICAL:
            raise unreadable(f"it has the critical attribute {name!r:.120}, which is not known here")
        if name not in headers:
            raise unreadable(f"it names the critical attribute {name!r:.120} and has none")
    return listed


def _scheme(value: object) -> Scheme:
    for scheme in Scheme:
        if value == scheme.value:
            return scheme
    raise unreadable(f"its signing scheme is {value!r:.120}; {' and '.join(Scheme)} are known")
