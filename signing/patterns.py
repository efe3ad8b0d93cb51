"""Regular expressions by RE2, which takes time in proportion to the text, whatever the pattern is."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final

import re2  # type: ignore[import-untyped]  # it says nothing of its types

LONGEST: Final = 1000
"""Characters of a pattern."""

_LARGEST: Final = 2000  # instructions of what it is compiled to
_MEMORY: Final = 1 << 18  # bytes of a compiled pattern and what it remembers
_KEPT: Final = 512  # patterns


class InvalidPattern(ValueError):
    """A pattern that can't be had; the message completes “the pattern …”."""


@lru_cache(maxsize=_KEPT)
def compiled(pattern: str) -> Any:
    """Return a compiled pattern. Raise InvalidPattern."""
    if len(pattern) > LONGEST:
        raise InvalidPattern(f"is longer than {LONGEST} characters")
    options = re2.Options()
    options.max_mem = _MEMORY
    options.log_errors = False
    try:
        found = re2.compile(pattern, options)
    except UnicodeEncodeError:
        raise InvalidPattern("holds half a surrogate pair, which is no Unicode text") from None
    except re2.error as error:
        why = error.args[0].decode(errors="replace") if isinstance(error.args[0], bytes) else str(error)
        raise InvalidPattern(f"can't be read by RE2: {why[:200]}") from None
    if found.programsize > _LARGEST:
        raise InvalidPattern(f"makes {found.programsize} instructions of RE2; {_LARGEST} are the most")
    return found


def fits_anything(pattern: str) -> bool:
    """Say whether a pattern that has to fit a whole value sets no bound."""
    found = compiled(pattern)
    return all(found.fullmatch(text) is not None for text in ("x", "https://example.com/~a?b#c", "a b\u00e9"))
