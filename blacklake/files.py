"""Files that commands are given."""

from __future__ import annotations

from pathlib import Path

from blacklake.settings import USAGE, Refused


def content_of(path: Path, limit: int = 4 << 20) -> bytes:
    """Return a file's bytes. Raise Refused."""
    try:
        with path.open("rb") as file:
            content = file.read(limit + 1)
    except OSError as error:
        raise Refused(f"{path} can't be read: {error.strerror}", USAGE) from error
    if len(content) > limit:
        raise Refused(f"{path} has more than {limit} bytes, more than is read", USAGE)
    return content
