"""To whom and on what is granted, as people write it.

A subject is `user:NAME` (of a robot too), `team:ORG/TEAM` or `anonymous`; a target is `ORG`, `ORG/prefix*` or a repository.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from mediatypes.names import InvalidName, parse_repository_name
from registry.core.access import ANONYMOUS_ID, path_of
from registry.db import organisations, principals, teams
from registry.db.pool import Connection
from registry.db.principals import StandingRow
from registry.errors import IdentityRefused, IdentityUnknown

OIDC_USER: Final = "oidc"
"""As whom plain clients send a token of a trusted issuer as their password; it is nobody's name."""

ROBOT_MARK: Final = "+"
"""What stands between a robot's organisation and the rest of its name; no user's name has one."""

_NAME: Final = re.compile(r"[a-z0-9]+(?:[._-][a-z0-9]+)*", re.ASCII)
_LONGEST_NAME: Final = 64
_WORD: Final = re.compile(r"[a-z0-9._+-]{1,255}", re.ASCII)
_PREFIX: Final = re.compile(r"[a-z0-9._/-]{0,255}", re.ASCII)


class Target(NamedTuple):
    """What a grant is on: a path below an organisation, or, with `is_prefix`, all that begin with it."""

    organisation: str
    path: str
    is_prefix: bool

    def __str__(self) -> str:
        if not self.is_prefix:
            return self.path
        return self.organisation if self.path == f"{self.organisation}/" else f"{self.path}*"


class Subject(NamedTuple):
    """Who holds rights: a principal, everybody included, or a team."""

    text: str
    principal: StandingRow | None
    team_id: int | None
    organisation_id: int | None

    @property
    def principal_id(self) -> int | None:
        """The principal's id; None of a team."""
        if self.team_id is not None:
            return None
        return self.principal.id if self.principal is not None else ANONYMOUS_ID


def parse_target(text: str) -> Target:
    """Return a target. Raise IdentityRefused where it is none."""
    if "/" not in text:
        require_segment(text)
        return Target(text, f"{text}/", is_prefix=True)
    organisation, _, rest = text.partition("/")
    require_segment(organisation)
    if rest.endswith("*"):
        if _PREFIX.fullmatch(rest[:-1]) is None:
            raise IdentityRefused(f"target “{text[:128]}” is no prefix of repository names; `*` stands at the end only")
        return Target(organisation, text[:-1], is_prefix=True)
    try:
        return Target(organisation, path_of(parse_repository_name(text)), is_prefix=False)
    except InvalidName as error:
        raise IdentityRefused(f"target “{text[:128]}” {error}") from None


def target_at(path: str, *, is_prefix: bool) -> Target:
    """Return the target that is kept as a path."""
    return Target(path.partition("/")[0], path, is_prefix)


async def find_subject(conn: Connection, text: str) -> Subject:
    """Return a subject, which is not deleted before the transaction ends.

    Raise IdentityUnknown, and IdentityRefused where the text is no subject.
    """
    kind, _, name = text.partition(":")
    if text == "anonymous":
        return Subject(text, None, None, None)
    if kind == "user" and name:
        row = await find_principal(conn, name)
        return Subject(text, row, None, row.organisation_id)
    if kind == "team" and name:
        organisation, _, team = name.partition("/")
        organisation_id = await organisations.find(conn, organisation) if is_word(organisation) else None
        if organisation_id is not None and is_word(team):
            team_id = await teams.find(conn, team, organisation_id=organisation_id)
            if team_id is not None:
                return Subject(text, None, team_id, organisation_id)
        raise IdentityUnknown(f"there is no team {name[:128]}")
    raise IdentityRefused(f"subject “{text[:128]}” is none of user:NAME, team:ORG/TEAM and anonymous")


async def find_principal(conn: Connection, name: str, *, kind: str | None = None) -> StandingRow:
    """Return a user, a robot or a service, or one of a `kind` only, disabled or not. Raise IdentityUnknown."""
    row = await principals.find(conn, name) if is_word(name) else None
    if row is None or kind not in (None, row.kind):
        raise IdentityUnknown(f"there is no {kind or 'user'} {name[:128]}")
    return row


def is_word(name: str) -> bool:
    """Say whether a text can be a name at all: whatever else people write is never looked up."""
    return _WORD.fullmatch(name) is not None


def is_name(name: str) -> bool:
    """Say whether a principal may be called so."""
    return _NAME.fullmatch(name) is not None and len(name) <= _LONGEST_NAME and name != OIDC_USER


def require_name(name: str, what: str) -> None:
    """Raise IdentityRefused where a name can't be that of `what`."""
    if not is_name(name):
        raise IdentityRefused(
            f"{what} “{name[:128]}” can't be: a name has up to {_LONGEST_NAME} lower-case letters and digits,"
            f" with single '.', '_' or '-' between them, and is not {OIDC_USER}"
        )


def require_segment(name: str) -> None:
    """Raise IdentityRefused where a name can't be an organisation's."""
    try:
        parse_repository_name(name)
    except InvalidName as error:
        raise IdentityRefused(f"organisation “{name[:128]}” {error}") from None
    if "/" in name:
        raise IdentityRefused(
            f"organisation “{name[:128]}” has a slash; it is the first segment of its repositories' names"
        )
