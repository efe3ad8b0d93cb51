"""What a registry with users needs before it can serve: a secret key, and somebody who may do everything."""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final, TypeVar

import structlog

from registry.auth.keyring import Keyring
from registry.auth.passwords import Passwords, PasswordUnfit
from registry.auth.sealing import SecretKeyUnusable, make_key_file, read_key
from registry.config import Settings
from registry.core.identities import Identities
from registry.datadir import FIRST_ADMIN, PASSWORD_FILE, FirstStartFailed
from registry.db.binaries import sync_directory
from registry.db.pool import Database
from registry.errors import RegistryError

T = TypeVar("T")

_KEY_FILE: Final = "secret-key"

_log = structlog.get_logger("registry.supervisor")


def ensure_secret_key(settings: Settings, data: Path) -> Settings:
    """Return the settings with a secret key that can be read; one for an embedded database is made. Raise FirstStartFailed."""
    path = settings.secret_key_file
    if path is None:
        if settings.database_direct_url is not None or settings.database_url is not None:
            raise FirstStartFailed(
                "auth=token with a PostgreSQL of your own needs BLACKLAKE_SECRET_KEY_FILE, the same file on every node;"
                " make it by `openssl rand -base64 32`"
            )
        path = data / _KEY_FILE
        make_key_file(path)
        sync_directory(data)  # the key must outlive a power cut, since what is sealed by it does
    try:
        read_key(path)
    except SecretKeyUnusable as error:
        raise FirstStartFailed(str(error)) from error
    return settings.model_copy(update={"secret_key_file": path})


def require_fitting_key(settings: Settings) -> None:
    """Raise FirstStartFailed where the secret key is another one than what the database keeps was sealed by.

    A node with such a key verifies no token, and seals the audit log in a way that all others take for a forgery.
    """
    assert settings.secret_key_file is not None  # ensure_secret_key sets it
    key = read_key(settings.secret_key_file)

    async def open_all(db: Database) -> None:
        await Keyring(db, key, algorithm=settings.token_algorithm, longest=settings.token_seconds).listed()

    try:
        _with_database(settings, open_all)
    except (RegistryError, SecretKeyUnusable) as error:
        raise FirstStartFailed(str(error)) from error


def ensure_admin(settings: Settings, data: Path) -> None:
    """Make the first user, where there is none. Raise FirstStartFailed.

    Its password is that of BLACKLAKE_ADMIN_PASSWORD_FILE, or a new one, in a file that only the owner of the data directory can
    read; only the file's path is logged.
    """
    try:
        if _with_database(settings, lambda db: Identities(db).has_users()):
            return
        given, note = settings.admin_password_file, data / PASSWORD_FILE
        password = secrets.token_urlsafe(18) if given is None else given.read_text().strip()
        hashed = asyncio.run(Passwords().hashed(password))
        if given is None:
            _write_privately(note, password)  # before the row: a user whose password nobody knows is no use
        is_first = _with_database(
            settings, lambda db: Identities(db).add_first_admin(FIRST_ADMIN, password_hash=hashed)
        )
        if not is_first:  # another node was
            note.unlink(missing_ok=True)
            return
    except (RegistryError, PasswordUnfit, OSError) as error:
        raise FirstStartFailed(f"the first user, {FIRST_ADMIN}, can't be made: {error}") from error
    _log.warning("the first user was made; change its password", user=FIRST_ADMIN, password_file=str(given or note))


def _with_database(settings: Settings, act: Callable[[Database], Awaitable[T]]) -> T:
    assert settings.session_url is not None  # the supervisor sets it when PostgreSQL is embedded

    async def connected(url: str) -> T:
        db = Database(url, size=2, timeout=settings.database_timeout)
        await db.open()
        try:
            return await act(db)
        finally:
            await db.close()

    return asyncio.run(connected(settings.session_url))


def _write_privately(path: Path, text: str) -> None:
    with open(path, "w", opener=lambda name, flags: os.open(name, flags | os.O_NOFOLLOW, 0o600)) as file:
        os.fchmod(file.fileno(), 0o600)
        file.write(text + "\n")
        file.flush()
        os.fsync(file.fileno())
