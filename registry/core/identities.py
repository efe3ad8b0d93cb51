"""Identities: users and their keys, organisations, and what is granted below them.

A subject is `user:NAME`, `team:ORG/TEAM` or `anonymous`; a target is `ORG`, `ORG/prefix*` or a repository.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple, TypeVar

from mediatypes.names import InvalidName, parse_repository_name
from registry.core.access import ANONYMOUS_ID, path_of
from registry.core.audit import REGISTRY, Action, Actor, Event, record
from registry.db import organisations, principals
from registry.db.pool import Connection, Database
from registry.errors import IdentityRefused

T = TypeVar("T")

_USER: Final = re.compile(r"[a-z0-9]+(?:[._-][a-z0-9]+)*", re.ASCII)
_LONGEST_NAME: Final = 64

OIDC_USER: Final = "oidc"
"""As whom plain clients send a token of a trusted issuer as their password; it is nobody's name."""


class Target(NamedTuple):
    """What a grant is on: a path below an organisation, or, with `is_prefix`, all that begin with it."""

    organisation: str
    path: str
    is_prefix: bool


class _Grantee(NamedTuple):
    principal_id: int | None
    team_id: int | None


class Identities:
    """The verbs of `blacklake admin user|org|grant|apikey`."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def add_user(self, name: str, *, password_hash: str | None, is_admin: bool, actor: Actor) -> None:
        """Add a user. Raise IdentityRefused."""
        if not is_user_name(name):
            raise IdentityRefused(
                f"user “{name[:128]}” can't be: a name has up to {_LONGEST_NAME} lower-case letters and digits,"
                f" with single '.', '_' or '-' between them, and is not {OIDC_USER}"
            )

        async def add(conn: Connection) -> None:
            if await principals.add_user(conn, name, password_hash=password_hash, is_admin=is_admin) is None:
                raise IdentityRefused(f"there is a principal {name} already")
            await record(conn, Event(actor, Action.USER_ADD, f"user:{name}", detail={"admin": is_admin}))

        await self._db.transaction("add_user", add)

    async def has_users(self) -> bool:
        """Say whether anybody has ever been added."""
        return await self._db.read("look_for_users", principals.has_users)

    async def add_first_admin(self, name: str, *, password_hash: str) -> bool:
        """Add a user who may do everything, unless there are users; return whether it was added."""

        async def add(conn: Connection) -> bool:
            await principals.lock(conn)
            if await principals.has_users(conn):
                return False
            await principals.add_user(conn, name, password_hash=password_hash, is_admin=True)
            await record(conn, Event(REGISTRY, Action.USER_ADD, f"user:{name}", detail={"admin": True}))
            return True

        return await self._db.transaction("add_first_admin", add)

    async def add_organisation(self, name: str, *, actor: Actor) -> None:
        """Add an organisation, the first segment of its repositories' names. Raise IdentityRefused."""
        _require_segment(name)

        async def add(conn: Connection) -> None:
            if await organisations.add(conn, name) is None:
                raise IdentityRefused(f"there is an organisation {name} already")
            await record(conn, Event(actor, Action.ORGANISATION_ADD, name))

        await self._db.transaction("add_organisation", add)

    async def grant(self, subject: str, role: str, target: str, *, actor: Actor) -> None:
        """Grant a role. Raise IdentityRefused."""
        event = Event(actor, Action.GRANT_ADD, target, detail={"role": role, "subject": subject})
        if not await self._change("grant", event, subject, role, organisations.grant):
            raise IdentityRefused(f"{subject} has the role {role} on {target} already")

    async def revoke(self, subject: str, role: str, target: str, *, actor: Actor) -> None:
        """Take a grant back. Raise IdentityRefused."""
        event = Event(actor, Action.GRANT_REMOVE, target, detail={"role": role, "subject": subject})
        if not await self._change("revoke", event, subject, role, organisations.revoke):
            raise IdentityRefused(f"{subject} has no role {role} on {target}")

    async def add_key(self, user: str, name: str, secret_hash: bytes, *, lifetime: timedelta | None) -> None:
        """Record an API key of a user. Raise IdentityRefused."""

        async def add(conn: Connection) -> None:
            row = await principals.by_name(conn, user)
            if row is None:
                raise IdentityRefused(f"there is no user {user}")
            expires_at = datetime.now(UTC) + lifetime if lifetime is not None else None
            if await principals.add_key(conn, row.id, name, secret_hash, scopes=None, expires_at=expires_at) is None:
                raise IdentityRefused(f"{user} has a key of the name {name} already")

        await self._db.transaction("add_api_key", add)

    async def _change(
        self, what: str, event: Event, subject: str, role: str, change: Callable[..., Awaitable[bool]]
    ) -> bool:
        on = parse_target(event.target)

        async def act(conn: Connection) -> bool:
            organisation_id = await organisations.find(conn, on.organisation)
            if organisation_id is None:
                raise IdentityRefused(f"there is no organisation {on.organisation}; add it first")
            role_id = await organisations.find_role(conn, role, organisation_id=organisation_id)
            if role_id is None:
                raise IdentityRefused(
                    f"{on.organisation} has no role {role}; there are reader, writer, maintainer, admin"
                )
            grantee = await _grantee(conn, subject)
            is_changed = await change(
                conn,
                organisation_id=organisation_id,
                principal_id=grantee.principal_id,
                team_id=grantee.team_id,
                role_id=role_id,
                target=on.path,
                is_prefix=on.is_prefix,
            )
            if is_changed:
                await record(conn, event)
            return is_changed

        return await self._db.transaction(what, act)


def is_user_name(name: str) -> bool:
    """Say whether a user may be called so."""
    return _USER.fullmatch(name) is not None and len(name) <= _LONGEST_NAME and name != OIDC_USER


def parse_target(text: str) -> Target:
    """Return a target. Raise IdentityRefused where it is none."""
    if "/" not in text:
        _require_segment(text)
        return Target(text, f"{text}/", is_prefix=True)
    organisation, _, rest = text.partition("/")
    _require_segment(organisation)
    if rest.endswith("*"):
        if re.fullmatch(r"[a-z0-9._/-]{0,255}", rest[:-1], re.ASCII) is None:
            raise IdentityRefused(f"target “{text[:128]}” is no prefix of repository names; `*` stands at the end only")
        return Target(organisation, text[:-1], is_prefix=True)
    try:
        return Target(organisation, path_of(parse_repository_name(text)), is_prefix=False)
    except InvalidName as error:
        raise IdentityRefused(f"target “{text[:128]}” {error}") from None


async def _grantee(conn: Connection, subject: str) -> _Grantee:
    kind, _, name = subject.partition(":")
    if subject == "anonymous":
        return _Grantee(ANONYMOUS_ID, None)
    if kind == "user":
        row = await principals.by_name(conn, name)
        if row is None:
            raise IdentityRefused(f"there is no user {name}")
        return _Grantee(row.id, None)
    if kind == "team":
        organisation, _, team = name.partition("/")
        organisation_id = await organisations.find(conn, organisation)
        if organisation_id is not None:
            team_id = await organisations.find_team(conn, team, organisation_id=organisation_id)
            if team_id is not None:
                return _Grantee(None, team_id)
        raise IdentityRefused(f"there is no team {name}")
    raise IdentityRefused(f"subject “{subject[:128]}” is none of user:NAME, team:ORG/TEAM and anonymous")


def _require_segment(name: str) -> None:
    try:
        parse_repository_name(name)
    except InvalidName as error:
        raise IdentityRefused(f"organisation “{name[:128]}” {error}") from None
    if "/" in name:
        raise IdentityRefused(
            f"organisation “{name[:128]}” has a slash; it is the first segment of its repositories' names"
        )
