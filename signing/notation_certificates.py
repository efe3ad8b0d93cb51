"""What Notary Project asks of certificates, and what their keys have signed.

notaryproject/specifications specs/signature-specification.md, Certificate Requirements and Signature Algorithm Requirements.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NoReturn, TypeVar

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512, HashAlgorithm
from cryptography.x509 import BasicConstraints, Certificate, ExtendedKeyUsage, Extension, ExtensionNotFound, KeyUsage
from cryptography.x509.oid import ExtendedKeyUsageOID

from signing.certificates import CODE_SIGNING
from signing.steps import Refused, Step

_HASHES: Final[dict[str, HashAlgorithm]] = {"256": SHA256(), "384": SHA384(), "512": SHA512()}
_RSA: Final = {2048: "PS256", 3072: "PS384", 4096: "PS512"}
_CURVES: Final = {"secp256r1": "ES256", "secp384r1": "ES384", "secp521r1": "ES512"}
_OTHER_USAGES: Final = {
    ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE: "anything",
    ExtendedKeyUsageOID.SERVER_AUTH: "servers",
    ExtendedKeyUsageOID.CLIENT_AUTH: "clients",
    ExtendedKeyUsageOID.EMAIL_PROTECTION: "e-mail",
    ExtendedKeyUsageOID.TIME_STAMPING: "timestamps",
    ExtendedKeyUsageOID.OCSP_SIGNING: "answers on revocation",
}


def require_chain(chain: Sequence[Certificate]) -> None:
    """Raise Refused where certificates are not the whole chain from a signer to a root, in order, each of its kind."""
    for position, certificate in enumerate(chain):
        _require_digest(certificate, position)
        is_last = position == len(chain) - 1
        issuer = certificate if is_last else chain[position + 1]
        if not _is_issued_by(certificate, issuer):
            if is_last:
                _refuse(position, "is not self-signed: a chain ends with its root")
            _refuse(position, "was not issued by the next")
        if not is_last and _is_issued_by(certificate, certificate):
            _refuse(position, "is self-signed, and not the last")
        if position == 0:
            _require_signer(certificate)
        else:
            _require_authority(certificate, position)


def algorithm_of(certificate: Certificate) -> str:
    """Return the algorithm that goes with a signer's key, by its name in JWS. Raise Refused where there is none."""
    key = certificate.public_key()
    found = None
    if isinstance(key, rsa.RSAPublicKey):
        found = _RSA.get(key.key_size)
    elif isinstance(key, ec.EllipticCurvePublicKey):
        found = _CURVES.get(key.curve.name)
    if found is None:
        taken = "RSA of 2048, 3072 or 4096 bits, ECDSA on P-256, P-384 or P-521"
        raise Refused(Step.SIGNER, f"the signer's key is none that is taken: {taken}")
    return found


def require_algorithm(certificate: Certificate, algorithm: str) -> None:
    """Raise Refused where a signature's algorithm is not the one that goes with the signer's key."""
    expected = algorithm_of(certificate)
    if algorithm != expected:
        raise Refused(Step.SIGNER, f"it says {algorithm:.20}, and {expected} is what goes with the signer's key")


def has_signed(certificate: Certificate, algorithm: str, signed: bytes, signature: bytes) -> bool:
    """Say whether a signature is the certificate's key's, by an algorithm that goes with it (require_algorithm)."""
    key = certificate.public_key()
    used = _HASHES[algorithm[2:]]
    try:
        if isinstance(key, rsa.RSAPublicKey):
            key.verify(signature, signed, padding.PSS(padding.MGF1(used), used.digest_size), used)
        elif isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(_to_der(signature, key), signed, ec.ECDSA(used))
        else:
            return False
    except (InvalidSignature, ValueError):
        return False
    return True


def _to_der(signature: bytes, key: ec.EllipticCurvePublicKey) -> bytes:
    size = (key.key_size + 7) // 8
    if len(signature) != 2 * size:
        raise ValueError("r and s are of another length")
    return encode_dss_signature(int.from_bytes(signature[:size]), int.from_bytes(signature[size:]))


def _is_issued_by(certificate: Certificate, issuer: Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (InvalidSignature, UnsupportedAlgorithm, ValueError, TypeError):
        return False
    return True


def _require_digest(certificate: Certificate, position: int) -> None:
    try:
        used = certificate.signature_hash_algorithm
    except (UnsupportedAlgorithm, ValueError):
        used = None
    if not isinstance(used, SHA256 | SHA384 | SHA512):
        _refuse(position, "is signed with a hash that is not taken: SHA-256, SHA-384 and SHA-512 are")


def _require_signer(certificate: Certificate) -> None:
    constraints = _extension(certificate, BasicConstraints)
    if constraints is not None and constraints.value.ca:
        _refuse(0, "is an authority's")
    usage = _key_usage(certificate, 0)
    forbidden = (
        usage.key_encipherment,
        usage.data_encipherment,
        usage.key_agreement,
        usage.key_cert_sign,
        usage.crl_sign,
    )
    if not usage.digital_signature or any(forbidden):
        _refuse(0, "has another key usage than digitalSignature")
    extended = _extension(certificate, ExtendedKeyUsage)
    if extended is None:
        return
    for other, named in _OTHER_USAGES.items():
        if other in extended.value:
            _refuse(0, f"was issued for {named} (extended key usage)")
    if CODE_SIGNING not in extended.value:
        _refuse(0, "was not issued for signing code (extended key usage)")


def _require_authority(certificate: Certificate, position: int) -> None:
    constraints = _extension(certificate, BasicConstraints)
    if constraints is None or not constraints.value.ca or not constraints.critical:
        _refuse(position, "is no authority's: it has no critical basic constraints that say so")
    length = constraints.value.path_length
    if length is not None and length < position - 1:
        _refuse(position, f"allows {length} authorities below it, and {position - 1} are there (path length)")
    if not _key_usage(certificate, position).key_cert_sign:
        _refuse(position, "may not issue certificates (key usage)")


def _key_usage(certificate: Certificate, position: int) -> KeyUsage:
    usage = _extension(certificate, KeyUsage)
    if usage is None or not usage.critical:
        _refuse(position, "has no critical key usage")
    return usage.value


_Known = TypeVar("_Known", BasicConstraints, KeyUsage, ExtendedKeyUsage)


def _extension(certificate: Certificate, kind: type[_Known]) -> Extension[_Known] | None:
    try:
        return certificate.extensions.get_extension_for_class(kind)
    except ExtensionNotFound:
        return None


def _refuse(position: int, reason: str) -> NoReturn:
    raise Refused(Step.SIGNER, f"certificate {position + 1} of its chain {reason}")
