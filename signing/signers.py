"""Who has made a signature, when, and that it is one: steps 2 to 5, alike for all forms."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from cryptography.x509 import Certificate

from signing import certificates, identities
from signing.authorities import Authority, ChainAuthority, KeyAuthority, KeylessAuthority
from signing.certificate_logs import must_be_logged
from signing.certificates import InvalidCertificate, Untrusted
from signing.keys import InvalidKey, PublicKey
from signing.roots import CertificateAuthority, Period, TrustRoot
from signing.steps import Refused, Step
from signing.verified import Form, Statement, Verified
from signing.witnesses import Asked, Material, seen_of

NO_ROOT: Final = TrustRoot(b"")


@dataclass(frozen=True, slots=True)
class Signer:
    """Who has signed, by steps 2 to 5."""

    key: PublicKey
    certificate: Certificate | None = None
    signed_at: datetime | None = None
    is_logged: bool = False
    valid_until: datetime | None = None

    def identified_by(self, authority: Authority) -> tuple[str | None, str | None]:
        """Return identity and issuer, as the authority asks for them (step 8). Raise Refused."""
        if self.certificate is None or isinstance(authority, KeyAuthority):
            return None, None
        if isinstance(authority, ChainAuthority):
            identities.must_have_subject(self.certificate, authority.subjects)
        return identities.identify(
            self.certificate, authority.identities, is_single=isinstance(authority, KeylessAuthority)
        )

    def verified(self, authority: Authority, form: Form, where: str, statement: Statement) -> Verified:
        """Return what is verified, once who has signed is who is asked for (step 8). Raise Refused."""
        identity, issuer = self.identified_by(authority)
        if self.certificate is None or isinstance(authority, KeyAuthority):
            by = f"key {self.key.fingerprint}"
        else:
            by = identity or self.certificate.subject.rfc4514_string()
        return Verified(
            form,
            where,
            statement,
            f"{by} ({issuer})" if issuer else by,
            self.key.fingerprint,
            identity,
            issuer,
            self.signed_at,
            self.is_logged,
            self.valid_until,
        )


def signer_of(material: Material, authority: Authority, *, now: datetime) -> Signer:
    """Find who has signed, as an authority trusts. Raise Refused at the first of the steps 2 to 5 that fails."""
    if isinstance(authority, KeyAuthority):
        return _by_key(material, authority, now)
    if material.certificate is None:
        raise Refused(
            Step.SIGNER, "it is signed by a key without a certificate, and one with a certificate is asked for"
        )
    if isinstance(authority, KeylessAuthority):
        return _by_identity(material, material.certificate, authority, now)
    return _by_chain(material, material.certificate, authority, now)


def _by_key(material: Material, authority: KeyAuthority, now: datetime) -> Signer:
    keys = _parsed(authority)
    hinted = [key for key in keys if material.hint == hint_of(key)]
    candidates = hinted or keys
    key = next((each for each in candidates if each.has_signed(material.signed, material.signature)), None)
    if key is None and not hinted:
        raise Refused(
            Step.SIGNER, f"no key of {authority.name} has signed these bytes: another has, or they were altered"
        )
    # Whether it is a signature comes after time and log (step 5), and is known here already.
    root = authority.root or NO_ROOT
    seen = seen_of(material, key or candidates[0], None, root, asked=Asked.of(authority), now=now)
    if key is None:
        raise Refused(Step.SIGNATURE, "the signature is not one of these bytes by the key it names: they were altered")
    return Signer(key, None, seen.first, seen.is_logged, seen.valid_until)


def hint_of(key: PublicKey) -> str:
    """Return the hint by which bundles name a key: the SHA-256 of its SubjectPublicKeyInfo, in base64."""
    return base64.b64encode(bytes.fromhex(key.fingerprint)).decode()


def _parsed(authority: KeyAuthority) -> list[PublicKey]:
    keys = []
    for pem in authority.keys:
        try:
            keys.append(PublicKey.parse(pem))
        except InvalidKey as error:
            raise Refused(Step.SIGNER, f"a key of {authority.name} {error}") from None
    return keys


def _by_identity(material: Material, certificate: Certificate, authority: KeylessAuthority, now: datetime) -> Signer:
    key = _key(certificate)
    root = authority.root
    issued = _issued(certificate, material, root)
    seen = seen_of(material, key, certificate, root, asked=Asked.of(authority), now=now)
    if not seen.times:
        raise Refused(
            Step.TIME, "no trusted party witnesses when it was signed: neither a log's promise nor a timestamp"
        )
    for at in seen.times:
        _must_be_valid(certificate, at)
        if not any(_chains(certificate, each, material, at) for each in issued):
            raise Refused(Step.TIME, f"its authority was not trusted at {at:%Y-%m-%d %H:%M:%S}, when it was signed")
    _must_be_signature(material, key)
    return Signer(key, certificate, seen.first, seen.is_logged)


def _issued(certificate: Certificate, material: Material, root: TrustRoot) -> list[CertificateAuthority]:
    """Return the authorities that have issued a certificate, which the logs of certificates have seen."""
    found, reasons = [], []
    for authority in root.authorities:
        try:
            chain = _chain(certificate, authority, material, certificate.not_valid_before_utc)
            if root.certificate_logs:
                must_be_logged(certificate, chain[1], root.certificate_logs)
        except Untrusted as error:
            reasons.append(str(error))
            continue
        found.append(authority)
    if not found:
        raise Refused(
            Step.SIGNER, f"its certificate is not trusted: {'; '.join(dict.fromkeys(reasons)) or 'no authority is'}"
        )
    return found


def _chain(
    certificate: Certificate, authority: CertificateAuthority, material: Material, at: datetime
) -> list[Certificate]:
    *lower, root = authority.certificates
    chain = certificates.verify_chain(certificate, [*lower, *material.intermediates], [root], at=at)
    if len(chain) < 2:
        raise Untrusted("it is the certificate of an authority, and no signer's")
    return chain


def _chains(certificate: Certificate, authority: CertificateAuthority, material: Material, at: datetime) -> bool:
    try:
        _chain(certificate, authority, material, at)
    except Untrusted:
        return False
    return authority.period.covers(at)


def _by_chain(material: Material, certificate: Certificate, authority: ChainAuthority, now: datetime) -> Signer:
    key = _key(certificate)
    roots = read_certificates(authority.certificates, authority.name)
    root = with_timestamps(authority)
    # Witnesses of one's own authority need not hold, so that none of them refuses before the chain is looked at.
    seen = seen_of(material, key, certificate, root, asked=Asked.of(authority), now=now)
    moments = seen.times or (now,)
    within = min(max(moments[0], certificate.not_valid_before_utc), certificate.not_valid_after_utc)
    _chain_to(certificate, material, roots, within)
    for at in moments:
        _must_be_valid(certificate, at, is_witnessed=bool(seen.times))
        try:
            _chain_to(certificate, material, roots, at)
        except Refused as error:
            raise Refused(Step.TIME, error.reason) from None
    _must_be_signature(material, key)
    until = None if seen.times else certificate.not_valid_after_utc
    return Signer(key, certificate, seen.first, seen.is_logged, until)


def read_certificates(pems: tuple[bytes, ...], name: str) -> list[Certificate]:
    """Read the certificates of an authority's. Raise Refused at step 2."""
    try:
        return [certificate for pem in pems for certificate in certificates.from_pem(pem)]
    except InvalidCertificate as error:
        raise Refused(Step.SIGNER, f"a certificate of {name} {error}") from None


def with_timestamps(authority: ChainAuthority) -> TrustRoot:
    """Return what vouches for an authority's timestamps and logs: its root, and its own timestamp authorities."""
    root = authority.root or NO_ROOT
    own = read_certificates(authority.timestamp_certificates, authority.name)
    return TrustRoot(
        root.content,
        logs=root.logs,
        timestamp_authorities=(
            *root.timestamp_authorities,
            *(CertificateAuthority((certificate,), Period()) for certificate in own),
        ),
    )


def _chain_to(certificate: Certificate, material: Material, roots: list[Certificate], at: datetime) -> None:
    try:
        certificates.verify_chain(certificate, material.intermediates, roots, at=at)
    except Untrusted as error:
        raise Refused(Step.SIGNER, f"its certificate is not trusted: {error}") from None


def _key(certificate: Certificate) -> PublicKey:
    try:
        return PublicKey.of(certificate)
    except InvalidKey as error:
        raise Refused(Step.SIGNER, f"its certificate's key {error}") from None


def _must_be_valid(certificate: Certificate, at: datetime, *, is_witnessed: bool = True) -> None:
    if not certificates.is_valid_at(certificate, at):
        when = (
            f"{at:%Y-%m-%d %H:%M:%S}, when it was signed"
            if is_witnessed
            else "this time, and nobody witnesses an earlier one"
        )
        raise Refused(
            Step.TIME,
            f"its certificate is valid from {certificate.not_valid_before_utc:%Y-%m-%d %H:%M:%S} "
            f"to {certificate.not_valid_after_utc:%Y-%m-%d %H:%M:%S}, not at {when}",
        )


def _must_be_signature(material: Material, key: PublicKey) -> None:
    if not key.has_signed(material.signed, material.signature):
        raise Refused(
            Step.SIGNATURE, "the signature is not one of these bytes by its certificate's key: they were altered"
        )
