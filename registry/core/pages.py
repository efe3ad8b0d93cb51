"""Pages of lists by keyset: as many items as asked for, and whether more follow."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

import msgspec

from registry.errors import PageInvalid

MAX_PAGE: Final = 10_000

Item = TypeVar("Item")

Place = TypeVar("Place")


@dataclass(frozen=True, slots=True)
class Page(Generic[Item]):
    """Items, and the key after which the next page begins; None where this is the last.

    `age`: seconds that the page may be old; 0 where it was true when it was asked for.
    """

    items: list[Item]
    next_after: str | None
    age: float = 0.0


def page_of(found: Sequence[Item], limit: int, *, key: Callable[[Item], str] = str, age: float = 0.0) -> Page[Item]:
    """Return the page of `limit` items of which one more was looked for; `key` is what the next page begins after."""
    more = len(found) > limit
    return Page(list(found[:limit]), key(found[limit - 1]) if more and limit else None, age)


def after_of(*place: object) -> str:
    """Return the key of a page that begins after a place of several values. It is not signed: it shows what the page did."""
    return base64.urlsafe_b64encode(msgspec.msgpack.encode(place)).rstrip(b"=").decode()


def place_of(after: str, kind: type[Place]) -> Place:
    """Return the place that a key of `after_of` stands for, a tuple of a kind. Raise PageInvalid."""
    try:
        content = base64.b64decode(after + "=" * (-len(after) % 4), altchars=b"-_", validate=True)
        return msgspec.msgpack.decode(content, type=kind)
    except (binascii.Error, ValueError, msgspec.MsgspecError):
        raise PageInvalid("after", after, "is not what a page of this list has said; begin again without it") from None
