"""Pages of lists by keyset: as many items as asked for, and whether more follow."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

MAX_PAGE: Final = 10_000

Item = TypeVar("Item")


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
