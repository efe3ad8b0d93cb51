"""Identities and rights, looked after in process: beside a running server, or alone."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, TypeVar

from mediatypes.names import InvalidName, RepositoryName, parse_repository_name
from registry.auth.passwords import Passwords, PasswordUnfit
from registry.auth.request_signatures import PublicKeyUnfit, read_public_key
from registry.auth.secrets import API_KEY, hash_of, new_secret
from registry.compose import create_keyring
from registry.config import Settings
from registry.core.access import Permission
from registry.core.explanations import Explanation, Explanations
from registry.core.identities import Identities
from registry.core.roles import Roles
from registry.core.service_keys import ServiceKeys
from registry.core.teams import Teams
from registry.db import migrate
from registry.db.embedded import running_url
from registry.db.pool import Database
from registry.errors import RegistryError
from registry.upkeep import UpkeepFailed, database, translated

T = TypeVar("T")

_CONNECTIONS: Final = 2


def add_user(settings: Settings, name: str, *, password: str | None, is_admin: bool) -> None:
    """Add a user. Raise UpkeepFailed."""

    async def act(db: Database) -> None:
        hashed = await Passwords().hashed(password) if password is not None else None
        await Identities(db).add_user(name, password_hash=hashed, is_admin=is_admin)

    _run(settings, act)


def disable(settings: Settings, name: str) -> None:
    """Let a user or a robot do nothing any more. Raise UpkeepFailed."""
    _run(settings, lambda db: Identities(db).disable(name))


def enable(settings: Settings, name: str) -> None:
    """Let a user or a robot do again what is granted to it. Raise UpkeepFailed."""
    _run(settings, lambda db: Identities(db).enable(name))


def delete_principal(settings: Settings, name: str) -> None:
    """Delete a user or a robot with all that it holds. Raise UpkeepFailed."""
    _run(settings, lambda db: Identities(db).delete(name))


def add_robot(settings: Settings, name: str) -> None:
    """Add a robot of an organisation. Raise UpkeepFailed."""
    _run(settings, lambda db: Identities(db).add_robot(name))


def add_service(settings: Settings, name: str, *, is_admin: bool) -> None:
    """Add a service. Raise UpkeepFailed."""
    _run(settings, lambda db: ServiceKeys(db).add_service(name, is_admin=is_admin))


def add_service_key(settings: Settings, name: str, path: Path, *, lifetime: timedelta | None) -> str:
    """Let a service sign by the key in a file, and return the key's id. Raise UpkeepFailed."""
    try:
        key = read_public_key(path.read_bytes())
    except OSError as error:
        raise UpkeepFailed(f"{path} can't be read: {error.strerror}") from error
    except PublicKeyUnfit as error:
        raise UpkeepFailed(f"{path}: {error}") from error
    _run(settings, lambda db: ServiceKeys(db).add(name, key, lifetime=lifetime))
    return key.id


def revoke_service_key(settings: Settings, key_id: str) -> None:
    """Let a key of a service be valid no longer. Raise UpkeepFailed."""
    _run(settings, lambda db: ServiceKeys(db).revoke(key_id))


def add_organisation(settings: Settings, name: str) -> None:
    """Add an organisation. Raise UpkeepFailed."""
    _run(settings, lambda db: Identities(db).add_organisation(name))


def grant(settings: Settings, subject: str, role: str, target: str) -> None:
    """Grant a role. Raise UpkeepFailed."""
    _run(settings, lambda db: Identities(db).grant(subject, role, target))


def revoke(settings: Settings, subject: str, role: str, target: str) -> None:
    """Take a grant back. Raise UpkeepFailed."""
    _run(settings, lambda db: Identities(db).revoke(subject, role, target))


def add_team(settings: Settings, team: str) -> None:
    """Add a team. Raise UpkeepFailed."""
    _run(settings, lambda db: Teams(db).add(team))


def delete_team(settings: Settings, team: str) -> None:
    """Delete a team, and what was granted to it. Raise UpkeepFailed."""
    _run(settings, lambda db: Teams(db).delete(team))


def add_member(settings: Settings, team: str, member: str) -> None:
    """Let somebody be of a team. Raise UpkeepFailed."""
    _run(settings, lambda db: Teams(db).add_member(team, member))


def remove_member(settings: Settings, team: str, member: str) -> None:
    """Let somebody be of a team no longer. Raise UpkeepFailed."""
    _run(settings, lambda db: Teams(db).remove_member(team, member))


def add_role(settings: Settings, role: str, permissions: Sequence[str]) -> None:
    """Add a role of an organisation's own. Raise UpkeepFailed."""
    _run(settings, lambda db: Roles(db).add(role, permissions))


def delete_role(settings: Settings, role: str) -> int:
    """Delete a role of an organisation's own; return how many grants that has taken back. Raise UpkeepFailed."""
    return _run(settings, lambda db: Roles(db).delete(role))


def explain_access(settings: Settings, subject: str, repository: str, action: str) -> Explanation:
    """Say whether a subject may do something, and why. Raise UpkeepFailed."""
    name = _read_name(repository)
    return _run(settings, lambda db: Explanations(db).explain(subject, name, Permission(action)))


def who_can(settings: Settings, action: str, repository: str, *, say: Callable[[str], None]) -> None:
    """Tell `say` a line of everybody who may do something, and why. Raise UpkeepFailed."""
    name = _read_name(repository)

    async def act(db: Database) -> None:
        after: str | None = None
        while found := await Explanations(db).who_can(Permission(action), name, after=after):
            for one in found:
                say(f"{one.shown}: {one.reason}")
            after = found[-1].name

    _run(settings, act)


def create_key(settings: Settings, user: str, name: str, *, lifetime: timedelta | None) -> str:
    """Make an API key of a user and return it: nothing else ever tells it again. Raise UpkeepFailed."""
    secret = new_secret(API_KEY)
    _run(settings, lambda db: Identities(db).add_key(user, name, hash_of(secret), lifetime=lifetime))
    return secret


def rotate_keys(settings: Settings, *, now: bool) -> str:
    """Make a key that signs tokens, and return its id. Raise UpkeepFailed."""
    return _run(settings, lambda db: create_keyring(settings, db).rotate(now=now))


def _read_name(text: str) -> RepositoryName:
    try:
        return parse_repository_name(text)
    except InvalidName as error:
        raise UpkeepFailed(f"repository “{text[:128]}” {error}") from error


def _run(settings: Settings, act: Callable[[Database], Coroutine[Any, Any, T]]) -> T:
    async def connected(url: str) -> T:
        db = Database(url, size=_CONNECTIONS, timeout=settings.database_timeout)
        await db.open()
        try:
            return await act(db)
        finally:
            await db.close()

    try:
        with _reached(settings) as url:
            return asyncio.run(connected(url))
    except (RegistryError, PasswordUnfit) as error:
        raise UpkeepFailed(str(error)) from error


@contextlib.contextmanager
def _reached(settings: Settings) -> Iterator[str]:
    """Yield the URL of the database, which a running server may be using, with the schema that this code needs."""
    url = running_url(settings.data_dir / "postgres") if settings.session_url is None else None
    if url is not None:
        yield url
        return
    with translated(), database(settings) as started:
        migrate.check(migrate.upgrade(started))
        yield started
