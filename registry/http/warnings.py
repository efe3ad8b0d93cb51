"""Warnings beside an answer that is a success (spec: Warnings; RFC 7234 §5.5)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from registry.http.reply import Headers

MOST: Final = 4096
"""Bytes of all warnings of an answer."""

_HEAD: Final = '299 - "'
_LONGEST: Final = 512  # bytes of one
# Each stands in a header of its own, with its name, a colon, a space and the end of the line.
_AROUND: Final = len("Warning: ") + len(_HEAD) + len('"\r\n')
_INSTEAD: Final = {'"': "'", "\\": "/", "…": "..."}
_MORE: Final = "there is more that is not told here"


def warnings_of(texts: Iterable[str]) -> Headers:
    """Return the headers that tell texts, as many of them as clients need to take."""
    headers: Headers = []
    left = MOST - _AROUND - len(_MORE)
    for text in texts:
        said = _quotable(text)
        left -= _AROUND + len(said)
        if left < 0:
            headers.append(("Warning", f'{_HEAD}{_MORE}"'))
            break
        headers.append(("Warning", f'{_HEAD}{said}"'))
    return headers


def _quotable(text: str) -> str:
    """Return a text as it may stand in a quoted string (RFC 9110 §5.6.4), in ASCII and without what clients show escaped."""
    plain = "".join(_INSTEAD.get(letter, letter if " " <= letter <= "~" else "?") for letter in text)
    return plain if len(plain) <= _LONGEST else f"{plain[: _LONGEST - 3]}..."
