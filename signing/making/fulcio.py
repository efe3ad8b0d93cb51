"""Ask Fulcio for a certificate that says whose a key is for some minutes: POST /api/v2/signingCert with an identity token.

sigstore/fulcio fulcio.proto, CreateSigningCertificateRequest. The certificate signing request proves that the key is at hand;
whom the certificate names follows from the token alone.
"""

from __future__ import annotations

import base64
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from mediatypes.documents import at
from signing.making.answers import InvalidAnswer, read_object
from signing.making.artifacts import compact
from signing.private_keys import SigningKey, UnusableKey

PATH: Final = "/api/v2/signingCert"
_CHAINS: Final = (
    "/signedCertificateEmbeddedSct/chain/certificates",
    "/signedCertificateDetachedSct/chain/certificates",
)


def certificate_request(key: SigningKey) -> bytes:
    """Return the body of the request, JSON; it is sent with `Authorization: Bearer` and the identity token.

    Raise UnusableKey where the key is not ECDSA: keyless signatures use a new key each (private_keys.new_signing_key).
    """
    if not isinstance(key.private, ec.EllipticCurvePrivateKey):
        raise UnusableKey("is not ECDSA: ask for certificates of such keys only")
    request = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    signed = request.sign(key.private, hashes.SHA256()).public_bytes(Encoding.PEM)
    return compact({"certificateSigningRequest": base64.b64encode(signed).decode()})


def read_certificates(content: bytes, key: SigningKey) -> tuple[x509.Certificate, ...]:
    """Return the certificate and those that it chains to. Raise InvalidAnswer, also where it is another key's."""
    document = read_object(content, "Fulcio")
    listed = next((found for found in (at(document, pointer) for pointer in _CHAINS) if found), None)
    if not isinstance(listed, list) or not all(isinstance(item, str) for item in listed):
        raise InvalidAnswer("Fulcio has answered without a certificate")
    try:
        chain = tuple(x509.load_pem_x509_certificate(item.encode()) for item in listed)
        public = chain[0].public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    except ValueError as error:
        raise InvalidAnswer(f"Fulcio has answered a certificate that can't be read: {error}") from None
    if public != key.public_der:
        raise InvalidAnswer("Fulcio has answered a certificate of another key than the one it was asked for")
    return chain
