"""Principals: users, robots and services, and the keys that stand for them."""

from __future__ import annotations

from datetime import datetime
from typing import Final, NamedTuple

from registry.db.pool import Connection


class PrincipalRow(NamedTuple):
    """Whoever may hold rights and is not disabled.

    `key_id` and `scopes` are of the key by which it was found; without scopes it is not limited. `rights_epoch` is another one
    whenever it is disabled, enabled or given another password.
    """

    id: int
    kind: str
    name: str
    is_admin: bool
    password_hash: str | None
    scopes: list[str] | None
    key_id: int | None
    rights_epoch: int


class StandingRow(NamedTuple):
    """Whoever holds rights, disabled or not. `organisation_id` is a robot's."""

    id: int
    kind: str
    name: str
    is_admin: bool
    is_disabled: bool
    organisation_id: int | None


_BY_NAME: Final = """
SELECT id, kind, name, is_admin, password_hash, NULL::text[], NULL::bigint, rights_epoch FROM principals
WHERE name = $1 AND kind <> 'anonymous' AND disabled_at IS NULL
"""
# The time of the last use is true to a minute: a key in use costs no write each time.
_BY_KEY: Final = """
WITH key AS (
    SELECT id, principal_id, scopes, used_at FROM api_keys
    WHERE secret_hash = $1 AND (expires_at IS NULL OR expires_at > now())
), used AS (
    UPDATE api_keys SET used_at = now()
    WHERE id IN (SELECT id FROM key WHERE used_at IS NULL OR used_at < now() - interval '1 minute')
)
SELECT p.id, p.kind, p.name, p.is_admin, NULL::text, key.scopes, key.id, p.rights_epoch
FROM key JOIN principals p ON p.id = key.principal_id WHERE p.disabled_at IS NULL
"""
_ANY: Final = "SELECT EXISTS (SELECT FROM principals WHERE kind = 'user')"
_LOCK: Final = "LOCK TABLE principals IN SHARE ROW EXCLUSIVE MODE"
_ADMINISTRATORS: Final = 0x626C61646D696E  # "bladmin": an advisory lock of the transaction
_LOCK_ADMINISTRATORS: Final = "SELECT pg_advisory_xact_lock($1)"
_OTHER_ADMINISTRATOR: Final = """
SELECT EXISTS (SELECT FROM principals WHERE is_admin AND disabled_at IS NULL AND id <> $1)
"""
_ADD_USER: Final = """
INSERT INTO principals (kind, name, password_hash, is_admin) VALUES ('user', $1, $2, $3)
ON CONFLICT (name) DO NOTHING RETURNING id
"""
_FIND: Final = """
SELECT id, kind, name, is_admin, disabled_at IS NOT NULL, organisation_id FROM principals
WHERE name = $1 AND kind <> 'anonymous' FOR KEY SHARE
"""
_STANDING: Final = """
SELECT id, kind, name, is_admin, disabled_at IS NOT NULL, organisation_id FROM principals
WHERE id = $1 AND kind <> 'anonymous'
"""
_ADD_ROBOT: Final = """
INSERT INTO principals (kind, name, organisation_id) VALUES ('robot', $1, $2) ON CONFLICT (name) DO NOTHING RETURNING id
"""
_ADD_SERVICE: Final = """
INSERT INTO principals (kind, name, is_admin) VALUES ('service', $1, $2) ON CONFLICT (name) DO NOTHING RETURNING id
"""
_DISABLE: Final = """
UPDATE principals SET disabled_at = now(), rights_epoch = nextval('rights_epochs') WHERE id = $1 AND disabled_at IS NULL
"""
_ENABLE: Final = """
UPDATE principals SET disabled_at = NULL, rights_epoch = nextval('rights_epochs') WHERE id = $1 AND disabled_at IS NOT NULL
"""
_DELETE: Final = "DELETE FROM principals WHERE id = $1"
_CHANGE: Final = "UPDATE principals SET password_hash = $2, rights_epoch = nextval('rights_epochs') WHERE id = $1"
_ADD_KEY: Final = """
INSERT INTO api_keys (principal_id, name, secret_hash, scopes, expires_at, made_by)
VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (principal_id, name) DO NOTHING RETURNING id
"""


async def by_name(conn: Connection, name: str) -> PrincipalRow | None:
    """Return a principal by its name; None where there is none such, or it is disabled."""
    row = await conn.fetchrow(_BY_NAME, name)
    return PrincipalRow(*row) if row is not None else None


async def by_key(conn: Connection, secret_hash: bytes) -> PrincipalRow | None:
    """Return the principal for which a key stands, and note the use; None where the key is none, or has expired."""
    row = await conn.fetchrow(_BY_KEY, secret_hash)
    return PrincipalRow(*row) if row is not None else None


async def has_users(conn: Connection) -> bool:
    """Say whether there is a user, disabled ones included."""
    found: bool = await conn.fetchval(_ANY)
    return found


async def lock(conn: Connection) -> None:
    """Let nobody else add principals until the transaction ends."""
    await conn.execute(_LOCK)


async def lock_administrators(conn: Connection) -> None:
    """Let nobody else disable or delete principals until the transaction ends: it comes before any lock of a row."""
    await conn.execute(_LOCK_ADMINISTRATORS, _ADMINISTRATORS)


async def has_other_administrator(conn: Connection, principal_id: int) -> bool:
    """Say whether there is somebody else who may do everything and is not disabled."""
    found: bool = await conn.fetchval(_OTHER_ADMINISTRATOR, principal_id)
    return found


async def add_user(conn: Connection, name: str, *, password_hash: str | None, is_admin: bool) -> int | None:
    """Record a user and return its id; None where the name is taken."""
    found: int | None = await conn.fetchval(_ADD_USER, name, password_hash, is_admin)
    return found


async def find(conn: Connection, name: str) -> StandingRow | None:
    """Return who has a name, and keep it from being deleted until the transaction ends; None where nobody has."""
    row = await conn.fetchrow(_FIND, name)
    return StandingRow(*row) if row is not None else None


async def standing(conn: Connection, principal_id: int) -> StandingRow | None:
    """Return who has an id; None where nobody has."""
    row = await conn.fetchrow(_STANDING, principal_id)
    return StandingRow(*row) if row is not None else None


async def add_robot(conn: Connection, name: str, *, organisation_id: int) -> bool:
    """Record a robot; return False where the name is taken."""
    return await conn.fetchval(_ADD_ROBOT, name, organisation_id) is not None


async def add_service(conn: Connection, name: str, *, is_admin: bool) -> bool:
    """Record a service; return False where the name is taken."""
    return await conn.fetchval(_ADD_SERVICE, name, is_admin) is not None


async def disable(conn: Connection, principal_id: int) -> None:
    """Let a principal do nothing any more."""
    await conn.execute(_DISABLE, principal_id)


async def enable(conn: Connection, principal_id: int) -> None:
    """Let a principal do again what is granted to it."""
    await conn.execute(_ENABLE, principal_id)


async def delete(conn: Connection, principal_id: int) -> None:
    """Delete a principal with all that it holds."""
    await conn.execute(_DELETE, principal_id)


async def set_password(conn: Connection, principal_id: int, password_hash: str) -> None:
    """Let a user have another password."""
    await conn.execute(_CHANGE, principal_id, password_hash)


async def add_key(
    conn: Connection,
    principal_id: int,
    name: str,
    secret_hash: bytes,
    *,
    scopes: list[str] | None,
    expires_at: datetime | None,
    made_by: int | None,
) -> int | None:
    """Record a key, which goes with the key that it was `made_by`; return its id, None where the principal has one so named."""
    found: int | None = await conn.fetchval(_ADD_KEY, principal_id, name, secret_hash, scopes, expires_at, made_by)
    return found
