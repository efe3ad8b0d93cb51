"""Certificate chains of own authorities, sound and broken ones."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

NOW = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
_USAGES = (
    "digital_signature",
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "key_cert_sign",
    "crl_sign",
    "encipher_only",
    "decipher_only",
)


def name(common: str, **more: str) -> x509.Name:
    attributes = {"C": "CH", "ST": "ZH", "O": "Example", **more, "CN": common}
    oids = {
        "C": NameOID.COUNTRY_NAME,
        "ST": NameOID.STATE_OR_PROVINCE_NAME,
        "O": NameOID.ORGANIZATION_NAME,
        "OU": NameOID.ORGANIZATIONAL_UNIT_NAME,
        "CN": NameOID.COMMON_NAME,
    }
    return x509.Name([x509.NameAttribute(oids[key], value) for key, value in attributes.items()])


@dataclass(frozen=True)
class Plan:
    """What a certificate is to be like."""

    subject: x509.Name
    key: Any = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    ca: bool | None = None
    path_length: int | None = None
    usage: tuple[str, ...] | None = ("digital_signature",)
    is_usage_critical: bool = True
    extended: tuple[x509.ObjectIdentifier, ...] = (ExtendedKeyUsageOID.CODE_SIGNING,)
    is_extended_critical: bool = False
    start: datetime = NOW - timedelta(days=30)
    end: datetime = NOW + timedelta(days=30)
    digest: Any = field(default_factory=hashes.SHA256)
    names: tuple[x509.GeneralName, ...] = ()


@dataclass(frozen=True)
class Held:
    """A certificate with its key."""

    certificate: x509.Certificate
    key: Any

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(Encoding.PEM)


def issue(plan: Plan, issuer: Held | None = None) -> Held:
    """Make a certificate; without an issuer it signs itself."""
    by = issuer.certificate.subject if issuer else plan.subject
    builder = (
        x509.CertificateBuilder()
        .subject_name(plan.subject)
        .issuer_name(by)
        .public_key(plan.key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(plan.start)
        .not_valid_after(plan.end)
    )
    if plan.ca is not None:
        builder = builder.add_extension(x509.BasicConstraints(plan.ca, plan.path_length), critical=True)
    if plan.usage is not None:
        usage = x509.KeyUsage(**{each: each in plan.usage for each in _USAGES})
        builder = builder.add_extension(usage, critical=plan.is_usage_critical)
    if plan.extended:
        builder = builder.add_extension(x509.ExtendedKeyUsage(plan.extended), critical=plan.is_extended_critical)
    if plan.names:
        builder = builder.add_extension(x509.SubjectAlternativeName(plan.names), critical=False)
    signing = issuer.key if issuer else plan.key
    digest = None if isinstance(signing, ed25519.Ed25519PrivateKey) else plan.digest
    return Held(builder.sign(signing, digest), plan.key)


AUTHORITY = Plan(name("Authority"), ca=True, usage=("key_cert_sign", "crl_sign"), extended=())
SIGNER = Plan(name("Release", OU="Models"))


@dataclass(frozen=True)
class Chain:
    """A root, an authority below it, and a signer."""

    root: Held
    middle: Held
    signer: Held

    @property
    def certificates(self) -> tuple[x509.Certificate, ...]:
        return (self.signer.certificate, self.middle.certificate, self.root.certificate)


def chain(*, root: Plan | None = None, middle: Plan | None = None, signer: Plan | None = None) -> Chain:
    """Make a chain of three, with a new key each where a plan brings none."""
    long = {"start": NOW - timedelta(days=300), "end": NOW + timedelta(days=300)}
    top = issue(root or replace(AUTHORITY, subject=name("Root"), key=new_key(), **long))
    between = issue(middle or replace(AUTHORITY, subject=name("Intermediate"), key=new_key(), **long), top)
    return Chain(top, between, issue(signer or replace(SIGNER, key=new_key()), between))


def new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def rsa_key(bits: int) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, bits)
