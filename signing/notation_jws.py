"""Notary Project signatures as JWS (RFC 7515 §7.2.2, flattened JSON).

notaryproject/specifications specs/signature-envelope-jws.md.
"""

from __future__ import annotations

import base64
import binascii
import re
from datetime import UTC, datetime
from typing import Final

from signing.documents import Members, from_base64, read, unreadable
from signing.notation_attributes import (
    AUTHENTIC_TIME,
    EXPIRY,
    SCHEME,
    SIGNING_TIME,
    TIMESTAMP,
    Envelope,
    read_attributes,
    read_chain,
)

MEDIA_TYPE: Final = "application/jose+json"
_TIME: Final = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d{1,9})?(?:Z|[+-]\d{2}:\d{2})", re.ASCII)
_KNOWN: Final = ("alg", "cty", "crit", SCHEME, SIGNING_TIME, AUTHENTIC_TIME, EXPIRY, "x5c", TIMESTAMP)


def read_jws(content: bytes) -> Envelope:
    """Read an envelope. Raise Refused."""
    envelope = read(content, "the envelope").only("payload", "protected", "header", "signature")
    encoded = envelope.text("protected")
    protected = read(_from_base64url(encoded, "its protected header"), "its protected header")
    header = envelope.object("header")
    _require_apart(protected, header)
    payload = envelope.text("payload")
    return Envelope(
        attributes=read_attributes(protected.document, protected.document.get("crit"), _time),
        algorithm=protected.text("alg"),
        content_type=protected.text("cty"),
        payload=_from_base64url(payload, "its payload"),
        signed=f"{encoded}.{payload}".encode(),
        signature=_from_base64url(envelope.text("signature"), "its signature"),
        chain=read_chain(_decoded(header.document.get("x5c"))),
        timestamp=header.bytes(TIMESTAMP) if TIMESTAMP in header else None,
    )


def _require_apart(protected: Members, header: Members) -> None:
    """Raise where a member stands in both headers (RFC 7515 §7.2.1), or is spelled so that Go's reader takes it for another."""
    known = {name.casefold(): name for name in _KNOWN}
    for members in (protected, header):
        for name in members.document:
            if known.get(name.casefold(), name) != name:
                raise unreadable(f"{members.what} has the member {name!r:.120}, which some readers take for another")
    for name in protected.document.keys() & header.document.keys():
        raise unreadable(f"the member {name!r:.120} stands in the protected header and beside it")


def _decoded(listed: object) -> object:
    if not isinstance(listed, list):
        return None
    return [from_base64(item, f"certificate {position}") for position, item in enumerate(listed, 1)]


def _from_base64url(text: str, what: str) -> bytes:
    """Decode base64url (RFC 7515 §2): without padding, no bit set that is not used."""
    try:
        content = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (binascii.Error, ValueError):
        raise unreadable(f"{what} is no base64url") from None
    if base64.urlsafe_b64encode(content).rstrip(b"=").decode() != text or not content:
        raise unreadable(f"{what} is base64url that is not spelled in the one way that it can be")
    return content


def _time(value: object, name: str) -> datetime:
    if not isinstance(value, str) or not _TIME.fullmatch(value):
        raise unreadable(f"{name} is no time (RFC 3339)")
    try:
        return datetime.fromisoformat(value).astimezone(UTC)
    except (ValueError, OverflowError):
        raise unreadable(f"{name} is no time (RFC 3339)") from None
