"""Identities and rights, looked after in process: beside a running server, or alone."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Iterator, Sequence
from datetime import timedelta
from typing import Any, Final, TypeVar

from registry.auth.passwords import Passwords, PasswordUnfit
from registry.auth.sealing import SecretKeyUnusable
from registry.auth.secrets import API_KEY, hash_of, new_secret
from registry.auth.trust import kind_of
from registry.auth.trusted import Trusted
from registry.compose import create_keyring, create_secret_key
from registry.config import Settings
from registry.core.identities import Identities
from registry.db import migrate
from registry.db.embedded import running_url
from registry.db.pool import Database
from registry.db.trust import IssuerRow, RuleRow
from registry.errors import RegistryError
from registry.upkeep import UpkeepFailed, database

T = TypeVar("T")

_CONNECTIONS: Final = 2


def add_user(settings: Settings, name: str, *, password: str | None, is_admin: bool) -> None:
    """Add a user. Raise UpkeepFailed."""

    async def act(db: Database) -> None:
        hashed = await Passwords().hashed(password) if password is not None else None
        await Identities(db).add_user(name, password_hash=hashed, is_admin=is_admin)

    _run(settings, act)


def add_organisation(settings: Settings, name: str) -> None:
    """Add an organisation. Raise UpkeepFailed."""
    _run(settings, lambda db: Identities(db).add_organisation(name))


def grant(settings: Settings, subject: str, role: str, target: str) -> None:
    """Grant a role. Raise UpkeepFailed."""
    _run(settings, lambda db: Identities(db).grant(subject, role, target))


def revoke(settings: Settings, subject: str, role: str, target: str) -> None:
    """Take a grant back. Raise UpkeepFailed."""
    _run(settings, lambda db: Identities(db).revoke(subject, role, target))


def create_key(settings: Settings, user: str, name: str, *, lifetime: timedelta | None) -> str:
    """Make an API key of a user and return it: nothing else ever tells it again. Raise UpkeepFailed."""
    secret = new_secret(API_KEY)
    _run(settings, lambda db: Identities(db).add_key(user, name, hash_of(secret), lifetime=lifetime))
    return secret


def rotate_keys(settings: Settings, *, now: bool) -> str:
    """Make a key that signs tokens, and return its id. Raise UpkeepFailed."""
    return _run(settings, lambda db: create_keyring(settings, db).rotate(now=now))


def add_issuer(
    settings: Settings, url: str, *, kind: str | None, algorithms: Sequence[str], secret: str | None, **more: Any
) -> None:
    """Add an issuer of identities, with the `secret` of our client there; `more` is of IssuerRow. Raise UpkeepFailed."""
    new = IssuerRow(0, url, kind or kind_of(url) or "other", tuple(algorithms), **more)

    async def act(db: Database) -> None:
        key = create_secret_key(settings) if secret is not None else None
        await Trusted(db).add_issuer(new, secret=secret, key=key)

    _run(settings, act)


def remove_issuer(settings: Settings, url: str) -> None:
    """Remove an issuer with its rules and links. Raise UpkeepFailed."""
    _run(settings, lambda db: Trusted(db).remove_issuer(url))


def issuers(settings: Settings) -> list[IssuerRow]:
    """Return all issuers, by URL. Raise UpkeepFailed."""
    return _run(settings, lambda db: Trusted(db).issuers())


def link(settings: Settings, issuer: str, subject: str, user: str) -> None:
    """Let an issuer's subject log in as a user. Raise UpkeepFailed."""
    _run(settings, lambda db: Trusted(db).link(issuer, subject, user))


def unlink(settings: Settings, issuer: str, subject: str) -> None:
    """Let an issuer's subject log in as nobody any more. Raise UpkeepFailed."""
    _run(settings, lambda db: Trusted(db).unlink(issuer, subject))


def add_trust(settings: Settings, name: str, **rule: Any) -> None:
    """Add a rule of trust, as `Trusted.add_rule` has it. Raise UpkeepFailed."""
    _run(settings, lambda db: Trusted(db).add_rule(name, **rule))


def remove_trust(settings: Settings, name: str) -> None:
    """Remove a rule of trust. Raise UpkeepFailed."""
    _run(settings, lambda db: Trusted(db).remove_rule(name))


def trusted(settings: Settings) -> list[RuleRow]:
    """Return all rules of trust, by name. Raise UpkeepFailed."""
    return _run(settings, lambda db: Trusted(db).rules())


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
    except (RegistryError, PasswordUnfit, SecretKeyUnusable) as error:
        raise UpkeepFailed(str(error)) from error


@contextlib.contextmanager
def _reached(settings: Settings) -> Iterator[str]:
    """Yield the URL of the database, which a running server may be using, with the schema that this code needs."""
    url = running_url(settings.data_dir / "postgres") if settings.session_url is None else None
    if url is not None:
        yield url
        return
    with database(settings) as started:
        migrate.check(migrate.upgrade(started))
        yield started
