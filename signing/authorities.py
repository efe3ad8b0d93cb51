"""Whom a verifier trusts: keys, identities that a certificate authority of short-lived certificates vouches for, or own CAs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from signing.roots import TrustRoot


@dataclass(frozen=True, slots=True)
class Identity:
    """Who may have signed: each member that is given has to fit. Patterns are RE2 and match the whole value.

    `identity` is a certificate's subject alternative name (e-mail address, URI, or Fulcio's other name), `issuer` the OpenID
    Connect issuer in its extension. Neither is compared loosely: no folding of case, no Unicode normalisation, no prefixes.
    """

    identity: str | None = None
    identity_pattern: str | None = None
    issuer: str | None = None
    issuer_pattern: str | None = None


@dataclass(frozen=True, slots=True)
class KeyAuthority:
    """Public keys: ECDSA (P-256, P-384, P-521), Ed25519 or RSA (2048 bits and more), PEM of SubjectPublicKeyInfo each."""

    name: str
    keys: tuple[bytes, ...]
    root: TrustRoot | None = None
    """What vouches for logs and timestamps; needed where one of these is asked for."""
    needs_log: bool = False
    needs_timestamp: bool = False


@dataclass(frozen=True, slots=True)
class KeylessAuthority:
    """Identities to whom a root's certificate authority has given short-lived certificates (Fulcio)."""

    name: str
    identities: tuple[Identity, ...]
    root: TrustRoot
    needs_log: bool = True


@dataclass(frozen=True, slots=True)
class ChainAuthority:
    """Own certificate authorities (X.509), as Notary Project's trust stores hold them, and cosign's `--certificate-chain`."""

    name: str
    certificates: tuple[bytes, ...]
    """PEM of the trusted authorities, one or more in each."""
    subjects: tuple[str, ...] = ()
    """Distinguished names (RFC 4514), of one of which a signer has all attributes (`x509.subject`); () is any."""
    identities: tuple[Identity, ...] = ()
    """Or by subject alternative name; () is any."""
    root: TrustRoot | None = None
    """What vouches for timestamps and logs beside its own."""
    timestamp_certificates: tuple[bytes, ...] = ()
    """PEM of the authorities of timestamps (RFC 3161), as Notary Project's trust store `tsa` holds them."""
    is_signing_authority: bool = False
    """Whether its word on the time of signing counts (Notary Project's trust store `signingAuthority`): of the Notary Project's
    signatures it verifies those of the scheme `notary.x509.signingAuthority` alone."""


Authority = KeyAuthority | KeylessAuthority | ChainAuthority
