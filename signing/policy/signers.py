"""The signers that a policy names: who they are, apart from the trust roots, which are looked up when it is evaluated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from signing import certificates
from signing.authorities import Authority, ChainAuthority, Identity, KeyAuthority, KeylessAuthority
from signing.identities import subject_of
from signing.keys import InvalidKey, PublicKey
from signing.roots import TrustRoot

PUBLIC_GOOD: Final = "public-good"
"""The trust root of the public instances of Sigstore."""


class UnknownRoot(LookupError):
    """The trust root that a signer needs isn't there; the message is a sentence."""

    def __init__(self, root: str) -> None:
        super().__init__(f"the trust root {root} is not there")


@dataclass(frozen=True, slots=True)
class KeySigner:
    """Public keys (`keys`), PEM each."""

    name: str
    keys: tuple[bytes, ...]
    root: str | None
    needs_log: bool
    needs_timestamp: bool

    def authority(self, roots: Mapping[str, TrustRoot]) -> Authority:
        """Return whom to trust. Raise UnknownRoot."""
        return KeyAuthority(self.name, self.keys, _root(self.root, roots), self.needs_log, self.needs_timestamp)


@dataclass(frozen=True, slots=True)
class KeylessSigner:
    """Identities to whom a root's certificate authority gives certificates (`identities`)."""

    name: str
    identities: tuple[Identity, ...]
    root: str
    needs_log: bool

    def authority(self, roots: Mapping[str, TrustRoot]) -> Authority:
        """Return whom to trust. Raise UnknownRoot."""
        if self.root not in roots:
            raise UnknownRoot(self.root)
        return KeylessAuthority(self.name, self.identities, roots[self.root], self.needs_log)


@dataclass(frozen=True, slots=True)
class ChainSigner:
    """Own certificate authorities (`certificates`), PEM each."""

    name: str
    certificates: tuple[bytes, ...]
    subjects: tuple[str, ...]
    identities: tuple[Identity, ...]
    timestamp_certificates: tuple[bytes, ...]
    root: str | None

    def authority(self, roots: Mapping[str, TrustRoot]) -> Authority:
        """Return whom to trust. Raise UnknownRoot."""
        root = _root(self.root, roots)
        return ChainAuthority(
            self.name, self.certificates, self.subjects, self.identities, root, self.timestamp_certificates
        )


Signer = KeySigner | KeylessSigner | ChainSigner


def what_is_wrong_with_key(pem: str) -> str | None:
    """Return why a text is no public key that may sign here: completes “the key …”; None where it is one."""
    try:
        PublicKey.parse(pem.encode())
    except InvalidKey as error:
        return str(error)
    return None


def what_is_wrong_with_certificates(pem: str) -> str | None:
    """Return why a text is no certificates: completes “the text …”; None where it is some."""
    try:
        certificates.from_pem(pem.encode())
    except certificates.InvalidCertificate as error:
        return str(error)
    return None


def what_is_wrong_with_subject(name: str) -> str | None:
    """Return why a text is no distinguished name: completes “the text …”; None where it is one."""
    try:
        if not list(subject_of(name)):
            return "is empty, and so any name"
    except ValueError:
        return "is no distinguished name of RFC 4514, such as CN=release,O=Acme"
    return None


def _root(name: str | None, roots: Mapping[str, TrustRoot]) -> TrustRoot | None:
    if name is None:
        return None
    if name not in roots:
        raise UnknownRoot(name)
    return roots[name]
