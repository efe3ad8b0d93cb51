"""Why somebody may do something or may not, in words, and who may: by the very decision (registry.core.access)."""

from __future__ import annotations

from typing import Final, NamedTuple

from mediatypes.names import RepositoryName
from registry.core.access import ANONYMOUS_ID, PUSH, Permission, organisation_of, path_of
from registry.core.delegation import oversee
from registry.core.subjects import Subject, find_subject, target_at
from registry.db import explaining, organisations, principals, rights
from registry.db.explaining import GrantRow, HolderRow
from registry.db.pool import Connection, Database
from registry.db.rights import RightsQuestion
from registry.errors import IdentityUnknown

_NEAR: Final = 5  # grants that are told where none permits it

_LEAST: Final = {
    Permission.PULL: "reader",
    Permission.PUSH: "writer",
    Permission.TAG_MOVE: "writer",
    Permission.SIGN: "writer",
    Permission.DELETE: "maintainer",
    Permission.GRANT: "maintainer",
    Permission.ADMIN: "admin",
}


class Explanation(NamedTuple):
    """Whether it is permitted; why, in a sentence; and, where it isn't, the grants that come near, a line each."""

    is_allowed: bool
    reason: str
    near: tuple[str, ...] = ()


class Holder(NamedTuple):
    """Who may do something, by name, which is "" of everybody, and as people are told; and by which grant."""

    name: str
    shown: str
    reason: str


class Explanations:
    """The verbs of `blacklake admin access`."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def explain(
        self, subject: str, name: RepositoryName, permission: Permission, *, by: int | None = None
    ) -> Explanation:
        """Say whether a subject may do something with a repository, there or not, and why.

        Raise IdentityRefused where the text is no subject, DelegationDenied where `by` asks neither of himself nor of what he
        administers.
        """

        async def explain(conn: Connection) -> Explanation:
            await explaining.hold(conn)
            if by is not None and not await _is_oneself(conn, subject, by):
                await _require_overview(conn, name, by)
            try:
                found = await find_subject(conn, subject)
            except IdentityUnknown as error:
                return Explanation(False, error.message)
            if found.principal is not None and found.principal.is_disabled:
                return Explanation(
                    False,
                    f"{subject} is disabled; `blacklake admin {found.principal.kind} enable {found.principal.name}` lets it"
                    " in again",
                )
            if await organisations.find(conn, organisation_of(name)) is None:
                return _without_organisation(found, name, permission)
            grants = await _grants(conn, found, name, permission)
            is_allowed = await _is_allowed(conn, found, name, permission, grants)
            return _explained(found, name, permission, grants, is_allowed=is_allowed)

        return await self._db.transaction("explain_access", explain)

    async def who_can(
        self,
        permission: Permission,
        name: RepositoryName,
        *,
        after: str | None = None,
        limit: int = 1000,
        by: int | None = None,
    ) -> list[Holder]:
        """Return who may do something with a repository, by names after `after`, everybody first.

        Raise IdentityUnknown, DelegationDenied where `by` doesn't administer it.
        """

        async def find(conn: Connection) -> list[HolderRow]:
            if by is not None:
                await _require_overview(conn, name, by)
            if await organisations.find(conn, organisation_of(name)) is None:
                raise IdentityUnknown(f"there is no organisation {organisation_of(name)}")
            return await explaining.holders(
                conn,
                organisation=organisation_of(name),
                path=path_of(name),
                permission=permission,
                after=after,
                limit=limit,
            )

        return [_holder(row) for row in await self._db.read("who_can", find)]


async def _is_oneself(conn: Connection, subject: str, by: int) -> bool:
    own = await principals.standing(conn, by)
    return own is not None and subject == f"user:{own.name}"


async def _require_overview(conn: Connection, name: RepositoryName, by: int) -> None:
    """Raise DelegationDenied unless somebody administers a repository's organisation, or the registry."""
    if not await rights.is_administrator(conn, by):
        await oversee(conn, organisation_of(name), by=by)


async def _grants(conn: Connection, subject: Subject, name: RepositoryName, permission: Permission) -> list[GrantRow]:
    asked = {"organisation": organisation_of(name), "path": path_of(name), "permission": permission}
    if subject.team_id is not None:
        return await explaining.of_team(conn, subject.team_id, **asked, limit=_NEAR)
    assert subject.principal_id is not None
    return await explaining.of_principal(conn, subject.principal_id, **asked, limit=_NEAR)


async def _is_allowed(
    conn: Connection, subject: Subject, name: RepositoryName, permission: Permission, grants: list[GrantRow]
) -> bool:
    if subject.principal_id is None:  # a team doesn't call
        return any(grant.is_on and permission in grant.permissions for grant in grants)
    question = RightsQuestion(subject.principal_id, organisation_of(name), path_of(name))
    decided = (await rights.decide(conn, [question]))[0]
    return decided.is_admin or permission in decided.permissions


def _without_organisation(subject: Subject, name: RepositoryName, permission: Permission) -> Explanation:
    """Do as the decision does: who may do everything is let through, but a push makes no organisation."""
    organisation = organisation_of(name)
    is_allowed = subject.principal is not None and subject.principal.is_admin and permission not in PUSH
    return Explanation(
        is_allowed, f"there is no organisation {organisation}; `blacklake admin org add {organisation}` adds it"
    )


def _explained(
    subject: Subject, name: RepositoryName, permission: Permission, grants: list[GrantRow], *, is_allowed: bool
) -> Explanation:
    what = f"{permission} on {name}"
    if not is_allowed:
        role, path = _LEAST[permission], path_of(name)
        needed = (
            "nobody who isn't known may do more than pull"
            if subject.principal_id == ANONYMOUS_ID and permission is not Permission.PULL
            else f"`blacklake admin grant add {subject.text} {role} {path}` would"
        )
        near = tuple(_near(grant, subject) for grant in grants if grant.is_on or permission in grant.permissions)
        return Explanation(False, f"no grant to {subject.text} permits {what}; {needed}", near)
    if subject.principal is not None and subject.principal.is_admin:
        return Explanation(True, f"{subject.text} may do everything here, and so {what}")
    return Explanation(True, f"{_shown(grants[0], subject)} permits {what}")


def _near(grant: GrantRow, subject: Subject) -> str:
    permitted = ", ".join(sorted(grant.permissions))
    return f"{_shown(grant, subject)} permits {permitted}" + ("" if grant.is_on else ", but elsewhere")


def _shown(grant: GrantRow, subject: Subject) -> str:
    target = target_at(grant.target, is_prefix=grant.is_prefix)
    if grant.is_public:
        whom = "everybody"
    elif grant.team is not None:
        whom = f"team:{target.organisation}/{grant.team}"
    else:
        whom = subject.text
    return f"role {grant.role} on {target}, granted to {whom},"


def _holder(row: HolderRow) -> Holder:
    shown = row.name or "everybody"
    if row.role is None or row.target is None:
        return Holder(row.name, shown, "may do everything here")
    target = target_at(row.target, is_prefix=bool(row.is_prefix))
    return Holder(
        row.name, shown, f"role {row.role} on {target}" + (f", by team {row.team}" if row.team is not None else "")
    )
