"""What there is, told in process in the very words of the API (registry.http.api)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel

from registry.auth.trusted import Trusted
from registry.compose.doors import create_keyring, create_sessions
from registry.config import Settings
from registry.core.api_keys import ApiKeys
from registry.core.directory import LONGEST, Directory
from registry.core.pages import Page
from registry.core.service_keys import ServiceKeys
from registry.core.subjects import Target
from registry.db.directory import GrantRow, PrincipalRow
from registry.db.pool import Database
from registry.db.sessions import SessionRow
from registry.http.api.credential_models import Key, Session, SigningKey
from registry.http.api.grant_models import Grant, Role
from registry.http.api.issuer_models import Issuer, TrustRule
from registry.http.api.organisation_models import Member, Organisation
from registry.http.api.principal_models import Robot, Service, ServiceKey, User
from registry.in_process import run

Rows = list[dict[str, Any]]


def users(settings: Settings) -> Rows:
    """Return all users, by name. Raise UpkeepFailed."""
    return _principals(settings, "user", User)


def robots(settings: Settings) -> Rows:
    """Return all robots, by name. Raise UpkeepFailed."""
    return _principals(settings, "robot", Robot)


def services(settings: Settings) -> Rows:
    """Return all services, by name. Raise UpkeepFailed."""
    return _principals(settings, "service", Service)


def service_keys(settings: Settings, name: str) -> Rows:
    """Return the keys of a service, valid or not. Raise UpkeepFailed."""
    return _told(ServiceKey, run(settings, lambda db: ServiceKeys(db).listed(name, by=None)))


def organisations(settings: Settings) -> Rows:
    """Return all organisations, by name. Raise UpkeepFailed."""
    return _told(
        Organisation,
        _all(settings, lambda db, after: Directory(db).organisations(by=None, after=after)),
    )


def teams(settings: Settings, organisation: str) -> Rows:
    """Return the teams of an organisation, by name. Raise UpkeepFailed."""
    return [
        {"name": name}
        for name in _all(settings, lambda db, after: Directory(db).teams(organisation, by=None, after=after))
    ]


def members(settings: Settings, team: str) -> Rows:
    """Return who is of a team, by name. Raise UpkeepFailed."""
    organisation, _, name = team.partition("/")
    return _told(
        Member,
        _all(settings, lambda db, after: Directory(db).members(organisation, name, by=None, after=after)),
    )


def roles(settings: Settings, organisation: str) -> Rows:
    """Return the roles that may be granted in an organisation, by name. Raise UpkeepFailed."""
    return _told(Role, _all(settings, lambda db, after: Directory(db).roles(organisation, by=None, after=after)))


def grants(settings: Settings, *, subject: str | None, target: str | None) -> Rows:
    """Return grants, the oldest first; a subject's, or those on the very target, where that is given. Raise UpkeepFailed."""

    def page(db: Database, after: str) -> Awaitable[Page[GrantRow]]:
        return Directory(db).grants(by=None, subject=subject, target=target, after=int(after or 0))

    return [
        Grant(
            subject=row.subject,
            role=row.role,
            target=str(Target(row.organisation, row.target, row.is_prefix)),
            created_at=row.created_at,
        ).model_dump(mode="json")
        for row in _all(settings, page)
    ]


def api_keys(settings: Settings, owner: str) -> Rows:
    """Return the API keys of a user or a robot, the oldest first. Raise UpkeepFailed."""
    return _told(
        Key,
        _all(
            settings,
            lambda db, after: ApiKeys(db).page(owner, by=None, after=int(after or 0), limit=LONGEST),
        ),
    )


def sessions(settings: Settings, name: str) -> Rows:
    """Return the hundred sessions of a user that were used last. Raise UpkeepFailed."""

    async def act(db: Database) -> list[SessionRow]:
        user = await Directory(db).principal("user", name, by=None)
        return await create_sessions(settings, db).listed(user.id)

    return _told(Session, run(settings, act))


def signing_keys(settings: Settings) -> Rows:
    """Return the keys that sign or verify tokens, in the order in which they begin to sign. Raise UpkeepFailed."""
    return [
        SigningKey(
            kid=key.kid, algorithm=key.algorithm, signs_from=datetime.fromtimestamp(key.signs_from, UTC)
        ).model_dump(mode="json")
        for key in run(settings, lambda db: create_keyring(settings, db).listed())
    ]


def issuers(settings: Settings) -> Rows:
    """Return all issuers, by URL. Raise UpkeepFailed."""
    return _told(Issuer, run(settings, lambda db: Trusted(db).issuers()))


def trust_rules(settings: Settings) -> Rows:
    """Return all rules of trust, by name. Raise UpkeepFailed."""
    rules = run(settings, lambda db: Trusted(db).rules())
    return _told(TrustRule, (row._asdict() | {"actions": sorted(row.actions)} for row in rules))


def _principals(settings: Settings, kind: str, model: type[BaseModel]) -> Rows:
    def page(db: Database, after: str) -> Awaitable[Page[PrincipalRow]]:
        return Directory(db).principals(kind, by=None, after=after)

    return _told(model, _all(settings, page))


def _all(settings: Settings, page: Callable[[Database, str], Awaitable[Page[Any]]]) -> list[Any]:
    """Return all items of a list, whose pages begin after what the one before says."""

    async def act(db: Database) -> list[Any]:
        found: list[Any] = []
        after: str | None = ""
        while after is not None:
            one = await page(db, after)
            found += one.items
            after = one.next_after
        return found

    return run(settings, act)


def _told(model: type[BaseModel], rows: Iterable[object]) -> Rows:
    return [model.model_validate(row, from_attributes=True).model_dump(mode="json") for row in rows]
