"""JSON of signatures, read strictly: each member is known, of its type, and spelled in the one way that it can be."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Collection
from typing import Any, Final

from mediatypes.documents import MAX_DEPTH, MAX_SIZE, parsed
from signing.steps import Refused, Step

_NUMBER: Final = re.compile(r"0|[1-9][0-9]{0,18}")
_LARGEST: Final = 1 << 63


def unreadable(reason: str) -> Refused:
    """Return the refusal of what can't be read."""
    return Refused(Step.READ, reason)


def from_base64(text: object, what: str) -> bytes:
    """Decode base64 (RFC 4648 §4): with padding, without line ends, no bit set that is not used. Raise Refused."""
    if not isinstance(text, str):
        raise unreadable(f"{what} is no text in base64")
    try:
        content = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise unreadable(f"{what} is no base64") from None
    if base64.b64encode(content).decode() != text:
        raise unreadable(f"{what} is base64 that is not spelled in the one way that it can be")
    return content


def read(content: bytes | str, what: str) -> Members:
    """Read a JSON object: UTF-8, no key twice, at most MAX_SIZE bytes and MAX_DEPTH levels. Raise Refused."""
    document = parsed(content)
    if not isinstance(document, dict):
        raise unreadable(
            f"{what} is no JSON object that every reader reads alike: in UTF-8, each key once, "
            f"at most {MAX_SIZE} bytes and {MAX_DEPTH} levels"
        )
    return Members(document, what)


class Members:
    """A JSON object, whose members are taken by name and type; what is missing or of another type raises Refused."""

    def __init__(self, document: dict[str, Any], what: str) -> None:
        self.document: Final = document
        self.what: Final = what

    def __contains__(self, name: str) -> bool:
        return self.document.get(name) is not None

    def only(self, *known: str) -> Members:
        """Return it; raise where it has a member that is not known."""
        for name in self.document:
            if name not in known:
                raise unreadable(f"{self.what} has a member {name[:80]!r} that is not known")
        return self

    def text(self, name: str) -> str:
        """Return a text that is not empty."""
        value = self.document.get(name)
        if not isinstance(value, str) or not value:
            raise unreadable(f"{self.what} has no {name}")
        return value

    def one_of(self, name: str, known: Collection[str]) -> str:
        """Return a text that is one of those known."""
        value = self.text(name)
        if value not in known:
            raise unreadable(f"{self.what} has the {name} {value[:120]!r}, which is not known")
        return value

    def bytes(self, name: str) -> bytes:
        """Return what a member in base64 holds; it is not empty."""
        content = from_base64(self.document.get(name), f"{name} of {self.what}")
        if not content:
            raise unreadable(f"{name} of {self.what} is empty")
        return content

    def number(self, name: str, default: int | None = None) -> int:
        """Return a number that is not negative, also where it is written as text (proto3's JSON of int64)."""
        value = self.document.get(name, default)
        if isinstance(value, str) and _NUMBER.fullmatch(value):
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < _LARGEST:
            raise unreadable(f"{self.what} has no {name} that is a number")
        return value

    def object(self, name: str) -> Members:
        """Return an object."""
        value = self.document.get(name)
        if not isinstance(value, dict):
            raise unreadable(f"{self.what} has no {name}")
        return Members(value, f"{name} of {self.what}")

    def objects(self, name: str, most: int) -> list[Members]:
        """Return the objects of a list; without the member there are none. Raise where there are more than `most`."""
        values = self.document.get(name, [])
        if not isinstance(values, list) or not all(isinstance(value, dict) for value in values):
            raise unreadable(f"{name} of {self.what} is no list of objects")
        if len(values) > most:
            raise unreadable(f"{self.what} has {len(values)} {name}, of which {most} are read at most")
        return [Members(value, f"{name} {position} of {self.what}") for position, value in enumerate(values, 1)]
