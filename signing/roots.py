"""Trust roots: certificate authorities, transparency logs and timestamp authorities that are trusted, and from when to when.

Source: sigstore/protobuf-specs protos/sigstore_trustroot.proto.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from typing import Final, Self
from urllib.parse import quote, urlsplit

from cryptography.x509 import Certificate

from signing import certificates
from signing.certificates import InvalidCertificate
from signing.documents import Members, read
from signing.keys import InvalidKey, PublicKey
from signing.limits import LARGEST_ROOT
from signing.steps import Refused

MEDIA_TYPES: Final = (
    "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
    "application/vnd.dev.sigstore.trustedroot.v0.2+json",
)
MOST: Final = 64
"""Authorities or logs of one kind."""
KEY_KINDS: Final = {
    "PKIX_ECDSA_P256_SHA_256": "ECDSA P-256",
    "PKIX_ECDSA_P384_SHA_384": "ECDSA P-384",
    "PKIX_ECDSA_P521_SHA_512": "ECDSA P-521",
    "PKIX_ED25519": "Ed25519",
    "PKIX_RSA_PKCS1V15_2048_SHA256": "RSA 2048",
    "PKIX_RSA_PKCS1V15_3072_SHA256": "RSA 3072",
    "PKIX_RSA_PKCS1V15_4096_SHA256": "RSA 4096",
}
"""Kinds of keys (PublicKeyDetails), with the name that `PublicKey.kind` gives them."""
_PUBLIC_GOOD: Final = quote("https://tuf-repo-cdn.sigstore.dev", safe="")
_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z")


class InvalidTrustRoot(ValueError):
    """What is no trust root, with the reason."""


@dataclass(frozen=True, slots=True)
class Period:
    """From when to when something is trusted, both included; without an end it is until further notice."""

    start: datetime | None = None
    end: datetime | None = None

    def covers(self, moment: datetime) -> bool:
        """Say whether a moment lies in it."""
        return (self.start is None or self.start <= moment) and (self.end is None or moment <= self.end)


@dataclass(frozen=True, slots=True)
class Log:
    """A transparency log, of signatures (Rekor) or of certificates."""

    url: str
    key: PublicKey
    id: bytes
    """By which entries name it: the SHA-256 of its key, or of its name and key."""
    period: Period

    @property
    def host(self) -> str:
        """Return the host of its address without a port, which is its name in checkpoints."""
        return urlsplit(self.url).hostname or ""


@dataclass(frozen=True, slots=True)
class CertificateAuthority:
    """An authority of certificates or of timestamps."""

    certificates: tuple[Certificate, ...]
    """From the lowest to the root, which is the last."""
    period: Period


@dataclass(frozen=True, slots=True)
class TrustRoot:
    """What a `trusted_root.json` of Sigstore's holds (dev.sigstore.trustroot.v1)."""

    content: bytes
    logs: tuple[Log, ...] = ()
    authorities: tuple[CertificateAuthority, ...] = ()
    certificate_logs: tuple[Log, ...] = ()
    """Where there are any, a certificate needs a timestamp of one of them."""
    timestamp_authorities: tuple[CertificateAuthority, ...] = ()

    @classmethod
    def parse(cls, content: bytes) -> Self:
        """Read a `trusted_root.json` of version 0.1 or 0.2. Raise InvalidTrustRoot.

        A log with a key of a kind that is not known here is left out: what it has signed is then not trusted.
        """
        if len(content) > LARGEST_ROOT:
            raise InvalidTrustRoot(f"the trust root has {len(content)} bytes; {LARGEST_ROOT} are the most")
        try:
            document = read(content, "the trust root").only(
                "mediaType", "tlogs", "certificateAuthorities", "ctlogs", "timestampAuthorities"
            )
            document.one_of("mediaType", MEDIA_TYPES)
            return cls(
                content,
                _logs(document, "tlogs"),
                _authorities(document, "certificateAuthorities"),
                _logs(document, "ctlogs"),
                _authorities(document, "timestampAuthorities"),
            )
        except Refused as error:
            raise InvalidTrustRoot(error.reason) from None

    @classmethod
    def public_good(cls) -> Self:
        """Return the root of Sigstore's public instance, as the package `sigstore` ships it; nothing is fetched."""
        return cls.parse(_public_good())


@cache
def _public_good() -> bytes:
    return (files("sigstore._store") / _PUBLIC_GOOD / "trusted_root.json").read_bytes()


def _logs(document: Members, name: str) -> tuple[Log, ...]:
    return tuple(log for item in document.objects(name, MOST) if (log := _log(item)) is not None)


def _log(item: Members) -> Log | None:
    item.only("baseUrl", "hashAlgorithm", "publicKey", "logId", "checkpointKeyId", "operator")
    item.one_of("hashAlgorithm", ("SHA2_256",))
    stated = item.object("publicKey").only("rawBytes", "keyDetails", "validFor")
    kind = KEY_KINDS.get(stated.text("keyDetails"))
    if kind is None:
        return None
    try:
        key = PublicKey.from_der(stated.bytes("rawBytes"))
    except InvalidKey as error:
        raise InvalidTrustRoot(f"the key of {item.what} {error}") from None
    if key.kind != kind:
        raise InvalidTrustRoot(f"the key of {item.what} is {key.kind}, and {kind} by its keyDetails")
    url = item.text("baseUrl")
    try:
        urlsplit(url)
    except ValueError:
        raise InvalidTrustRoot(f"the baseUrl of {item.what} is no address") from None
    return Log(url, key, item.object("logId").only("keyId").bytes("keyId"), _period(stated))


def _authorities(document: Members, name: str) -> tuple[CertificateAuthority, ...]:
    return tuple(_authority(item) for item in document.objects(name, MOST))


def _authority(item: Members) -> CertificateAuthority:
    item.only("subject", "uri", "certChain", "validFor", "operator")
    chain = item.object("certChain").only("certificates").objects("certificates", certificates.LONGEST_CHAIN)
    if not chain:
        raise InvalidTrustRoot(f"{item.what} has no certificate")
    try:
        found = tuple(certificates.from_der(each.only("rawBytes").bytes("rawBytes")) for each in chain)
    except InvalidCertificate as error:
        raise InvalidTrustRoot(f"a certificate of {item.what} {error}") from None
    return CertificateAuthority(found, _period(item))


def _period(stated: Members) -> Period:
    if "validFor" not in stated:
        return Period()
    period = stated.object("validFor").only("start", "end")
    return Period(_moment(period, "start"), _moment(period, "end"))


def _moment(period: Members, name: str) -> datetime | None:
    if name not in period:
        return None
    text = period.text(name)
    try:
        if _TIME.fullmatch(text):
            return datetime.fromisoformat(text).astimezone(UTC)
    except ValueError:
        pass
    raise InvalidTrustRoot(f"the {name} of {period.what} is no time (RFC 3339, in UTC)")
