"""Services and the public keys that verify what they sign."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from registry.core.audit import Action, Actor, Event, record
from registry.core.delegation import require_administrator
from registry.core.subjects import find_principal, is_word, require_name
from registry.db import principals, service_keys
from registry.db.pool import Connection, Database
from registry.db.service_keys import ServiceKeyListed
from registry.errors import IdentityRefused, IdentityUnknown


class PublicKey(NamedTuple):
    """A key by its id; `content` is a SubjectPublicKeyInfo in DER, `algorithm` a name of RFC 9421's registry."""

    id: str
    algorithm: str
    content: bytes


class ServiceKeys:
    """The verbs of `blacklake admin service`. `actor` is someone who may do everything, or the operator."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def add_service(self, name: str, *, is_admin: bool, actor: Actor) -> None:
        """Add a service; it holds rights as users do. Raise IdentityRefused, DelegationDenied."""
        require_name(name, "service")

        async def add(conn: Connection) -> None:
            await require_administrator(conn, name, by=actor.principal_id)
            if not await principals.add_service(conn, name, is_admin=is_admin):
                raise IdentityRefused(f"there is a principal {name} already")
            await record(conn, Event(actor, Action.SERVICE_ADD, f"service:{name}", detail={"admin": is_admin}))

        await self._db.transaction("add_service", add)

    async def add(self, service: str, key: PublicKey, *, lifetime: timedelta | None, actor: Actor) -> None:
        """Let a service sign by a key. Raise IdentityRefused, DelegationDenied."""

        async def add(conn: Connection) -> None:
            await require_administrator(conn, service, by=actor.principal_id)
            found = await find_principal(conn, service)
            if found.kind != "service":
                raise IdentityRefused(f"{service} is no service; add one by `blacklake admin service add`")
            is_added = await service_keys.add(
                conn,
                key.id,
                principal_id=found.id,
                algorithm=key.algorithm,
                public_key=key.content,
                expires_at=datetime.now(UTC) + lifetime if lifetime is not None else None,
            )
            if not is_added:
                raise IdentityRefused(f"the key {key.id} is known already; a revoked one is not taken again")
            await record(conn, Event(actor, Action.KEY_ADD, f"service:{service}", detail={"key": key.id}))

        await self._db.transaction("add_service_key", add)

    async def revoke(self, key_id: str, *, actor: Actor, service: str | None = None) -> None:
        """Let a key, of a `service` where that is given, be valid no longer. Raise IdentityRefused, DelegationDenied."""

        async def revoke(conn: Connection) -> None:
            await require_administrator(conn, "service keys", by=actor.principal_id)
            is_key = key_id.isascii() and key_id.isprintable() and (service is None or is_word(service))
            if not is_key or not await service_keys.revoke(conn, key_id, service=service):
                raise IdentityUnknown(f"there is no valid key {key_id[:128]}")
            await record(conn, Event(actor, Action.KEY_REVOKE, f"key:{key_id}"))

        await self._db.transaction("revoke_service_key", revoke)

    async def listed(self, service: str, *, by: int | None) -> list[ServiceKeyListed]:
        """Return the keys of a service, valid or not, the last one first. Raise IdentityUnknown, DelegationDenied."""

        async def find(conn: Connection) -> list[ServiceKeyListed]:
            await require_administrator(conn, service, by=by)
            found = await find_principal(conn, service, kind="service")
            return await service_keys.listed(conn, principal_id=found.id)

        return await self._db.read("list_service_keys", find)
