"""Answers of a Sigstore's services, read strictly: what is made of them has to be what was asked for."""

from __future__ import annotations

import base64
import binascii
from typing import Any

from mediatypes.documents import at, parsed


class InvalidAnswer(ValueError):
    """A service has answered something else than what it was asked for; the message is a sentence that names the service."""


def read_object(content: bytes, service: str) -> dict[str, Any]:
    """Read a JSON object. Raise InvalidAnswer."""
    found = parsed(content)
    if not isinstance(found, dict):
        raise InvalidAnswer(f"{service} has answered no JSON object: {content[:200]!r}")
    return found


def text_at(document: object, pointer: str, service: str) -> str:
    """Return the text at a JSON Pointer, numbers as text. Raise InvalidAnswer."""
    found = at(document, pointer)
    if isinstance(found, int) and not isinstance(found, bool):
        return str(found)
    if not isinstance(found, str):
        raise InvalidAnswer(f"{service}'s answer has no text at {pointer}")
    return found


def number_at(document: object, pointer: str, service: str) -> int:
    """Return the number that is not negative at a JSON Pointer, also where it is written as text. Raise InvalidAnswer."""
    found = text_at(document, pointer, service)
    if not (found.isascii() and found.isdigit() and len(found) < 20):
        raise InvalidAnswer(f"{service}'s answer has no number at {pointer}")
    return int(found)


def bytes_at(document: object, pointer: str, service: str) -> bytes:
    """Return what the base64 at a JSON Pointer holds. Raise InvalidAnswer."""
    try:
        return base64.b64decode(text_at(document, pointer, service), validate=True)
    except (binascii.Error, ValueError):
        raise InvalidAnswer(f"{service}'s answer has no base64 at {pointer}") from None


def from_hex(text: str, what: str) -> bytes:
    """Return what hexadecimal digits hold. Raise InvalidAnswer."""
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise InvalidAnswer(f"{what} is not in hexadecimal digits") from None
