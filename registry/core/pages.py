"""Pages of lists by keyset: as many items as asked for, and whether more follow."""

from __future__ import annotations

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


def page_of(found: list[str], limit: int, age: float = 0.0) -> Page[str]:
    """Return the page of `limit` items of which one more was looked for."""
    more = len(found) > limit
    return Page(found[:limit], found[limit - 1] if more and limit else None, age)
