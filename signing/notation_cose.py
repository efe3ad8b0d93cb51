"""Notary Project signatures as COSE (RFC 9052 §4.2, COSE_Sign1 with its tag).

notaryproject/specifications specs/signature-envelope-cose.md. CBOR is read strictly: nothing of indefinite length, no key
twice, no tag but those that belong there, nothing behind it.
"""

from __future__ import annotations

import io
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple, NoReturn

import cbor2

from signing.documents import unreadable
from signing.notation_attributes import TIMESTAMP, Envelope, read_attributes, read_chain

MEDIA_TYPE: Final = "application/cose"
SIGN1: Final = 18
"""The tag of COSE_Sign1."""
_ALG, _CRIT, _CONTENT_TYPE, _X5CHAIN = 1, 2, 3, 33
ALGORITHMS: Final = {-37: "PS256", -38: "PS384", -39: "PS512", -7: "ES256", -35: "ES384", -36: "ES512"}
"""Names in JWS by the numbers of COSE (RFC 9053 §2.1, RFC 8230 §2)."""
_DEEPEST: Final = 16
_LATEST: Final = 253402300799
"""9999-12-31T23:59:59Z, in seconds since 1970."""


class _Seconds(NamedTuple):
    """What stands under tag 1."""

    value: object


class _Sign1(NamedTuple):
    """What stands under tag 18."""

    value: object


def read_cose(content: bytes) -> Envelope:
    """Read an envelope. Raise Refused."""
    message = _decoded(content, "the envelope")
    parts = message.value if isinstance(message, _Sign1) else None
    if not isinstance(parts, list) or len(parts) != 4:
        raise unreadable("the envelope is no COSE_Sign1 with its tag")
    encoded, header, payload, signature = parts
    if not (isinstance(encoded, bytes) and isinstance(header, dict)):
        raise unreadable("the envelope's headers are no byte string and no map")
    if not (isinstance(payload, bytes) and payload and isinstance(signature, bytes) and signature):
        raise unreadable("the envelope has no payload or no signature")
    protected = _decoded(encoded, "its protected header")
    if not isinstance(protected, dict):
        raise unreadable("its protected header is no map")
    if not all(type(label) in (int, str) for label in (*protected, *header)):
        raise unreadable("its headers have a label that is neither a number nor a text")
    if twice := protected.keys() & header.keys():
        raise unreadable(f"the member {min(twice, key=str)!r:.120} stands in the protected header and beside it")
    timestamp = header.get(TIMESTAMP)
    if timestamp is not None and not (isinstance(timestamp, bytes) and timestamp):
        raise unreadable("its timestamp is no byte string")
    return Envelope(
        attributes=read_attributes(protected, protected.get(_CRIT), _time),
        algorithm=_algorithm(protected.get(_ALG)),
        content_type=_content_type(protected.get(_CONTENT_TYPE)),
        payload=payload,
        signed=to_be_signed(encoded, payload),
        signature=signature,
        chain=read_chain(header.get(_X5CHAIN)),
        timestamp=timestamp,
    )


def to_be_signed(protected: bytes, payload: bytes) -> bytes:
    """Return the bytes that a signature is over (RFC 9052 §4.4, Sig_structure), without external data."""
    return cbor2.dumps(["Signature1", protected, b"", payload])


def _algorithm(number: object) -> str:
    if isinstance(number, bool) or not isinstance(number, int) or number not in ALGORITHMS:
        raise unreadable(f"its algorithm is {number!r:.40}; PS256 to PS512 and ES256 to ES512 are known")
    return ALGORITHMS[number]


def _content_type(value: object) -> str:
    if not isinstance(value, str):
        raise unreadable("it says not of which type its payload is")
    return value


def _time(value: object, name: str) -> datetime:
    seconds = value.value if isinstance(value, _Seconds) else None
    if isinstance(seconds, bool) or not isinstance(seconds, int) or not 0 <= seconds <= _LATEST:
        raise unreadable(f"{name} is no time in whole seconds since 1970 (CBOR's tag 1)")
    return datetime.fromtimestamp(seconds, UTC)


def _refuse(*_: object) -> NoReturn:
    raise ValueError("a tag that does not belong there")


# Tags that the library decodes by itself; each could make something else of what others read.
_OWN: Final = (0, 2, 3, 4, 5, 25, 28, 29, 30, 35, 36, 37, 52, 54, 100, 256, 258, 260, 261, 1004, 43000, 55799)
_TAGS: Final[dict[int, Any]] = {
    **dict.fromkeys(_OWN, _refuse),
    1: lambda value, _: _Seconds(value),
    SIGN1: lambda value, _: _Sign1(value),
}


def _decoded(content: bytes, what: str) -> object:
    stream = io.BytesIO(content)
    try:
        found: object = cbor2.CBORDecoder(
            stream,
            tag_hook=_refuse,
            semantic_decoders=_TAGS,
            max_depth=_DEEPEST,
            allow_indefinite=False,
            allow_duplicate_keys=False,
        ).decode()
    except (cbor2.CBORDecodeError, ValueError, TypeError, OverflowError, MemoryError, RecursionError):
        raise unreadable(f"{what} is no CBOR that every reader reads alike (definite lengths, each key once)") from None
    if stream.tell() != len(content):
        raise unreadable(f"{what} is followed by {len(content) - stream.tell()} bytes")
    return found
