"""A Sigstore of its own, in memory: authorities of certificates and timestamps, and logs, which make real material."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import rfc8785
from asn1crypto import cms, tsp
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
START = NOW - timedelta(days=1000)
END = NOW + timedelta(days=1000)
SHORT = timedelta(minutes=5)
CODE_SIGNING = ExtendedKeyUsageOID.CODE_SIGNING
TIME_STAMPING = ExtendedKeyUsageOID.TIME_STAMPING
SCT_LIST = ObjectIdentifier("1.3.6.1.4.1.11129.2.4.2")
ISSUER = ObjectIdentifier("1.3.6.1.4.1.57264.1.8")
OLD_ISSUER = ObjectIdentifier("1.3.6.1.4.1.57264.1.1")
OTHER_NAME = ObjectIdentifier("1.3.6.1.4.1.57264.1.7")

PrivateKey = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey
_HASHES = {"secp256r1": SHA256(), "secp384r1": SHA384(), "secp521r1": SHA512()}


def b64(content: bytes) -> str:
    return base64.b64encode(content).decode()


def compact(document: object) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode()


def new_key(curve: ec.EllipticCurve | None = None) -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(curve or ec.SECP256R1())


def spki(key: PrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def pem(key: PrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def hint(key: PrivateKey) -> str:
    return b64(hashlib.sha256(spki(key)).digest())


def sign(key: PrivateKey, content: bytes) -> bytes:
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return key.sign(content, ec.ECDSA(_HASHES[key.curve.name]))
    if isinstance(key, rsa.RSAPrivateKey):
        return key.sign(content, padding.PKCS1v15(), SHA256())
    return key.sign(content)


def named(name: str) -> x509.Name:
    if not name:
        return x509.Name([])
    return x509.Name(
        [x509.NameAttribute(NameOID.ORGANIZATION_NAME, "lake"), x509.NameAttribute(NameOID.COMMON_NAME, name)]
    )


def utf8(text: str) -> bytes:
    content = text.encode()
    return bytes((0x0C, len(content))) + content


def details(key: PrivateKey) -> str:
    return {"secp256r1": "PKIX_ECDSA_P256_SHA_256", "secp384r1": "PKIX_ECDSA_P384_SHA_384"}.get(
        getattr(getattr(key, "curve", None), "name", ""), "PKIX_ED25519"
    )


def certified(  # noqa: PLR0913  Each of them is a defect that some test makes.
    subject: str,
    key: PrivateKey,
    issuer: str,
    issuing: PrivateKey,
    *,
    start: datetime = START,
    end: datetime = END,
    is_ca: bool = False,
    usages: Iterable[ObjectIdentifier] = (),
    extensions: Iterable[tuple[x509.ExtensionType, bool]] = (),
    may_issue: bool = True,
    serial: int | None = None,
) -> x509.Certificate:
    builder = (
        x509.CertificateBuilder()
        .subject_name(named(subject))
        .issuer_name(named(issuer))
        .public_key(key.public_key())
        .serial_number(serial or x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(end)
        .add_extension(x509.BasicConstraints(is_ca, None), critical=True)
        .add_extension(
            x509.KeyUsage(not is_ca, False, False, False, False, is_ca and may_issue, is_ca, False, False),
            critical=True,
        )
    )
    usages = list(usages)
    if usages:
        builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=TIME_STAMPING in usages)
    for extension, is_critical in extensions:
        builder = builder.add_extension(extension, critical=is_critical)
    return builder.sign(issuing, None if isinstance(issuing, ed25519.Ed25519PrivateKey) else SHA256())


class CertificateLog:
    """A log of certificates."""

    def __init__(self) -> None:
        self.key = new_key()
        self.id = hashlib.sha256(spki(self.key)).digest()

    def timestamp(self, certificate: x509.Certificate, issuing: PrivateKey, at: datetime) -> bytes:
        """Return the extension's value with the timestamp of a certificate that has none yet."""
        content = certificate.tbs_certificate_bytes
        milliseconds = int(at.timestamp() * 1000).to_bytes(8, "big")
        stated = b"\x00\x00" + milliseconds + b"\x00\x01" + hashlib.sha256(spki(issuing)).digest()
        stated += len(content).to_bytes(3, "big") + content + b"\x00\x00"
        signature = sign(self.key, stated)
        sct = b"\x00" + self.id + milliseconds + b"\x00\x00\x04\x03" + len(signature).to_bytes(2, "big") + signature
        listed = len(sct).to_bytes(2, "big") + sct
        return cms.OctetString(len(listed).to_bytes(2, "big") + listed).dump()

    def described(self, **more: Any) -> dict[str, Any]:
        return log_described("https://ctlog.example.com", self.key, self.id, **more)


class Authority:
    """An authority with a root and an intermediate."""

    def __init__(self, name: str = "fulcio", usage: ObjectIdentifier = CODE_SIGNING, **intermediate: Any) -> None:
        self.name, self.usage = name, usage
        self.root_key, self.key = new_key(), new_key()
        self.root = certified(f"{name} root", self.root_key, f"{name} root", self.root_key, is_ca=True)
        options = {"is_ca": True, "usages": [usage]} | intermediate
        self.intermediate = certified(name, self.key, f"{name} root", self.root_key, **options)
        self.certificates = CertificateLog()

    def issue(
        self,
        key: PrivateKey,
        identity: x509.GeneralName | None,
        issuer: str | None,
        *,
        at: datetime = NOW,
        log: CertificateLog | None = None,
        has_timestamp: bool = True,
        timestamp_of: x509.Certificate | None = None,
        old_issuer: str | None = None,
        **changes: Any,
    ) -> x509.Certificate:
        """Issue a certificate for five minutes."""
        extensions: list[tuple[x509.ExtensionType, bool]] = list(changes.pop("extensions", ()))
        if identity is not None:
            extensions.append((x509.SubjectAlternativeName([identity]), True))
        if issuer is not None:
            extensions.append((x509.UnrecognizedExtension(ISSUER, utf8(issuer)), False))
        if old_issuer is not None:
            extensions.append((x509.UnrecognizedExtension(OLD_ISSUER, old_issuer.encode()), False))
        options = {"start": at, "end": at + 2 * SHORT, "usages": [self.usage]} | changes
        serial = x509.random_serial_number()

        def made(more: list[tuple[x509.ExtensionType, bool]]) -> x509.Certificate:
            return certified("", key, self.name, self.key, extensions=[*extensions, *more], serial=serial, **options)

        bare = made([])
        if not has_timestamp:
            return bare
        stamped = (log or self.certificates).timestamp(timestamp_of or bare, self.key, at)
        return made([(x509.UnrecognizedExtension(SCT_LIST, stamped), False)])

    def described(self, **more: Any) -> dict[str, Any]:
        return authority_described([self.intermediate, self.root], **more)


@dataclass
class TransparencyLog:
    """A log of signatures: Rekor 1 with promises, or Rekor 2 without."""

    host: str = "rekor.example.com"
    key: PrivateKey = field(default_factory=new_key)
    is_second: bool = False
    leaves: list[bytes] = field(default_factory=lambda: [b"%d" % number for number in range(5)])

    @property
    def id(self) -> bytes:
        if self.is_second:
            raw = self.key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
            return hashlib.sha256(self.host.encode() + b"\n\x01" + raw).digest()
        return hashlib.sha256(spki(self.key)).digest()

    @property
    def origin(self) -> str:
        return self.host if self.is_second else f"{self.host} - 4242"

    def described(self, **more: Any) -> dict[str, Any]:
        return log_described(f"https://{self.host}", self.key, self.id, **more)

    def promise(self, body: bytes, index: int, at: datetime) -> bytes:
        stated = {
            "body": b64(body),
            "integratedTime": int(at.timestamp()),
            "logID": self.id.hex(),
            "logIndex": index,
        }
        return sign(self.key, rfc8785.dumps(stated))

    def checkpoint(self, size: int, root: bytes, *, origin: str | None = None, name: str | None = None) -> str:
        note = f"{origin or self.origin}\n{size}\n{b64(root)}\n"
        return f"{note}\n— {name or self.host} {b64(self.id[:4] + sign(self.key, note.encode()))}\n"

    def entry(
        self, body: bytes, *, at: datetime = NOW + timedelta(seconds=10), has_proof: bool = True
    ) -> dict[str, Any]:
        """Take an entry in, and return it as bundles have it."""
        self.leaves.append(body)
        self.leaves.append(b"a later one")
        index, size = len(self.leaves) - 2, len(self.leaves)
        kind = json.loads(body)
        entry: dict[str, Any] = {
            "logIndex": str(index if self.is_second else 1000 + index),
            "logId": {"keyId": b64(self.id)},
            "kindVersion": {"kind": kind["kind"], "version": kind["apiVersion"]},
            "canonicalizedBody": b64(body),
        }
        if not self.is_second:
            entry["integratedTime"] = str(int(at.timestamp()))
            entry["inclusionPromise"] = {"signedEntryTimestamp": b64(self.promise(body, 1000 + index, at))}
        if has_proof or self.is_second:
            root = tree(self.leaves)
            entry["inclusionProof"] = {
                "logIndex": str(index),
                "rootHash": b64(root),
                "treeSize": str(size),
                "hashes": [b64(each) for each in path(index, self.leaves)],
                "checkpoint": {"envelope": self.checkpoint(size, root)},
            }
        return entry

    def cosign_entry(self, body: bytes, *, at: datetime = NOW + timedelta(seconds=10)) -> str:
        """Take an entry in, and return it as cosign's annotation has it."""
        index = 1000 + len(self.leaves)
        payload = {"body": b64(body), "integratedTime": int(at.timestamp()), "logIndex": index, "logID": self.id.hex()}
        self.leaves.append(body)
        return json.dumps({"SignedEntryTimestamp": b64(self.promise(body, index, at)), "Payload": payload})


def tree(leaves: list[bytes]) -> bytes:
    """Return the root of a tree (RFC 6962 §2.1)."""
    if len(leaves) == 1:
        return hashlib.sha256(b"\x00" + leaves[0]).digest()
    half = 1 << (len(leaves) - 1).bit_length() - 1
    return hashlib.sha256(b"\x01" + tree(leaves[:half]) + tree(leaves[half:])).digest()


def path(index: int, leaves: list[bytes]) -> list[bytes]:
    """Return the proof of a leaf (RFC 6962 §2.1.1)."""
    if len(leaves) == 1:
        return []
    half = 1 << (len(leaves) - 1).bit_length() - 1
    if index < half:
        return [*path(index, leaves[:half]), tree(leaves[half:])]
    return [*path(index - half, leaves[half:]), tree(leaves[:half])]


class TimestampAuthority(Authority):
    """An authority of timestamps."""

    def __init__(self, name: str = "tsa", **signer: Any) -> None:
        super().__init__(name, TIME_STAMPING)
        self.signing_key = new_key()
        options = {"usages": [TIME_STAMPING]} | signer
        self.signer = certified(f"{name} signer", self.signing_key, name, self.key, **options)

    def described(self, **more: Any) -> dict[str, Any]:
        return authority_described([self.signer, self.intermediate, self.root], **more)

    def stamp(
        self,
        content: bytes,
        at: datetime = NOW + timedelta(seconds=5),
        algorithm: str = "sha256",
        nonce: int | None = None,
        *,
        has_chain: bool = False,
    ) -> bytes:
        """Return a response of RFC 3161 in DER."""
        imprint = {
            "hash_algorithm": {"algorithm": algorithm},
            "hashed_message": hashlib.new(algorithm, content).digest(),
        }
        information = tsp.TSTInfo(
            {"version": "v1", "policy": "1.2.3.4.1", "message_imprint": imprint, "serial_number": 7, "gen_time": at}
            | ({} if nonce is None else {"nonce": nonce})
        )
        certificate = asn1_x509.Certificate.load(self.signer.public_bytes(Encoding.DER))
        others = [asn1_x509.Certificate.load(self.intermediate.public_bytes(Encoding.DER))] if has_chain else []
        attributes = cms.CMSAttributes(
            [
                cms.CMSAttribute({"type": "content_type", "values": ["tst_info"]}),
                cms.CMSAttribute({"type": "message_digest", "values": [hashlib.sha256(information.dump()).digest()]}),
            ]
        )
        signer = cms.SignerInfo(
            {
                "version": "v1",
                "sid": cms.SignerIdentifier(
                    "issuer_and_serial_number",
                    {"issuer": certificate.issuer, "serial_number": certificate.serial_number},
                ),
                "digest_algorithm": {"algorithm": "sha256"},
                "signed_attrs": attributes,
                "signature_algorithm": {"algorithm": "sha256_ecdsa"},
                "signature": sign(self.signing_key, attributes.dump()),
            }
        )
        signed = cms.SignedData(
            {
                "version": "v3",
                "digest_algorithms": [{"algorithm": "sha256"}],
                "encap_content_info": {"content_type": "tst_info", "content": information},
                "certificates": [certificate, *others],
                "signer_infos": [signer],
            }
        )
        token = cms.ContentInfo({"content_type": "signed_data", "content": signed})
        return tsp.TimeStampResp({"status": {"status": "granted"}, "time_stamp_token": token}).dump()


def log_described(
    url: str, key: PrivateKey, identifier: bytes, start: datetime = START, end: datetime | None = None
) -> dict[str, Any]:
    return {
        "baseUrl": url,
        "hashAlgorithm": "SHA2_256",
        "publicKey": {"rawBytes": b64(spki(key)), "keyDetails": details(key), "validFor": period(start, end)},
        "logId": {"keyId": b64(identifier)},
    }


def authority_described(
    chain: list[x509.Certificate], start: datetime = START, end: datetime | None = None
) -> dict[str, Any]:
    return {
        "subject": {"organization": "lake", "commonName": "authority"},
        "uri": "https://authority.example.com",
        "certChain": {"certificates": [{"rawBytes": b64(each.public_bytes(Encoding.DER))} for each in chain]},
        "validFor": period(start, end),
    }


def period(start: datetime, end: datetime | None) -> dict[str, str]:
    stated = {"start": f"{start:%Y-%m-%dT%H:%M:%SZ}"}
    return stated if end is None else stated | {"end": f"{end:%Y-%m-%dT%H:%M:%SZ}"}


def trust_root(
    *,
    authorities: Iterable[dict[str, Any]] = (),
    logs: Iterable[dict[str, Any]] = (),
    certificate_logs: Iterable[dict[str, Any]] = (),
    timestamp_authorities: Iterable[dict[str, Any]] = (),
) -> bytes:
    return compact(
        {
            "mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
            "tlogs": list(logs),
            "certificateAuthorities": list(authorities),
            "ctlogs": list(certificate_logs),
            "timestampAuthorities": list(timestamp_authorities),
        }
    )


class Sigstore:
    """All of it together."""

    def __init__(self) -> None:
        self.authority = Authority()
        self.log = TransparencyLog()
        self.second_log = TransparencyLog("log2026.example.com", ed25519.Ed25519PrivateKey.generate(), is_second=True)
        self.timestamps = TimestampAuthority()

    def root(self, **changes: Any) -> bytes:
        """Return its trust root; a part may be given otherwise."""
        parts: dict[str, Any] = {
            "authorities": [self.authority.described()],
            "logs": [self.log.described(), self.second_log.described()],
            "certificate_logs": [self.authority.certificates.described()],
            "timestamp_authorities": [self.timestamps.described()],
        }
        return trust_root(**parts | changes)
