"""Keys and certificates of a private Sigstore, and of an own certificate authority: X.509 as the programs ask for it."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

PrivateKey = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey
"""Keys of the kinds that the programs know."""

CODE_SIGNING: Final = ExtendedKeyUsageOID.CODE_SIGNING
TIME_STAMPING: Final = ExtendedKeyUsageOID.TIME_STAMPING

_BEFORE: Final = datetime.timedelta(minutes=5)
"""How long a certificate has held when it is made: clocks differ."""
_YEAR: Final = datetime.timedelta(days=365)


@dataclass(frozen=True)
class Holder:
    """A certificate, its private key, and the certificates above it, the root last."""

    certificate: x509.Certificate
    key: PrivateKey
    above: tuple[x509.Certificate, ...] = ()

    @property
    def chain(self) -> bytes:
        """Return the certificate and those above it in PEM."""
        return pem_of(self.certificate, *self.above)

    @property
    def root(self) -> bytes:
        """Return the topmost certificate in PEM."""
        return pem_of((self.certificate, *self.above)[-1])

    def issue(
        self,
        name: str,
        *,
        usage: ObjectIdentifier,
        key: PrivateKey | None = None,
        authority: bool = False,
        names: Sequence[x509.GeneralName] = (),
        lasts: datetime.timedelta = _YEAR,
    ) -> Holder:
        """Return a certificate below this one: an authority's for one `usage`, or that of who signs or stamps."""
        own = key or ec.generate_private_key(ec.SECP256R1())
        builder = _builder(name, self.certificate.subject, own, lasts, authority=authority, length=0)
        # RFC 3161 §2.3: the usage of who stamps is critical.
        builder = builder.add_extension(
            x509.ExtendedKeyUsage([usage]), critical=usage == TIME_STAMPING and not authority
        )
        builder = builder.add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), critical=False
        )
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        return Holder(builder.sign(self.key, _hash_of(self.key)), own, (self.certificate, *self.above))


def self_signed(name: str, key: PrivateKey | None = None) -> Holder:
    """Return the certificate of a root authority."""
    own = key or ec.generate_private_key(ec.SECP256R1())
    subject = _name(name)
    certificate = _builder(name, subject, own, 10 * _YEAR, authority=True, length=None).sign(own, _hash_of(own))
    return Holder(certificate, own)


def authority(name: str, usage: ObjectIdentifier) -> Holder:
    """Return an authority for one usage, below a root of its own."""
    return self_signed(f"{name} root").issue(f"{name} intermediate", usage=usage, authority=True)


def _builder(
    name: str,
    issuer: x509.Name,
    key: PrivateKey,
    lasts: datetime.timedelta,
    *,
    authority: bool,
    length: int | None,
) -> x509.CertificateBuilder:
    begins = datetime.datetime.now(datetime.UTC).replace(microsecond=0) - _BEFORE
    public = key.public_key()
    return (
        x509.CertificateBuilder()
        .subject_name(_name(name))
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(begins + lasts)
        .add_extension(x509.BasicConstraints(authority, length if authority else None), critical=True)
        .add_extension(_key_usage(authority=authority), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
    )


def _key_usage(*, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not authority,
        key_cert_sign=authority,
        crl_sign=authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _name(common: str) -> x509.Name:
    """Return a name with all parts that Notary Project asks of a subject: country, state and organisation."""
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "AQ"),
            x509.NameAttribute(NameOID.STATE_OR_PROVINCE_NAME, "Ross"),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Penguins"),
            x509.NameAttribute(NameOID.COMMON_NAME, common),
        ]
    )


def _hash_of(key: PrivateKey) -> hashes.SHA256 | hashes.SHA384 | hashes.SHA512 | None:
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return None
    if isinstance(key, rsa.RSAPrivateKey) or key.curve.key_size == 256:
        return hashes.SHA256()
    return hashes.SHA384() if key.curve.key_size == 384 else hashes.SHA512()


def pem_of(*certificates: x509.Certificate) -> bytes:
    """Return certificates in PEM, one after the other."""
    return b"".join(certificate.public_bytes(Encoding.PEM) for certificate in certificates)


def private_pem(key: PrivateKey) -> bytes:
    """Return a private key in PEM (PKCS #8), not encrypted."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def public_pem(key: PrivateKey) -> bytes:
    """Return the public key of a private one in PEM (SubjectPublicKeyInfo)."""
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def sec1_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    """Return a private key in PEM (SEC 1), not encrypted, as TesseraCT reads it."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())


def written(directory: Path, name: str, content: bytes) -> Path:
    """Write a file that only its owner reads, and return its path."""
    path = directory / name
    path.touch(mode=0o600)
    path.write_bytes(content)
    return path


def email(address: str) -> x509.GeneralName:
    """Return a subject alternative name that is an e-mail address."""
    return x509.RFC822Name(address)
