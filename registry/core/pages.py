"""Pages of lists by keyset: as many items as asked for, and whether more follow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Generic, TypeVar

MAX_PAGE: Final = 10_000

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Page(Generic[Item]):
    """Items, and the key after which the next page begins; None where this is the last."""

    items: list[Item]
    next_after: str | None


def page_of(found: list[str], limit: int) -> Page[str]:
    """Return the page of `limit` items of which one more was looked for."""
    more = len(found) > limit
    return Page(found[:limit], found[limit - 1] if more and limit else None)
