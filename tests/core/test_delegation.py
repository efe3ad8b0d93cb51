"""Who may change rights, and no more than is his to give."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable

import asyncpg
import pytest

from mediatypes.names import RepositoryName
from registry.core.access import Access, Caller
from registry.core.api_keys import ApiKeys
from registry.core.identities import Identities
from registry.core.roles import Roles
from registry.core.teams import Teams
from registry.db.pool import Database
from registry.errors import DelegationDenied, IdentityRefused, IdentityUnknown
from tests.actors import OPERATOR, acting

NAME = RepositoryName("acme/models/bert")


class Installation:
    """In acme boss administers all; in models/* lead maintains, head administers and hand writes; tim maintains data.

    bob may do nothing, root everything.
    """

    def __init__(self, db: Database) -> None:
        self.identities, self.teams, self.roles = Identities(db), Teams(db), Roles(db)
        self.keys = ApiKeys(db)
        self.ids: dict[str, int] = {}

    async def fill(self, sql: asyncpg.Connection) -> None:
        for name in ("boss", "lead", "hand", "bob", "head", "tim", "root"):
            await self.identities.add_user(name, password_hash=None, is_admin=name == "root", actor=OPERATOR)
        for name in ("acme", "other"):
            await self.identities.add_organisation(name, actor=OPERATOR)
        for name in ("acme+ci", "other+ci"):
            await self.identities.add_robot(name, actor=OPERATOR)
        await self.teams.add("acme/ml", actor=OPERATOR)
        await self.teams.add("other/ml", actor=OPERATOR)
        await self.roles.add("acme/keeper", ["admin"], actor=OPERATOR)
        await self.identities.grant("user:boss", "admin", "acme", actor=OPERATOR)
        await self.identities.grant("user:lead", "maintainer", "acme/models/*", actor=OPERATOR)
        await self.identities.grant("user:head", "admin", "acme/models/*", actor=OPERATOR)
        await self.identities.grant("user:hand", "writer", "acme/models/*", actor=OPERATOR)
        await self.identities.grant("user:tim", "maintainer", "acme/data", actor=OPERATOR)
        self.ids = dict(map(tuple, await sql.fetch("SELECT name, id FROM principals")))


@pytest.fixture
async def there(database: Database, sql: asyncpg.Connection) -> Installation:
    made = Installation(database)
    await made.fill(sql)
    return made


@pytest.mark.parametrize(
    ("by", "role", "target", "is_his"),
    [
        ("lead", "maintainer", "acme/models/*", True),
        ("lead", "writer", "acme/models/bert", True),
        ("lead", "reader", "acme/models/bert*", True),
        ("lead", "admin", "acme/models/bert", False),
        ("lead", "keeper", "acme/models/bert", False),
        ("lead", "reader", "acme", False),
        ("lead", "reader", "acme/*", False),
        ("lead", "reader", "acme/model*", False),
        ("lead", "reader", "acme/models", False),
        ("lead", "reader", "acme/models-b/a", False),
        ("lead", "reader", "other/models/a", False),
        ("lead", "reader", "none/models/a", False),
        ("tim", "writer", "acme/data", True),
        ("tim", "reader", "acme/data*", False),
        ("tim", "reader", "acme/data/a", False),
        ("head", "admin", "acme/models/bert", True),
        ("head", "reader", "acme/data", False),
        ("hand", "reader", "acme/models/bert", False),
        ("bob", "reader", "acme/models/bert", False),
        ("boss", "admin", "acme", True),
        ("boss", "keeper", "acme/anything*", True),
        ("boss", "reader", "other", False),
        ("root", "admin", "other", True),
    ],
)
async def test_who_grants_or_takes_back_holds_it_himself_on_all_of_the_target(
    there: Installation, by: str, role: str, target: str, is_his: bool
) -> None:
    await there.roles.add("other/keeper", ["admin"], actor=OPERATOR)
    if is_his:
        await there.identities.grant("user:bob", role, target, actor=acting(there.ids[by]))
        await there.identities.revoke("user:bob", role, target, actor=acting(there.ids[by]))
        return
    with pytest.raises(DelegationDenied):
        await there.identities.grant("user:bob", role, target, actor=acting(there.ids[by]))
    if not target.startswith("none"):
        await there.identities.grant("user:bob", role, target, actor=OPERATOR)
    with pytest.raises(DelegationDenied):
        await there.identities.revoke("user:bob", role, target, actor=acting(there.ids[by]))


async def test_what_is_granted_to_a_team_counts_and_what_was_lost_does_not(there: Installation) -> None:
    bob = there.ids["bob"]
    await there.identities.grant("team:acme/ml", "maintainer", "acme/data", actor=OPERATOR)
    await there.teams.add_member("acme/ml", "bob", actor=OPERATOR)
    await there.identities.grant("user:hand", "reader", "acme/data", actor=acting(bob))
    await there.teams.remove_member("acme/ml", "bob", actor=OPERATOR)
    with pytest.raises(DelegationDenied):
        await there.identities.revoke("user:hand", "reader", "acme/data", actor=acting(bob))
    await there.teams.add_member("acme/ml", "bob", actor=OPERATOR)
    await there.identities.disable("bob", actor=OPERATOR)
    with pytest.raises(DelegationDenied):
        await there.identities.revoke("user:hand", "reader", "acme/data", actor=acting(bob))


async def test_nobody_who_has_just_lost_a_right_passes_it_on(there: Installation, database: Database) -> None:
    """Whichever comes first: what is granted after the loss would outlive it."""
    lead = there.ids["lead"]
    for number in range(20):
        subject, target = "user:bob", f"acme/models/{number}"
        outcomes = await asyncio.gather(
            there.identities.revoke("user:lead", "maintainer", "acme/models/*", actor=OPERATOR),
            there.identities.grant(subject, "maintainer", target, actor=acting(lead)),
            return_exceptions=True,
        )
        assert outcomes[0] is None
        assert outcomes[1] is None or isinstance(outcomes[1], DelegationDenied)
        with pytest.raises(DelegationDenied):
            await there.identities.grant(subject, "reader", target, actor=acting(lead))
        await there.identities.grant("user:lead", "maintainer", "acme/models/*", actor=OPERATOR)


@pytest.mark.parametrize("by", ["lead", "head", "hand", "bob", "boss", "root", None])
async def test_teams_roles_and_robots_are_their_organisation_s_administrators_and_users_the_registry_s(
    there: Installation, by: str | None
) -> None:
    who = there.ids[by] if by is not None else None
    number = itertools.count()
    of_acme: list[Callable[[], Awaitable[object]]] = [
        lambda: there.teams.add(f"acme/t{next(number)}", actor=acting(who)),
        lambda: there.teams.add_member("acme/ml", "bob", actor=acting(who)),
        lambda: there.teams.remove_member("acme/ml", "bob", actor=acting(who)),
        lambda: there.teams.delete("acme/ml", actor=acting(who)),
        lambda: there.roles.add("acme/r", ["pull"], actor=acting(who)),
        lambda: there.roles.delete("acme/r", actor=acting(who)),
        lambda: there.identities.add_robot("acme+new", actor=acting(who)),
        lambda: there.identities.disable("acme+ci", actor=acting(who)),
        lambda: there.identities.enable("acme+ci", actor=acting(who)),
        lambda: there.identities.delete("acme+ci", actor=acting(who)),
    ]
    of_all: list[Callable[[], Awaitable[object]]] = [
        lambda: there.teams.add("other/t", actor=acting(who)),
        lambda: there.identities.disable("other+ci", actor=acting(who)),
        lambda: there.identities.disable("hand", actor=acting(who)),
        lambda: there.identities.enable("hand", actor=acting(who)),
        lambda: there.identities.delete("hand", actor=acting(who)),
    ]
    for verbs, may in ((of_acme, by in ("boss", "root", None)), (of_all, by in ("root", None))):
        for verb in verbs:
            if may:
                await verb()
            else:
                with pytest.raises(DelegationDenied):
                    await verb()


async def test_who_may_not_change_rights_waits_for_nobody_and_nobody_for_him(
    there: Installation, sql: asyncpg.Connection
) -> None:
    """Whoever needs no right for it could stop all changes in an organisation otherwise, and look how busy it is."""
    bob = acting(there.ids["bob"])
    async with sql.transaction():
        await sql.execute("SELECT FROM organisations WHERE name = 'acme' FOR UPDATE")
        for attempt in (
            there.identities.grant("user:bob", "reader", "acme/data", actor=bob),
            there.identities.add_robot("acme+new", actor=bob),
            there.teams.add("acme/new", actor=bob),
            there.keys.add("acme+ci", "k", b"h", lifetime=None, actor=bob),
        ):
            with pytest.raises(DelegationDenied):
                await asyncio.wait_for(attempt, 10)


async def test_everybody_is_let_pull_and_nothing_else(there: Installation) -> None:
    await there.roles.add("acme/puller", ["pull"], actor=OPERATOR)
    await there.identities.grant("anonymous", "puller", "acme/data", actor=OPERATOR)
    for role in ("writer", "maintainer", "admin", "keeper"):
        with pytest.raises(IdentityRefused, match="pull and nothing else"):
            await there.identities.grant("anonymous", role, "acme/data", actor=OPERATOR)


async def test_teams_and_robots_hold_rights_in_their_organisation_only(there: Installation) -> None:
    for subject in ("team:other/ml", "user:other+ci"):
        with pytest.raises(IdentityRefused, match="another organisation"):
            await there.identities.grant(subject, "reader", "acme", actor=OPERATOR)
    with pytest.raises(IdentityRefused, match="another organisation"):
        await there.teams.add_member("acme/ml", "other+ci", actor=OPERATOR)


@pytest.mark.parametrize(
    "attempt",
    [
        lambda there: there.roles.add("acme/reader", ["push"], actor=OPERATOR),
        lambda there: there.roles.add("acme/r", ["grant"], actor=OPERATOR),
        lambda there: there.roles.add("acme/r", [], actor=OPERATOR),
        lambda there: there.roles.add("acme/r", ["fly"], actor=OPERATOR),
        lambda there: there.roles.add("acme/R", ["pull"], actor=OPERATOR),
        lambda there: there.roles.add("none/r", ["pull"], actor=OPERATOR),
        lambda there: there.roles.delete("acme/reader", actor=OPERATOR),
        lambda there: there.roles.delete("acme/none", actor=OPERATOR),
        lambda there: there.roles.delete("acme/\0", actor=OPERATOR),
        lambda there: there.roles.delete("\0/r", actor=OPERATOR),
        lambda there: there.teams.delete("acme/\0", actor=OPERATOR),
        lambda there: there.teams.add_member("acme/ml", "\0", actor=OPERATOR),
        lambda there: there.identities.grant("user:bob", "\0", "acme", actor=OPERATOR),
        lambda there: there.identities.grant("user:bob", "reader", "\0", actor=OPERATOR),
        lambda there: there.identities.grant("user:bob", "reader", "acme/\0*", actor=OPERATOR),
        lambda there: there.keys.add("bob", "\0", b"k", lifetime=None, actor=OPERATOR),
        lambda there: there.keys.add("\0", "k", b"k", lifetime=None, actor=OPERATOR),
        lambda there: there.identities.add_user("\0", password_hash=None, is_admin=False, actor=OPERATOR),
        lambda there: there.teams.add("acme/", actor=OPERATOR),
        lambda there: there.teams.add("acme", actor=OPERATOR),
        lambda there: there.teams.add("acme/a/b", actor=OPERATOR),
        lambda there: there.teams.add("acme/ml", actor=OPERATOR),
        lambda there: there.teams.delete("acme/none", actor=OPERATOR),
        lambda there: there.teams.add_member("acme/none", "bob", actor=OPERATOR),
        lambda there: there.teams.add_member("acme/ml", "nobody", actor=OPERATOR),
        lambda there: there.teams.remove_member("acme/ml", "bob", actor=OPERATOR),
        lambda there: there.identities.add_user("acme+x", password_hash=None, is_admin=False, actor=OPERATOR),
        lambda there: there.identities.add_robot("acme", actor=OPERATOR),
        lambda there: there.identities.add_robot("acme+a+b", actor=OPERATOR),
        lambda there: there.identities.add_robot("acme+ci", actor=OPERATOR),
        lambda there: there.identities.disable("", actor=OPERATOR),
        lambda there: there.identities.delete("nobody", actor=OPERATOR),
        lambda there: there.identities.grant("user:lead", "maintainer", "acme/models/*", actor=OPERATOR),
    ],
)
async def test_what_can_not_be_is_refused_in_a_sentence(
    there: Installation, attempt: Callable[[Installation], Awaitable[object]]
) -> None:
    with pytest.raises(IdentityRefused):
        await attempt(there)


async def test_who_is_disabled_loses_what_was_decided_and_his_sessions_and_gets_no_session_back(
    there: Installation, database: Database, sql: asyncpg.Connection
) -> None:
    access, hand = Access(database), Caller(there.ids["hand"], "hand")
    assert await access.permitted(hand, NAME)
    await sql.execute(
        "INSERT INTO sessions (id, principal_id, service, client, expires_at, ends_at)"
        " VALUES (gen_random_uuid(), $1, 's', 'c', now() + interval '1 day', now() + interval '1 day')",
        there.ids["hand"],
    )
    await there.identities.disable("hand", actor=OPERATOR)
    with pytest.raises(IdentityUnknown):
        await there.keys.add("hand", "k", b"k", lifetime=None, actor=OPERATOR)
    # Rights of who is disabled can be taken, too.
    await there.identities.revoke("user:hand", "writer", "acme/models/*", actor=OPERATOR)
    await there.identities.enable("hand", actor=OPERATOR)
    assert await access.permitted(hand, NAME) == frozenset()
    assert await sql.fetchval("SELECT revoked_at IS NOT NULL FROM sessions")


async def test_a_role_that_is_deleted_takes_its_grants_along(there: Installation, database: Database) -> None:
    access, bob = Access(database), Caller(there.ids["bob"], "bob")
    await there.identities.grant("user:bob", "keeper", "acme", actor=OPERATOR)
    assert await access.permitted(bob, NAME)
    assert await there.roles.delete("acme/keeper", actor=OPERATOR) == 1
    assert not await access.permitted(bob, NAME)
