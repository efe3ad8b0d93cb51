"""Regular expressions by RE2, which takes time in proportion to the text, whatever the pattern is."""

from __future__ import annotations

import functools
from typing import Any, Final, NamedTuple

import re2  # type: ignore[import-untyped]  # it says nothing of its types

_LONGEST: Final = 1000  # characters of a pattern
_LARGEST: Final = 2000  # instructions of what it is compiled to
_MEMORY: Final = 1 << 18  # bytes of a compiled pattern and what it remembers
_KEPT: Final = 4096  # patterns, and names that patterns were looked for in
_SHORT: Final = 100  # characters of a name


class InvalidPattern(ValueError):
    """A pattern that RE2 can't do; the message completes “the pattern …”."""


class Pattern(NamedTuple):
    """A compiled pattern, and its instructions, for which RE2 would be asked with each look."""

    regexp: Any
    size: int


@functools.lru_cache(maxsize=_KEPT)
def compiled(pattern: str) -> Pattern:
    """Return a pattern that can be looked for. Raise InvalidPattern."""
    if len(pattern) > _LONGEST:
        raise InvalidPattern(f"is longer than {_LONGEST} characters")
    options = re2.Options()
    options.max_mem = _MEMORY
    options.log_errors = False
    try:
        found = re2.compile(pattern, options)
    except UnicodeEncodeError:
        raise InvalidPattern("holds half a surrogate pair, which is no Unicode text") from None
    except re2.error as error:
        why = error.args[0].decode(errors="replace") if isinstance(error.args[0], bytes) else str(error)
        raise InvalidPattern(
            f"can't be read by RE2 ({why[:200]}), which knows no look-around, no back-references and no more than 1000"
            " repetitions, and writes \\x{20AC} for \\u20ac"
        ) from None
    if found.programsize > _LARGEST:
        raise InvalidPattern(f"makes {found.programsize} instructions of RE2; {_LARGEST} are the most")
    return Pattern(found, found.programsize)


def cost(pattern: str, text: str) -> int:
    """Return the steps (schemas.keywords) that it takes at most to look for a pattern."""
    return 1 + len(text) * compiled(pattern).size // 1000


def is_in(pattern: str, text: str) -> bool:
    """Say whether a pattern is found anywhere in a text."""
    # In a str RE2 would also find out at which characters.
    return compiled(pattern).regexp.search(text.encode()) is not None


def is_in_name(pattern: str, name: str) -> bool:
    """Say whether a pattern is found in a property's name. Of short ones that is remembered: most come with each document."""
    return _is_in_short(pattern, name) if len(name) <= _SHORT else is_in(pattern, name)


_is_in_short: Final = functools.lru_cache(maxsize=_KEPT)(is_in)
