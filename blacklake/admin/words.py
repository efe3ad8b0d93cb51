"""What commands are told, in the words of all of them."""

from __future__ import annotations

import re
import sys
from datetime import timedelta
from typing import Annotated, Final, Literal

from cyclopts import Parameter

from blacklake.settings import USAGE, Refused

_DURATION: Final = re.compile(r"([0-9]{1,6})([mhd])", re.ASCII)
_UNITS: Final = {"m": "minutes", "h": "hours", "d": "days"}

Subject = Annotated[str, Parameter(help="user:NAME, team:ORG/TEAM or anonymous.")]
Role = Annotated[str, Parameter(help="reader, writer, maintainer, admin, or a role of the organisation.")]
Expires = Annotated[str | None, Parameter(help="For how long it is valid: 90m, 12h, 30d.")]
Organisation = Annotated[str, Parameter(help="An organisation: the first segment of repositories' names.")]
Team = Annotated[str, Parameter(help="ORG/TEAM.")]
Robot = Annotated[str, Parameter(help="ORG+NAME.")]
OwnRole = Annotated[str, Parameter(help="ORG/ROLE.")]
Issuer = Annotated[str, Parameter(help="The issuer's URL, as its tokens have it (iss).")]
Permission = Literal["pull", "push", "delete", "tag-move", "sign", "admin"]
Action = Literal["pull", "push", "delete", "tag-move", "sign", "grant", "admin"]
Target = Annotated[str, Parameter(help="An organisation, ORG/pattern* or a repository.")]
Json = Annotated[bool, Parameter(name="--json", negative=(), help="Print JSON, an object a line, for scripts.")]


def duration(text: str) -> timedelta:
    """Return a duration such as 90m, 12h or 30d. Raise Refused."""
    found = _DURATION.fullmatch(text)
    if found is None:
        raise Refused(f"“{text[:64]}” is no duration like 90m, 12h or 30d", USAGE)
    return timedelta(**{_UNITS[found[2]]: int(found[1])})


def lifetime_of(expires: str | None) -> timedelta | None:
    """Return for how long something is valid; None: until it is revoked. Raise Refused."""
    return duration(expires) if expires is not None else None


def read_secret() -> str:
    """Return the next line of the standard input. Raise Refused where there is none."""
    secret = sys.stdin.readline().rstrip("\r\n")
    if not secret:
        raise Refused("the standard input holds no line with the secret", USAGE)
    return secret
