"""Who may do what is what the rules say, for any organisations, teams, roles, grants and requests, and after any change."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple, TypeVar

import asyncpg
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from mediatypes.digest import Digest
from mediatypes.names import RepositoryName
from registry.core.access import (
    DELETE,
    PULL,
    PUSH,
    Access,
    Bound,
    Caller,
    Permission,
    organisation_of,
    path_of,
    pullable,
)
from registry.core.explanations import Explanations
from registry.core.identities import Identities
from registry.core.roles import CUSTOM, Roles
from registry.core.teams import Teams
from registry.db import blobs
from registry.db.pool import Connection, Database
from registry.db.rights import Epochs, visible
from registry.errors import AccessLost, AccessMissing, IdentityRefused, OrganisationUnknown
from tests.actors import OPERATOR

T = TypeVar("T")

USERS = ["ada", "bob", "eve", "root"]  # root may do everything
ORGANISATIONS = ["team", "team-b", "library", "t"]
TEAMS = ["red", "blue"]
ROBOTS = ["team+ci", "team-b+ci"]
PRINCIPALS = [*USERS, *ROBOTS]
ROLES = {
    "reader": {"pull"},
    "writer": {"pull", "push", "tag-move", "sign"},
    "maintainer": {"pull", "push", "delete", "tag-move", "sign", "grant"},
    "admin": {"pull", "push", "delete", "tag-move", "sign", "grant", "admin"},
}
# Names that look alike, of one segment, of several, of no organisation, and such as no client can push to.
NAMES = [
    "team", "team-b", "a", "bert", "team/a", "team/ab", "team/a-b", "team/a/b", "team/a/bc", "team-b/a", "team-b/a/b",
    "library/bert", "library/a", "t/a", "t/team/a", "other/a", "Team/a", "team/A",
    "team/..", "team/../team-b/a", "team/a*", "team//a",
]  # fmt: skip
TARGETS = [
    "team", "team-b", "library", "t", "team/*", "team/a", "team/a*", "team/a/*", "team/a-*", "team/a/b", "team-b/a",
    "team-b/a*", "library/bert", "library/b*", "library/a", "t/a", "t/team*",
]  # fmt: skip


OF_TEAMS = [f"{organisation}/{team}" for organisation in ORGANISATIONS for team in TEAMS]
SUBJECTS = ["anonymous", *(f"user:{name}" for name in PRINCIPALS), *(f"team:{team}" for team in OF_TEAMS)]


class Grant(NamedTuple):
    subject: str
    role: str
    target: str


@dataclass
class Model:
    """The rules."""

    organisations: set[str] = field(default_factory=set)
    principals: set[str] = field(default_factory=set)
    disabled: set[str] = field(default_factory=set)
    members: set[tuple[str, str]] = field(default_factory=set)  # team, principal
    roles: dict[str, set[str]] = field(default_factory=dict)  # ORG/ROLE
    grants: set[Grant] = field(default_factory=set)

    def permitted(self, who: str, name: str) -> set[str]:
        """Return what a principal ("": nobody in particular) may do with a repository."""
        if who in self.disabled or who not in {*self.principals, ""}:
            return set()
        if who == "root":
            return ROLES["admin"]
        path = name if "/" in name else f"library/{name}"
        subjects = {"anonymous", f"user:{who}", *(f"team:{team}" for team, member in self.members if member == who)}
        held = [grant for grant in self.grants if grant.subject in subjects and covers(grant.target, path)]
        return set().union(
            *(ROLES.get(grant.role) or self.roles[f"{grant.target.split('/')[0]}/{grant.role}"] for grant in held)
        )


def covers(target: str, path: str) -> bool:
    if target.endswith("*"):
        return path.startswith(target[:-1])
    return path == target if "/" in target else path.partition("/")[0] == target and "/" in path


class RightsMachine(RuleBasedStateMachine):
    """Changes come from one node; decisions are made by it and by another, which keep what they have decided."""

    url: str

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.databases = [Database(self.url, size=3, timeout=10) for _ in range(2)]
        self.model = Model()
        self.ids = {"": 0}
        self.do(self._open())
        self.access = [Access(db) for db in self.databases]
        self.identities, self.teams = Identities(self.databases[0]), Teams(self.databases[0])
        self.roles, self.explanations = Roles(self.databases[0]), Explanations(self.databases[1])

    async def _open(self) -> None:
        self.sql = await asyncpg.connect(self.url)
        await self.sql.execute(
            "DELETE FROM organisations; DELETE FROM principals WHERE id > 0; DELETE FROM repositories"
        )
        await self.sql.executemany("INSERT INTO repositories (name) VALUES ($1)", [(name,) for name in NAMES])
        for db in self.databases:
            await db.open()

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(work)

    def tries(self, work: Coroutine[Any, Any, object]) -> bool:
        """Say whether something could be done."""
        try:
            self.do(work)
        except IdentityRefused:
            return False
        return True

    @initialize(
        few=st.sets(st.sampled_from(ORGANISATIONS), min_size=1),
        members=st.sets(st.tuples(st.sampled_from(sorted(OF_TEAMS)), st.sampled_from(PRINCIPALS)), max_size=6),
        grants=st.lists(
            st.tuples(st.sampled_from(SUBJECTS), st.sampled_from(sorted(ROLES)), st.sampled_from(TARGETS)), max_size=20
        ),
    )
    def begin(self, few: set[str], members: set[tuple[str, str]], grants: list[tuple[str, str, str]]) -> None:
        for name in sorted(few):
            self.add_organisation(name)
        for name in USERS:
            self.add_user(name)
        for team, member in sorted(members):
            self.add_member(team, member)
        for subject, role, on in grants:
            self.grant(subject, role, on)

    @rule(name=st.sampled_from(ORGANISATIONS))
    def add_organisation(self, name: str) -> None:
        assert self.tries(self.identities.add_organisation(name, actor=OPERATOR)) == (
            name not in self.model.organisations
        )
        self.model.organisations.add(name)

    @rule(name=st.sampled_from(USERS))
    def add_user(self, name: str) -> None:
        added = self.tries(self.identities.add_user(name, password_hash=None, is_admin=name == "root", actor=OPERATOR))
        assert added == (name not in self.model.principals)
        self._is_there(name)

    @rule(name=st.sampled_from(ROBOTS))
    def add_robot(self, name: str) -> None:
        can = name.partition("+")[0] in self.model.organisations and name not in self.model.principals
        assert self.tries(self.identities.add_robot(name, actor=OPERATOR)) == can
        if can:
            self._is_there(name)

    def _is_there(self, name: str) -> None:
        self.model.principals.add(name)
        self.ids[name] = self.do(self.sql.fetchval("SELECT id FROM principals WHERE name = $1", name))

    @rule(name=st.sampled_from(PRINCIPALS))
    def disable(self, name: str) -> None:
        can = self._may_go(name)
        assert self.tries(self.identities.disable(name, actor=OPERATOR)) == can
        if can:
            self.model.disabled.add(name)

    def _may_go(self, name: str) -> bool:
        """Say whether somebody may be disabled or deleted, as the last administrator may not."""
        return name in self.model.principals and name != "root"

    @rule(name=st.sampled_from(PRINCIPALS))
    def enable(self, name: str) -> None:
        assert self.tries(self.identities.enable(name, actor=OPERATOR)) == (name in self.model.principals)
        self.model.disabled.discard(name)

    @rule(name=st.sampled_from(PRINCIPALS))
    def delete(self, name: str) -> None:
        can = self._may_go(name)
        assert self.tries(self.identities.delete(name, actor=OPERATOR)) == can
        if not can:
            return
        model = self.model
        model.principals.discard(name)
        model.disabled.discard(name)
        model.members = {(team, member) for team, member in model.members if member != name}
        model.grants = {grant for grant in model.grants if grant.subject != f"user:{name}"}

    @rule(team=st.sampled_from(OF_TEAMS))
    def delete_team(self, team: str) -> None:
        if self.tries(self.teams.delete(team, actor=OPERATOR)):
            model = self.model
            model.members = {(of, member) for of, member in model.members if of != team}
            model.grants = {grant for grant in model.grants if grant.subject != f"team:{team}"}

    @rule(team=st.sampled_from(OF_TEAMS), member=st.sampled_from(PRINCIPALS))
    def add_member(self, team: str, member: str) -> None:
        self.tries(self.teams.add(team, actor=OPERATOR))
        if self.tries(self.teams.add_member(team, member, actor=OPERATOR)):
            assert "+" not in member or member.partition("+")[0] == team.partition("/")[0]
            self.model.members.add((team, member))

    @precondition(lambda self: self.model.members)
    @rule(data=st.data())
    def remove_member(self, data: st.DataObject) -> None:
        team, member = data.draw(st.sampled_from(sorted(self.model.members)))
        self.do(self.teams.remove_member(team, member, actor=OPERATOR))
        self.model.members.remove((team, member))

    @rule(
        organisation=st.sampled_from(ORGANISATIONS),
        role=st.sampled_from(["own", "other", "reader"]),
        permissions=st.sets(st.sampled_from(CUSTOM), max_size=3),
    )
    def add_role(self, organisation: str, role: str, permissions: set[Permission]) -> None:
        name = f"{organisation}/{role}"
        can = (
            permissions
            and organisation in self.model.organisations
            and role != "reader"
            and name not in self.model.roles
        )
        assert self.tries(self.roles.add(name, permissions, actor=OPERATOR)) == bool(can)
        if can:
            self.model.roles[name] = set(map(str, permissions))

    @rule(organisation=st.sampled_from(ORGANISATIONS), role=st.sampled_from(["own", "other", "reader"]))
    def delete_role(self, organisation: str, role: str) -> None:
        name, grants = f"{organisation}/{role}", self.model.grants
        if not self.tries(self.roles.delete(name, actor=OPERATOR)):
            assert name not in self.model.roles
            return
        del self.model.roles[name]
        self.model.grants = {one for one in grants if one.role != role or one.target.split("/")[0] != organisation}

    @rule(
        subject=st.sampled_from(SUBJECTS),
        role=st.sampled_from([*ROLES, "own", "other"]),
        on=st.sampled_from(TARGETS),
    )
    def grant(self, subject: str, role: str, on: str) -> None:
        if self.tries(self.identities.grant(subject, role, on, actor=OPERATOR)):
            grant = Grant(subject, role, on)
            assert not any(same(grant, other) for other in self.model.grants)
            self.model.grants.add(grant)

    @precondition(lambda self: self.model.grants)
    @rule(data=st.data())
    def revoke(self, data: st.DataObject) -> None:
        grant = data.draw(st.sampled_from(sorted(self.model.grants)))
        self.do(self.identities.revoke(*grant, actor=OPERATOR))
        self.model.grants.remove(grant)

    @invariant()
    def all_agree(self) -> None:
        self.do(self._compare())

    async def _compare(self) -> None:
        asked = [(who, RepositoryName(name)) for who in ("", *PRINCIPALS) for name in NAMES]
        expected = {one: self.model.permitted(*one) for one in asked}
        epochs = await self._epochs()
        for access in self.access:
            # As a lookup does, which has just read the epochs: what was decided before answers only where it is still true.
            for permission in (Permission.PULL, Permission.DELETE):
                kept = await asyncio.gather(*(self._confirmed(access, *one, permission, epochs) for one in asked))
                assert dict(zip(asked, kept, strict=True)) == {one: permission in expected[one] for one in asked}
            found = await asyncio.gather(*(self._decided(access, *one) for one in asked))
            assert dict(zip(asked, found, strict=True)) == expected
        for who in ("", *PRINCIPALS):
            names = await self.databases[1].read("see", partial(seen, principal_id=self.ids.get(who, -1)))
            assert set(names) == {name for name in NAMES if "pull" in expected[who, RepositoryName(name)]}

    async def _epochs(self) -> dict[str | int, int]:
        principals = await self.sql.fetch("SELECT id, rights_epoch FROM principals WHERE disabled_at IS NULL")
        return dict(map(tuple, principals + await self.sql.fetch("SELECT name, rights_epoch FROM organisations")))

    async def _confirmed(
        self, access: Access, who: str, name: RepositoryName, permission: Permission, epochs: dict[str | int, int]
    ) -> bool:
        principal_id = self.ids.get(who, -1)
        now = Epochs(epochs.get(principal_id), epochs.get(organisation_of(name)))
        try:
            await access.confirm(Caller(principal_id, who), name, frozenset((permission,)), now)
        except (AccessMissing, AccessLost):
            return False
        return True

    @rule(
        who=st.sampled_from([*PRINCIPALS, ""]),
        names=st.dictionaries(st.sampled_from(NAMES), st.frozensets(st.sampled_from(Permission)), max_size=4),
        node=st.sampled_from([0, 1]),
    )
    def a_token_is_the_most_that_it_permits(self, who: str, names: dict[str, frozenset[Permission]], node: int) -> None:
        """Whatever a token says: what is permitted is in it and in the rules, by each way in which that is asked."""
        bound = Bound({RepositoryName(name): permitted for name, permitted in names.items()}, catalog=False)
        caller = Caller(self.ids.get(who, -1), who, bound)
        self.do(self._compare_bound(self.access[node], caller, names))

    async def _compare_bound(self, access: Access, caller: Caller, names: dict[str, frozenset[Permission]]) -> None:
        epochs = await self._epochs()
        expected = {
            name: self.model.permitted(caller.name, name) & set(map(str, names.get(name, ()))) for name in NAMES
        }
        held = await asyncio.gather(*(self._held(access, caller, RepositoryName(name)) for name in NAMES))
        assert dict(zip(NAMES, held, strict=True)) == expected
        for needed in (PULL, PUSH, DELETE):
            confirmed = await asyncio.gather(
                *(self._confirmed_for(access, caller, RepositoryName(name), needed, epochs) for name in NAMES)
            )
            may = {name: bool(expected[name] & set(map(str, needed))) for name in NAMES}
            assert dict(zip(NAMES, confirmed, strict=True)) == may

    @rule(
        of=st.sampled_from(sorted(NAMES)),
        source=st.sampled_from([None, *NAMES]),
        who=st.sampled_from([*PRINCIPALS, ""]),
        token=st.one_of(st.none(), st.frozensets(st.sampled_from(NAMES), max_size=3)),
    )
    def mount(self, of: str, source: str | None, who: str, token: frozenset[str] | None) -> None:
        """Mount a blob: who may pull it where it is, by his token too, is let, and nobody else."""
        bound = Bound(dict.fromkeys(map(RepositoryName, token), PULL), catalog=False) if token is not None else None
        caller = Caller(self.ids.get(who, -1), who, bound)
        may = "pull" in self.model.permitted(who, of) and (token is None or of in token) and source in (None, of)
        sources = pullable(caller, RepositoryName(source) if source is not None else None)
        assert self.do(self._mounts(of, sources, caller.principal_id)) == may

    async def _mounts(self, of: str, sources: list[str] | None, principal_id: int | None) -> bool:
        """Try it, and undo it: nothing stays."""
        transaction = self.sql.transaction()
        await transaction.start()
        try:
            digest = Digest.of(b"mounted")
            await self.sql.execute(
                "INSERT INTO blobs (digest, size, storage_key) VALUES ($1, 1, 'k')", digest.to_bytes()
            )
            await self.sql.execute(
                "INSERT INTO repository_blobs (repository_id, digest) SELECT id, $1 FROM repositories WHERE name = $2",
                digest.to_bytes(),
                of,
            )
            into = await self.sql.fetchval("INSERT INTO repositories (name) VALUES ('into') RETURNING id")
            return await blobs.mount(
                self.sql, digest, repository_id=into, sources=sources, principal_id=principal_id, is_admitted=False
            )
        finally:
            await transaction.rollback()

    async def _held(self, access: Access, caller: Caller, name: RepositoryName) -> set[str]:
        try:
            return set(map(str, await access.permitted(caller, name)))
        except AccessLost:
            return set()

    async def _confirmed_for(
        self,
        access: Access,
        caller: Caller,
        name: RepositoryName,
        needed: frozenset[Permission],
        epochs: dict[str | int, int],
    ) -> bool:
        now = Epochs(epochs.get(caller.principal_id or 0), epochs.get(organisation_of(name)))
        try:
            await access.confirm(caller, name, needed, now)
        except (AccessMissing, AccessLost):
            return False
        except OrganisationUnknown:  # who may do everything gets so far, and no further
            return True
        return True

    async def _decided(self, access: Access, who: str, name: RepositoryName) -> set[str]:
        try:
            return set(map(str, await access.permitted(Caller(self.ids.get(who, -1), who), name)))
        except AccessLost:
            return set()

    @rule(who=st.sampled_from([*PRINCIPALS, ""]), name=st.sampled_from(NAMES), permission=st.sampled_from(Permission))
    def explain(self, who: str, name: str, permission: Permission) -> None:
        subject = f"user:{who}" if who else "anonymous"
        is_expected = permission in self.model.permitted(who, name)
        if organisation_of(RepositoryName(name)) not in self.model.organisations and permission in ("push", "sign"):
            is_expected = False
        found = self.do(self.explanations.explain(subject, RepositoryName(name), permission))
        assert found.is_allowed == is_expected, found

    @rule(name=st.sampled_from(NAMES), permission=st.sampled_from(Permission))
    def list_who_can(self, name: str, permission: Permission) -> None:
        if organisation_of(RepositoryName(name)) in self.model.organisations:
            found = self.do(self.explanations.who_can(permission, RepositoryName(name)))
            listed = {one.name for one in found}
            expected = {who for who in ("", *PRINCIPALS) if permission in self.model.permitted(who, name)}
            assert listed <= expected
            assert listed == expected or "" in listed

    def teardown(self) -> None:
        self.do(self._close())
        self.runner.close()

    async def _close(self) -> None:
        await self.sql.close()
        for db in self.databases:
            await db.close()


def same(one: Grant, other: Grant) -> bool:
    """Say whether both are one: all of an organisation can be written in two ways."""
    return one._replace(target=one.target.removesuffix("/*")) == other._replace(target=other.target.removesuffix("/*"))


async def seen(conn: Connection, *, principal_id: int) -> list[str]:
    """Return what a catalog would list."""
    rows = await conn.fetch(f"SELECT name FROM repositories r WHERE {visible('r.name', '$1::bigint')}", principal_id)
    return [row[0] for row in rows]


@pytest.fixture
def machine(database_url: str) -> type[RightsMachine]:
    return type("Rights", (RightsMachine,), {"url": database_url})


def test_every_decision_is_what_the_rules_say(machine: type[RightsMachine], pytestconfig: pytest.Config) -> None:
    is_soak = pytestconfig.getoption("--soak", default=False)
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=200 if is_soak else 12,
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


async def test_who_may_do_everything_still_makes_no_organisation(database: Database, sql: asyncpg.Connection) -> None:
    await Identities(database).add_user("root", password_hash=None, is_admin=True, actor=OPERATOR)
    root = Caller(await sql.fetchval("SELECT id FROM principals WHERE name = 'root'"), "root")
    with pytest.raises(OrganisationUnknown):
        await Access(database).require(root, RepositoryName("new/a"), frozenset((Permission.PUSH, Permission.SIGN)))
    assert path_of(RepositoryName("bert")) == "library/bert"
