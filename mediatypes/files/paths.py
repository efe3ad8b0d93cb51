"""Paths of files in archives, as they are in the artifact: relative, in one spelling, and none that leads elsewhere."""

from __future__ import annotations

import re
from typing import Final

from mediatypes.files.plain import plain_text

_LONGEST: Final = 1024  # bytes: keys of databases and of S3 are no longer
_DEEPEST: Final = 64  # directories in directories
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
_SURROGATE: Final = re.compile("[\ud800-\udfff]")


def base_name(path: str) -> str:
    """Return a file's name without its directories."""
    return path.rpartition("/")[2]


def member_path(name: str) -> tuple[str, str | None]:
    """Return a member's path without `.` and doubled slashes, and why it isn't read, which completes “the member …”."""
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if _SURROGATE.search(name):
        reason = "has a path that is not UTF-8"
    elif _CONTROL.search(name):
        reason = "has control characters in its path"
    elif name.startswith("/"):
        reason = "has an absolute path"
    elif ".." in parts:
        reason = "has a path that leads out of its directory"
    elif "\\" in name or re.match(r"[A-Za-z]:", name):
        reason = "has a path that means another place on other systems"
    elif not parts:
        reason = "has no path"
    elif len(parts) > _DEEPEST:
        reason = f"lies in more than {_DEEPEST} directories"
    elif len(name.encode()) > _LONGEST:
        reason = f"has a path of more than {_LONGEST} bytes"
    else:
        return "/".join(parts), None
    return plain_text(name, _LONGEST), reason
