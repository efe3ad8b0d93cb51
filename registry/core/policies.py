"""Policies of organisations: stored in versions that never change, for a target, and for pulls or moves of tags."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Final, NamedTuple

from registry.core.audit import Action, Actor, Event, record
from registry.core.delegation import administer, oversee
from registry.core.judge import PUBLIC_GOOD, Judge, ReadPolicy, is_text
from registry.core.subjects import Target, parse_target
from registry.db import policies, trust_roots
from registry.db.policies import ListedPolicyRow, PolicyKey, Scope, VersionRow
from registry.db.pool import Connection, Database
from registry.errors import IdentityRefused, IdentityUnknown, PolicyRefused
from signing.limits import LARGEST_POLICY

MOST_POLICIES: Final = 100
"""Policies of an organisation: an artifact may have to be judged by all of them."""
MOST_VERSIONS: Final = 1000
"""Versions of a policy, with those that removed it."""

_MOST_PATTERNS: Final = 20
_PATTERN: Final = re.compile(r"[A-Za-z0-9_.*-]{1,128}", re.ASCII)


class ListedPolicy(NamedTuple):
    """A policy as lists tell it: the version that counts."""

    target: str
    name: str
    version: int
    mode: str
    on: str
    tags: list[str]
    created_at: datetime
    created_by: str


class PolicyVersion(NamedTuple):
    """A version of a policy; `content` is None of the one that removed it."""

    version: int
    mode: str
    on: str
    tags: list[str]
    created_at: datetime
    created_by: str
    content: str | None


class SetPolicy(NamedTuple):
    """What has been set: the policy's name and its new version."""

    name: str
    version: int


class Policies:
    """The verbs of `blacklake admin policy`. `actor` and `by` are who asks (registry.core.delegation)."""

    def __init__(self, db: Database, judge: Judge) -> None:
        self._db = db
        self._judge = judge

    async def put(
        self, target: str, content: bytes, *, on: str = "both", tags: Sequence[str] = (), actor: Actor
    ) -> SetPolicy:
        """Let a policy decide on the artifacts of a target, instead of the version that does: `on` pull, tag or both.

        Its name stands in it. `tags` are patterns of those whose moves it decides on. Raise PolicyRefused, IdentityRefused,
        IdentityUnknown, DelegationDenied, Unavailable.
        """
        where, scope = parse_target(target), _scope(on, tags)
        if len(content) > LARGEST_POLICY:
            raise IdentityRefused(f"the policy has {len(content)} bytes; {LARGEST_POLICY} are the most")
        if not is_text(content):
            raise PolicyRefused([("", "is not UTF-8")])
        await self._db.read("find_organisation", lambda conn: oversee(conn, where.organisation, by=actor.principal_id))
        read = await self._judge.read_policy(content)

        async def put(conn: Connection) -> int:
            organisation_id = await administer(conn, where.organisation, by=actor.principal_id)
            trusted = {row.name for row in await trust_roots.listed(conn, organisation_id=organisation_id)}
            if missing := sorted(read.roots - trusted - {PUBLIC_GOOD}):
                raise IdentityRefused(
                    f"policy {read.name} names the trust root {', '.join(missing)}, which {where.organisation} doesn't have;"
                    " add it first"
                )
            key = PolicyKey(where.path, where.is_prefix, read.name)
            found = await policies.find(conn, key, None, organisation_id=organisation_id)
            is_new = found is None or found.content is None
            if is_new and await policies.count(conn, organisation_id=organisation_id) >= MOST_POLICIES:
                raise IdentityRefused(f"{where.organisation} has {MOST_POLICIES} policies, which are the most")
            if found is not None and found.version >= MOST_VERSIONS - 1:  # the last is kept for its removal
                raise IdentityRefused(
                    f"policy {read.name} on {where} has had {MOST_VERSIONS} versions, which are the most"
                )
            version = await policies.put(
                conn,
                key,
                content,
                mode=read.mode,
                scope=scope,
                organisation_id=organisation_id,
                created_by=actor.principal,
            )
            await record(conn, Event(actor, Action.POLICY_SET, str(where), detail=_detail(read, scope, version)))
            return version

        return SetPolicy(read.name, await self._db.transaction("set_policy", put))

    async def remove(self, target: str, name: str, *, actor: Actor) -> None:
        """Let a policy decide no longer; its versions stay readable. Raise IdentityUnknown, DelegationDenied."""
        where = parse_target(target)

        async def remove(conn: Connection) -> None:
            organisation_id = await administer(conn, where.organisation, by=actor.principal_id)
            key = PolicyKey(where.path, where.is_prefix, name)
            found = await policies.find(conn, key, None, organisation_id=organisation_id)
            if found is None or found.content is None:
                raise _unknown(where, name)
            version = await policies.put(
                conn,
                key,
                None,
                mode=found.mode,
                scope=Scope(found.on_pull, found.on_tag, tuple(found.tags)),
                organisation_id=organisation_id,
                created_by=actor.principal,
            )
            detail = {"policy": name, "version": version}
            await record(conn, Event(actor, Action.POLICY_REMOVE, str(where), detail=detail))

        await self._db.transaction("remove_policy", remove)

    async def listed(self, organisation: str, *, by: int | None) -> list[ListedPolicy]:
        """Return the policies of an organisation that count, by target. Raise IdentityUnknown, DelegationDenied."""

        async def find(conn: Connection) -> list[ListedPolicyRow]:
            return await policies.listed(conn, organisation_id=await oversee(conn, organisation, by=by))

        return [
            ListedPolicy(
                str(Target(organisation, row.target, row.is_prefix)),
                row.name,
                row.version,
                row.mode,
                on_of(row.on_pull, row.on_tag),
                row.tags,
                row.created_at,
                row.created_by,
            )
            for row in await self._db.read("list_policies", find)
        ]

    async def version(self, target: str, name: str, version: int | None, *, by: int | None) -> PolicyVersion:
        """Return a version of a policy, the one that counts where none is given. Raise IdentityUnknown, DelegationDenied."""
        where = parse_target(target)

        async def find(conn: Connection) -> VersionRow | None:
            organisation_id = await oversee(conn, where.organisation, by=by)
            key = PolicyKey(where.path, where.is_prefix, name)
            return await policies.find(conn, key, version, organisation_id=organisation_id)

        row = await self._db.read("find_policy", find)
        if row is None or (version is None and row.content is None):
            raise _unknown(where, name, version)
        return _told(row)

    async def history(self, target: str, name: str, *, by: int | None) -> list[PolicyVersion]:
        """Return all versions of a policy, the newest first. Raise IdentityUnknown, DelegationDenied."""
        where = parse_target(target)

        async def find(conn: Connection) -> list[VersionRow]:
            organisation_id = await oversee(conn, where.organisation, by=by)
            key = PolicyKey(where.path, where.is_prefix, name)
            return await policies.history(conn, key, organisation_id=organisation_id, limit=MOST_VERSIONS)

        rows = await self._db.read("list_policy_versions", find)
        if not rows:
            raise _unknown(where, name)
        return [_told(row)._replace(content=None) for row in rows]


def on_of(on_pull: bool, on_tag: bool) -> str:
    """Say when a policy decides."""
    return "both" if on_pull and on_tag else "pull" if on_pull else "tag"


def _scope(on: str, tags: Sequence[str]) -> Scope:
    """Return when a policy decides. Raise IdentityRefused."""
    if on not in ("pull", "tag", "both"):
        raise IdentityRefused(f"“{on[:64]}” is none of pull, tag and both")
    if tags and on == "pull":
        raise IdentityRefused(
            "patterns of tags are for moves of tags; a pull is judged by what is pulled, whatever names it"
        )
    if len(tags) > _MOST_PATTERNS:
        raise IdentityRefused(f"{len(tags)} patterns of tags are given; {_MOST_PATTERNS} are the most")
    for pattern in tags:
        if _PATTERN.fullmatch(pattern) is None:
            raise IdentityRefused(
                f"“{pattern[:128]}” is no pattern of tags: letters, digits, `_`, `.`, `-`, and `*` for any"
            )
    return Scope(on != "tag", on != "pull", tuple(tags))


def _told(row: VersionRow) -> PolicyVersion:
    return PolicyVersion(
        row.version,
        row.mode,
        on_of(row.on_pull, row.on_tag),
        row.tags,
        row.created_at,
        row.created_by,
        row.content.decode() if row.content is not None else None,
    )


def _detail(read: ReadPolicy, scope: Scope, version: int) -> dict[str, object]:
    detail: dict[str, object] = {
        "policy": read.name,
        "version": version,
        "mode": read.mode,
        "on": on_of(scope.on_pull, scope.on_tag),
    }
    return detail | ({"tags": list(scope.tags)} if scope.tags else {})


def _unknown(where: Target, name: str, version: int | None = None) -> IdentityUnknown:
    of = f" with a version {version}" if version is not None else ""
    return IdentityUnknown(f"there is no policy {name[:128]} on {where}{of}")
