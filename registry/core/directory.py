"""Who and what there is, page by page: never more than the asker may see, which the statements themselves decide.

`by` is the principal who asks, None the operator. Names that can't be names are of nobody, and nothing is after them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Final, TypeVar

from registry.core.delegation import unseen
from registry.core.pages import Page, page_of
from registry.core.subjects import is_word, parse_target
from registry.db import directory
from registry.db.directory import GrantRow, MemberRow, OrganisationRow, PrincipalRow, RoleRow
from registry.db.pool import Connection, Database
from registry.errors import IdentityUnknown

Row = TypeVar("Row")

LONGEST: Final = 1000
"""Items of a page."""


class Directory:
    """The lists of `blacklake admin` and of the admin API. Pages are of up to `limit` items, those after `after`."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def principals(
        self, kind: str, *, by: int | None, after: str = "", limit: int = LONGEST
    ) -> Page[PrincipalRow]:
        """Return users, robots or services by name."""
        return await self._page(
            lambda conn: directory.page_of_principals(conn, by=by, kind=kind, after=after, limit=limit + 1),
            limit,
            lambda row: row.name,
        )

    async def principal(self, kind: str, name: str, *, by: int | None) -> PrincipalRow:
        """Return a user, a robot or a service. Raise IdentityUnknown."""
        row = None
        if is_word(name):
            row = await self._db.read(
                "find_listed", lambda conn: directory.principal(conn, by=by, kind=kind, name=name)
            )
        if row is None:
            raise IdentityUnknown(f"there is no {kind} {name[:128]}")
        return row

    async def organisations(self, *, by: int | None, after: str = "", limit: int = LONGEST) -> Page[OrganisationRow]:
        """Return organisations by name."""
        return await self._page(
            lambda conn: directory.page_of_organisations(conn, by=by, after=after, limit=limit + 1),
            limit,
            lambda row: row.name,
        )

    async def organisation(self, name: str, *, by: int | None) -> OrganisationRow:
        """Return an organisation. Raise IdentityUnknown, DelegationDenied."""
        return await self._db.read("find_listed", lambda conn: _seen(conn, name, by))

    async def teams(self, organisation: str, *, by: int | None, after: str = "", limit: int = LONGEST) -> Page[str]:
        """Return the names of an organisation's teams. Raise IdentityUnknown, DelegationDenied."""

        async def find(conn: Connection) -> list[str]:
            await _seen(conn, organisation, by)
            return await directory.page_of_teams(conn, by=by, organisation=organisation, after=after, limit=limit + 1)

        return await self._page(find, limit, lambda name: name)

    async def members(
        self, organisation: str, team: str, *, by: int | None, after: str = "", limit: int = LONGEST
    ) -> Page[MemberRow]:
        """Return who is of a team, by name. Raise IdentityUnknown, DelegationDenied."""

        async def find(conn: Connection) -> list[MemberRow]:
            await _seen(conn, organisation, by)
            if not is_word(team) or not await directory.has_team(conn, by=by, organisation=organisation, team=team):
                raise IdentityUnknown(f"there is no team {organisation}/{team[:128]}")
            return await directory.page_of_members(
                conn, by=by, organisation=organisation, team=team, after=after, limit=limit + 1
            )

        return await self._page(find, limit, lambda row: row.name)

    async def roles(self, organisation: str, *, by: int | None, after: str = "", limit: int = LONGEST) -> Page[RoleRow]:
        """Return the roles that may be granted in an organisation, by name. Raise IdentityUnknown, DelegationDenied."""

        async def find(conn: Connection) -> list[RoleRow]:
            await _seen(conn, organisation, by)
            return await directory.page_of_roles(conn, by=by, organisation=organisation, after=after, limit=limit + 1)

        return await self._page(find, limit, lambda row: row.name)

    async def grants(
        self,
        *,
        by: int | None,
        subject: str | None = None,
        target: str | None = None,
        after: int = 0,
        limit: int = LONGEST,
    ) -> Page[GrantRow]:
        """Return grants, the oldest first; of a subject, or on the very target, where that is given. Raise IdentityRefused."""
        on = parse_target(target) if target is not None else None
        return await self._page(
            lambda conn: directory.page_of_grants(
                conn,
                by=by,
                subject=subject,
                target=on.path if on is not None else None,
                is_prefix=on is not None and on.is_prefix,
                after=after,
                limit=limit + 1,
            ),
            limit,
            lambda row: str(row.id),
        )

    async def _page(
        self, find: Callable[[Connection], Awaitable[Sequence[Row]]], limit: int, key: Callable[[Row], str]
    ) -> Page[Row]:
        return page_of(await self._db.read("list_directory", find), limit, key=key)


async def _seen(conn: Connection, name: str, by: int | None) -> OrganisationRow:
    row = await directory.organisation(conn, by=by, name=name) if is_word(name) else None
    if row is None:
        raise await unseen(conn, name, by=by)
    return row
