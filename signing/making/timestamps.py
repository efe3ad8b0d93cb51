"""Ask a timestamp authority to witness when a signature was there (RFC 3161), over HTTP as its section 3.4 says."""

from __future__ import annotations

import hashlib
from typing import Final

from rfc3161_client import HashAlgorithm, TimeStampRequest, TimestampRequestBuilder, decode_timestamp_response

from signing.making.answers import InvalidAnswer
from signing.steps import Refused
from signing.timestamp_answers import ordered

REQUEST_TYPE: Final = "application/timestamp-query"
_GRANTED: Final = (0, 1)
"""PKIStatus granted and grantedWithMods (RFC 3161 §2.4.2)."""


def timestamp_request(signature: bytes) -> TimeStampRequest:
    """Return the request for a timestamp of a signature's bytes; `as_bytes()` is what is sent, as REQUEST_TYPE."""
    builder = TimestampRequestBuilder().hash_algorithm(HashAlgorithm.SHA256).data(signature)
    return builder.nonce(nonce=True).cert_request(cert_request=True).build()


def read_timestamp(content: bytes, request: TimeStampRequest, signature: bytes) -> bytes:
    """Return the answer in DER, its certificates in order, as bundles have it.

    Raise InvalidAnswer where it is none to this request.
    Who has signed it is judged when the signature is verified.
    """
    try:
        content = ordered(content)
        answer = decode_timestamp_response(content)
        status = answer.status
        info = answer.tst_info if status in _GRANTED else None
    except (ValueError, Refused) as error:
        raise InvalidAnswer(f"The timestamp authority's answer can't be read: {error}") from None
    if info is None:
        reasons = "; ".join(answer.status_string)
        raise InvalidAnswer(f"The timestamp authority refuses, status {status}{f': {reasons}' if reasons else ''}")
    if info.nonce != request.nonce:
        raise InvalidAnswer("The timestamp authority has answered another request: the nonce is another")
    if info.message_imprint.message != hashlib.sha256(signature).digest():
        raise InvalidAnswer("The timestamp authority has answered a timestamp of something else")
    return content


def token_of(answer: bytes) -> bytes:
    """Return the TimeStampToken of an answer that was read, in DER, as signatures of the Notary Project have it."""
    return decode_timestamp_response(answer).time_stamp_token()
