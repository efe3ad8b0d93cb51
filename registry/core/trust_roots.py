"""Trust roots of organisations: certificate authorities, logs and timestamp authorities, by the names that policies use."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Final, NamedTuple

from registry.core.audit import Action, Actor, Event, record
from registry.core.delegation import administer, oversee
from registry.core.judge import PUBLIC_GOOD, Judge, is_text
from registry.db import trust_roots
from registry.db.pool import Connection, Database
from registry.db.trust_roots import ListedRootRow, RootRow
from registry.errors import IdentityRefused, IdentityUnknown, TrustRootRefused
from signing.limits import LARGEST_ROOT

MOST_ROOTS: Final = 20
"""Trust roots of an organisation: they go with each artifact that is judged."""
MOST_VERSIONS: Final = 1000
"""Versions of one, with those that removed it."""

_NAME: Final = re.compile(r"[a-z0-9]+(?:[._-][a-z0-9]+)*", re.ASCII)
_LONGEST_NAME: Final = 64


class TrustRoots:
    """The verbs of `blacklake admin trust-root`. `actor` and `by` are who asks (registry.core.delegation)."""

    def __init__(self, db: Database, judge: Judge) -> None:
        self._db = db
        self._judge = judge

    async def put(self, organisation: str, name: str, content: bytes, *, actor: Actor) -> int:
        """Let an organisation trust a `trusted_root.json` under a name, instead of what it did; return the version.

        Raise TrustRootRefused, IdentityRefused, IdentityUnknown, DelegationDenied, Unavailable.
        """
        _require_name(name)
        if len(content) > LARGEST_ROOT:
            raise IdentityRefused(f"the trust root has {len(content)} bytes; {LARGEST_ROOT} are the most")
        if not is_text(content):
            raise TrustRootRefused("it is not UTF-8")
        await self._db.read("find_organisation", lambda conn: oversee(conn, organisation, by=actor.principal_id))
        await self._judge.require_root(content)

        async def put(conn: Connection) -> int:
            organisation_id = await administer(conn, organisation, by=actor.principal_id)
            found = await trust_roots.find(conn, name, None, organisation_id=organisation_id)
            is_new = found is None or found.content is None
            if is_new and await trust_roots.count(conn, organisation_id=organisation_id) >= MOST_ROOTS:
                raise IdentityRefused(f"{organisation} has {MOST_ROOTS} trust roots, which are the most")
            if found is not None and found.version >= MOST_VERSIONS - 1:  # the last is kept for its removal
                raise IdentityRefused(f"trust root {name} has had {MOST_VERSIONS} versions, which are the most")
            version = await trust_roots.put(
                conn, name, content, organisation_id=organisation_id, created_by=actor.principal
            )
            detail = {"version": version, "bytes": len(content)}
            await record(conn, Event(actor, Action.TRUST_ROOT_SET, f"trust-root:{organisation}/{name}", detail=detail))
            return version

        return await self._db.transaction("set_trust_root", put)

    async def remove(self, organisation: str, name: str, *, actor: Actor) -> None:
        """Let an organisation trust something no longer; policies that name it admit nothing by it. Raise IdentityUnknown."""

        async def remove(conn: Connection) -> None:
            organisation_id = await administer(conn, organisation, by=actor.principal_id)
            found = await trust_roots.find(conn, name, None, organisation_id=organisation_id)
            if found is None or found.content is None:
                raise _unknown(organisation, name)
            version = await trust_roots.put(
                conn, name, None, organisation_id=organisation_id, created_by=actor.principal
            )
            target = f"trust-root:{organisation}/{name}"
            await record(conn, Event(actor, Action.TRUST_ROOT_REMOVE, target, detail={"version": version}))

        await self._db.transaction("remove_trust_root", remove)

    async def listed(self, organisation: str, *, by: int | None) -> list[ListedRootRow]:
        """Return what an organisation trusts, by name. Raise IdentityUnknown, DelegationDenied."""

        async def find(conn: Connection) -> list[ListedRootRow]:
            return await trust_roots.listed(conn, organisation_id=await oversee(conn, organisation, by=by))

        return await self._db.read("list_trust_roots", find)

    async def version(self, organisation: str, name: str, version: int | None, *, by: int | None) -> TrustRootVersion:
        """Return a version of a trust root, or the one that counts. Raise IdentityUnknown, DelegationDenied."""

        async def find(conn: Connection) -> RootRow | None:
            organisation_id = await oversee(conn, organisation, by=by)
            return await trust_roots.find(conn, name, version, organisation_id=organisation_id)

        row = await self._db.read("find_trust_root", find)
        if row is None or (version is None and row.content is None):
            raise _unknown(organisation, name, version)
        content = row.content.decode() if row.content is not None else None
        return TrustRootVersion(row.version, row.created_at, row.created_by, content)


class TrustRootVersion(NamedTuple):
    """A version of a trust root; `content` is None of the one that removed it."""

    version: int
    created_at: datetime
    created_by: str
    content: str | None


def _require_name(name: str) -> None:
    if _NAME.fullmatch(name) is None or len(name) > _LONGEST_NAME or name == PUBLIC_GOOD:
        raise IdentityRefused(
            f"trust root “{name[:128]}” can't be: a name has up to {_LONGEST_NAME} lower-case letters and digits,"
            f" with single '.', '_' or '-' between them, and is not {PUBLIC_GOOD}, which is built in"
        )


def _unknown(organisation: str, name: str, version: int | None = None) -> IdentityUnknown:
    of = f" with a version {version}" if version is not None else ""
    return IdentityUnknown(f"{organisation} has no trust root {name[:128]}{of}")
