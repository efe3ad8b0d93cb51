"""What happens to sessions, keys that sign and whom the installation trusts is in the audit log, with who did it."""

from __future__ import annotations

import json
from typing import Any

import asyncpg
import pytest

from registry.auth.keyring import Keyring
from registry.auth.linked import LinkedUsers
from registry.auth.login import Identity
from registry.auth.sealing import SecretKey
from registry.auth.sessions import Sessions
from registry.auth.trusted import Rule, Trusted
from registry.core.access import Caller, CredentialKind
from registry.core.audit import Actor
from registry.core.identities import Identities
from registry.db.pool import Database
from registry.db.trust import IssuerRow, find_issuer
from registry.errors import IdentityRefused, IdentityUnknown, SessionOver, SessionRevoked
from tests.actors import OPERATOR, ORIGIN

KEY = SecretKey(b"k" * 32)
URL = "https://issuer.test"
ROW = IssuerRow(0, URL, "other", ("RS256",), client_id="web", creates_users=True)
ADA = Actor(None, "ada", CredentialKind.PASSWORD, None, "192.0.2.1", "request-1")
CLIENT_SECRET = "the-secret-of-our-client"

Event = tuple[str, str, str, str, dict[str, Any]]


async def events(sql: asyncpg.Connection) -> list[Event]:
    """Return the events since the last time: who did what to what, what came of it, and its detail."""
    rows = await sql.fetch("WITH gone AS (DELETE FROM audit_inbox RETURNING *) SELECT * FROM gone ORDER BY id")
    return [(row["principal"], row["action"], row["target"], row["outcome"], json.loads(row["detail"])) for row in rows]


@pytest.fixture
async def ada(database: Database, sql: asyncpg.Connection) -> Caller:
    await Identities(database).add_user("ada", password_hash=None, is_admin=False, actor=OPERATOR)
    await events(sql)
    return Caller(await sql.fetchval("SELECT id FROM principals WHERE name = 'ada'"), "ada")


@pytest.fixture
def sessions(database: Database) -> Sessions:
    return Sessions(database, KEY, service="here", idle=3600, longest=36000)


@pytest.fixture
def trusted(database: Database) -> Trusted:
    return Trusted(database)


async def test_sessions_are_recorded_when_they_start_and_when_they_are_revoked(
    sessions: Sessions, sql: asyncpg.Connection, ada: Caller
) -> None:
    token = await sessions.start(ada, "docker", actor=ADA)
    session = token.split("_")[1]
    detail = {"session": session, "client": "docker"}
    assert await events(sql) == [("ada", "session.start", "user:ada", "done", detail)]
    await sessions.go_on(token, **ORIGIN)
    assert await events(sql) == []
    assert await sessions.revoke_all("ada", actor=OPERATOR) == 1
    assert await events(sql) == [("local:tests", "session.revoke", "user:ada", "done", {"sessions": 1})]
    assert await sessions.revoke_all("ada", actor=OPERATOR) == 0
    with pytest.raises(IdentityUnknown):
        await sessions.revoke_all("nobody", actor=OPERATOR)
    assert await events(sql) == []


async def test_a_token_that_comes_back_is_recorded_once_with_the_session_that_it_ends(
    sessions: Sessions, sql: asyncpg.Connection, ada: Caller
) -> None:
    first = await sessions.start(ada, "docker", actor=ADA)
    second = (await sessions.go_on(first, **ORIGIN)).token
    await sessions.go_on(second, **ORIGIN)
    await events(sql)
    with pytest.raises(SessionRevoked):
        await sessions.go_on(first, **ORIGIN)
    row = await sql.fetchrow("SELECT * FROM audit_inbox")
    session = first.split("_")[1]
    assert (row["principal_id"], row["principal"]) == (ada.principal_id, "ada")
    assert (row["credential_kind"], row["credential_id"]) == ("session", session)
    assert (row["address"], row["request_id"]) == (ORIGIN["address"], ORIGIN["request_id"])
    assert await events(sql) == [("ada", "session.reuse", "user:ada", "denied", {"session": session, "generation": 1})]
    with pytest.raises(SessionOver):
        await sessions.go_on(first, **ORIGIN)
    assert await events(sql) == []


async def test_a_session_whose_reuse_can_not_be_recorded_is_not_revoked(
    sessions: Sessions, sql: asyncpg.Connection, ada: Caller
) -> None:
    first = await sessions.start(ada, "docker", actor=ADA)
    second = (await sessions.go_on(first, **ORIGIN)).token
    await sessions.go_on(second, **ORIGIN)
    await sql.execute("ALTER TABLE audit_inbox ADD CHECK (action <> 'session.reuse')")
    with pytest.raises(asyncpg.CheckViolationError):
        await sessions.go_on(first, **ORIGIN)
    assert (await sessions.go_on(second, **ORIGIN)).caller == ada


async def test_keys_that_sign_are_recorded_the_first_as_the_registry_s_own(
    database: Database, sql: asyncpg.Connection
) -> None:
    keyring = Keyring(database, KEY, algorithm="ES256", longest=300)
    first = (await keyring.signer()).kid
    second = await keyring.rotate(actor=OPERATOR)
    third = await keyring.rotate(now=True, actor=ADA)
    assert await events(sql) == [
        ("registry", "signing-key.add", f"key:{first}", "done", {"algorithm": "ES256", "signs": "at once"}),
        ("local:tests", "signing-key.add", f"key:{second}", "done", {"algorithm": "ES256", "signs": "later"}),
        ("ada", "signing-key.add", f"key:{third}", "done", {"algorithm": "ES256", "signs": "at once"}),
    ]


async def test_whom_the_installation_trusts_is_recorded_without_the_client_s_secret(
    trusted: Trusted, sql: asyncpg.Connection, ada: Caller
) -> None:
    await trusted.add_issuer(ROW, secret=CLIENT_SECRET, key=KEY, actor=ADA)
    await trusted.link(URL, "id-7", "ada", actor=ADA)
    rule = Rule(URL, "https://registry.test", {"sub": "id-7"}, "ada", ["pull"], ["team/a*", "team/b"], 300)
    await trusted.add_rule("build", rule, actor=ADA)
    await trusted.remove_rule("build", actor=ADA)
    await trusted.unlink(URL, "id-7", actor=ADA)
    await trusted.remove_issuer(URL, actor=ADA)
    found = await events(sql)
    assert CLIENT_SECRET not in str(found)
    issuer = {"kind": "other", "algorithms": ["RS256"], "keys_url": None, "client_id": "web", "creates_users": True}
    link = {"issuer": URL, "subject": "id-7"}
    assert [event[1:] for event in found] == [
        ("issuer.add", f"issuer:{URL}", "done", issuer),
        ("link.add", "user:ada", "done", link),
        ("trust.add", "rule:build", "done", rule._asdict()),
        ("trust.remove", "rule:build", "done", {}),
        ("link.remove", "user:ada", "done", link),
        ("issuer.remove", f"issuer:{URL}", "done", {}),
    ]
    assert {event[0] for event in found} == {"ada"}


async def test_what_is_not_there_to_be_removed_leaves_no_event(trusted: Trusted, sql: asyncpg.Connection) -> None:
    for refused in (
        trusted.remove_issuer(URL, actor=ADA),
        trusted.remove_rule("build", actor=ADA),
        trusted.unlink(URL, "id-7", actor=ADA),
    ):
        with pytest.raises(IdentityRefused):
            await refused
    assert await events(sql) == []


async def test_a_user_who_is_made_by_his_first_login_is_recorded_with_the_identity(
    trusted: Trusted, database: Database, sql: asyncpg.Connection
) -> None:
    await trusted.add_issuer(ROW, secret=None, key=None, actor=OPERATOR)
    await events(sql)
    row = await database.read("find", lambda conn: find_issuer(conn, URL))
    assert row is not None
    users = LinkedUsers(database)
    found = await users.caller(Identity(row, "id-7", "bob"), **ORIGIN)
    assert await users.caller(Identity(row, "id-7", "bob"), **ORIGIN) == found
    credentials = await sql.fetch("SELECT principal_id, credential_kind, credential_id, address FROM audit_inbox")
    assert {tuple(one) for one in credentials} == {(found.principal_id, "identity", URL, ORIGIN["address"])}
    assert await events(sql) == [
        ("bob", "user.add", "user:bob", "done", {"admin": False}),
        ("bob", "link.add", "user:bob", "done", {"issuer": URL, "subject": "id-7"}),
    ]
