"""How commands reach the database: beside a running server, or alone; and as whom they act."""

from __future__ import annotations

import asyncio
import contextlib
import os
import pwd
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, Final, TypeVar

from registry.auth.passwords import PasswordUnfit
from registry.auth.sealing import SecretKeyUnusable
from registry.config import Auth, Settings
from registry.core.access import CredentialKind
from registry.core.audit import Actor
from registry.core.directory import Directory
from registry.core.identities import Identities
from registry.db import migrate
from registry.db.embedded import running_url
from registry.db.pool import Database
from registry.errors import IdentityUnknown, RegistryError
from registry.upkeep import UpkeepFailed, database, translated

T = TypeVar("T")

_CONNECTIONS: Final = 2


def local_actor() -> Actor:
    """Return who runs this command: by the process's user, since variables can say anything."""
    number = os.getuid()
    try:
        name = pwd.getpwuid(number).pw_name
    except KeyError:  # in a container, say
        name = str(number)
    return Actor(None, f"local:{name}", CredentialKind.LOCAL)


def run(settings: Settings, act: Callable[[Database], Coroutine[Any, Any, T]]) -> T:
    """Do what needs the database, and return what comes of it. Raise UpkeepFailed."""

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


async def organised(settings: Settings, db: Database, organisation: str) -> None:
    """Let there be an organisation where nobody is asked who he is: there pushes need none, and nobody has added any."""
    if settings.auth is not Auth.OPEN or not organisation:
        return
    try:
        await Directory(db).organisation(organisation, by=None)
    except IdentityUnknown:
        await Identities(db).add_organisation(organisation, actor=local_actor())


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
