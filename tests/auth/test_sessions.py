"""Sessions go on for their owners, however clients store what they are answered, and end for thieves."""

from __future__ import annotations

import asyncio
import re
from uuid import UUID

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from registry.auth.browser_sessions import BrowserSessions
from registry.auth.identification import Identification
from registry.auth.keyring import Keyring
from registry.auth.passwords import Passwords
from registry.auth.sealing import SecretKey
from registry.auth.secrets import API_KEY, hash_of, is_secret, new_secret
from registry.auth.sessions import Sessions
from registry.auth.tokens import AccessTokens
from registry.core.access import Caller
from registry.core.api_keys import ApiKeys
from registry.core.identities import Identities
from registry.core.services import Services
from registry.db.pool import Database
from registry.errors import AccessLost, CredentialsWrong, IdentityRefused, SessionOver, SessionRevoked, TokenInvalid
from tests.actors import LOGIN, OPERATOR, ORIGIN

SECRET = SecretKey(b"s" * 32)
HOUR = 3600.0


def sessions_of(
    db: Database, *, secret: SecretKey = SECRET, service: str = "here", idle: float = HOUR, longest: float = 10 * HOUR
) -> Sessions:
    return Sessions(db, secret, service=service, idle=idle, longest=longest)


@pytest.fixture
async def ada(database: Database, sql: asyncpg.Connection) -> Caller:
    """Return a user who has logged in."""
    await Identities(database).add_user("ada", password_hash=None, is_admin=False, actor=OPERATOR)
    return Caller(await sql.fetchval("SELECT id FROM principals WHERE name = 'ada'"), "ada")


@pytest.fixture
def sessions(database: Database) -> Sessions:
    return sessions_of(database)


async def test_a_client_that_stores_each_answer_goes_on(sessions: Sessions, ada: Caller) -> None:
    token = await sessions.start(ada, "docker", actor=OPERATOR)
    seen = {token}
    for _ in range(5):
        caller, token = await sessions.go_on(token, **ORIGIN)
        assert caller == ada
        seen.add(token)
    assert len(seen) == 6


async def test_a_client_that_keeps_its_first_token_goes_on_as_well(sessions: Sessions, ada: Caller) -> None:
    first = await sessions.start(ada, "docker", actor=OPERATOR)
    answers = [(await sessions.go_on(first, **ORIGIN)).token for _ in range(5)]
    assert len(set(answers)) == 1
    assert answers[0] != first


async def test_who_comes_back_with_a_token_after_its_successor_was_used_ends_the_session(
    sessions: Sessions, ada: Caller
) -> None:
    first = await sessions.start(ada, "docker", actor=OPERATOR)
    second = (await sessions.go_on(first, **ORIGIN)).token
    third = (await sessions.go_on(second, **ORIGIN)).token
    with pytest.raises(SessionRevoked) as refusal:
        await sessions.go_on(first, **ORIGIN)
    assert (refusal.value.session, refusal.value.principal_id, refusal.value.principal) == (
        UUID(first.split("_")[1]),
        ada.principal_id,
        "ada",
    )
    for token in (first, second, third):
        with pytest.raises(SessionOver) as over:
            await sessions.go_on(token, **ORIGIN)
        assert type(over.value) is SessionOver  # it is told once
        assert over.value.message == refusal.value.message  # and not to who asks


async def test_of_a_thief_and_an_owner_who_both_go_on_at_once_neither_stays(
    database: Database, other_database: Database, ada: Caller
) -> None:
    """Whichever order PostgreSQL sees them in, on two nodes."""
    nodes = [sessions_of(database), sessions_of(other_database)]
    for _ in range(20):
        first = await nodes[0].start(ada, "docker", actor=OPERATOR)
        second = (await nodes[0].go_on(first, **ORIGIN)).token
        third = (await nodes[0].go_on(second, **ORIGIN)).token
        await asyncio.gather(
            *(nodes[number % 2].go_on(token, **ORIGIN) for number, token in enumerate([second, third] * 4)),
            return_exceptions=True,
        )
        for token in (second, third):
            with pytest.raises(SessionOver):
                await nodes[1].go_on(token, **ORIGIN)


async def test_many_who_use_one_token_at_once_all_go_on_and_get_the_same_next_one(
    database: Database, other_database: Database, ada: Caller
) -> None:
    """A client with several connections, and one that asks again since an answer was lost."""
    nodes = [sessions_of(database), sessions_of(other_database)]
    token = await nodes[0].start(ada, "docker", actor=OPERATOR)
    for _ in range(5):
        answers = await asyncio.gather(*(nodes[number % 2].go_on(token, **ORIGIN) for number in range(16)))
        assert len({answer.token for answer in answers}) == 1
        token = answers[0].token


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(uses=st.lists(st.integers(0, 5), max_size=12))
async def test_whatever_order_tokens_are_used_in_a_generation_never_goes_back(
    sessions: Sessions, ada: Caller, uses: list[int]
) -> None:
    """The model: a counter. A token is known only once it was answered."""
    known, used, is_over = [await sessions.start(ada, "docker", actor=OPERATOR)], 0, False
    for use in uses:
        number = min(use, len(known) - 1)
        if is_over or number < used:
            with pytest.raises(SessionOver if is_over else SessionRevoked):
                await sessions.go_on(known[number], **ORIGIN)
            is_over = True
            continue
        used = number
        answer = (await sessions.go_on(known[number], **ORIGIN)).token
        if number == len(known) - 1:
            known.append(answer)
        assert answer == known[number + 1]


async def test_a_session_ends_when_it_is_not_used_and_in_any_case(
    database: Database, sql: asyncpg.Connection, ada: Caller
) -> None:
    sessions = sessions_of(database, idle=HOUR, longest=3 * HOUR)
    unused, used = (
        await sessions.start(ada, "docker", actor=OPERATOR),
        await sessions.start(ada, "oras", actor=OPERATOR),
    )
    for _ in range(2):
        await move(sql, 50 * 60)
        used = (await sessions.go_on(used, **ORIGIN)).token
    with pytest.raises(SessionOver):
        await sessions.go_on(unused, **ORIGIN)
    await move(sql, 50 * 60)
    used = (await sessions.go_on(used, **ORIGIN)).token
    await move(sql, 31 * 60)  # a little more than three hours since the login
    with pytest.raises(SessionOver):
        await sessions.go_on(used, **ORIGIN)
    assert await sessions.listed(ada.principal_id or 0) == []


async def move(sql: asyncpg.Connection, seconds: float) -> None:
    """Let time pass."""
    await sql.execute(
        "UPDATE sessions SET created_at = created_at - s, used_at = used_at - s, expires_at = expires_at - s,"
        " ends_at = ends_at - s"
        " FROM make_interval(secs => $1) AS s",
        seconds,
    )


async def test_expired_sessions_are_forgotten_in_batches_and_others_are_not(
    services: Services, sessions: Sessions, sql: asyncpg.Connection, ada: Caller
) -> None:
    for _ in range(130):
        await sessions.start(ada, "docker", actor=OPERATOR)
    await move(sql, 2 * HOUR)
    living = await sessions.start(ada, "oras", actor=OPERATOR)
    assert [await services.cleanup.forget_sessions() for _ in range(3)] == [100, 30, 0]
    assert (await sessions.go_on(living, **ORIGIN)).caller == ada


async def test_whoever_has_a_token_of_a_session_ends_it_and_no_other(
    sessions: Sessions, ada: Caller, sql: asyncpg.Connection, database: Database
) -> None:
    first, other = [await sessions.start(ada, "docker", actor=OPERATOR) for _ in range(2)]
    second = (await sessions.go_on(first, **ORIGIN)).token
    third = (await sessions.go_on(second, **ORIGIN)).token
    assert third != second
    await sessions_of(database, service="elsewhere").end(second, **ORIGIN)
    await sessions_of(database, secret=SecretKey(b"t" * 32)).end(second, **ORIGIN)
    for nothing in ("", "blr_", first[:-1] + ("0" if first[-1] != "0" else "1"), "blk_" + "a" * 36):
        await sessions.end(nothing, **ORIGIN)
    third = (await sessions.go_on(third, **ORIGIN)).token
    await sessions.end(first, **ORIGIN)  # a replaced one does as well
    await sessions.end(first, **ORIGIN)
    for token in (first, second, third):
        with pytest.raises(SessionOver):
            await sessions.go_on(token, **ORIGIN)
    assert (await sessions.go_on(other, **ORIGIN)).caller == ada
    rows = await sql.fetch(
        "SELECT principal, target, address, outcome FROM audit_inbox WHERE action = 'session.revoke'"
    )
    assert list(map(tuple, rows)) == [("ada", "user:ada", ORIGIN["address"], "done")]


async def test_a_session_is_for_one_service(database: Database, ada: Caller) -> None:
    token = await sessions_of(database, service="here").start(ada, "docker", actor=OPERATOR)
    with pytest.raises(SessionOver):
        await sessions_of(database, service="there").go_on(token, **ORIGIN)
    assert (await sessions_of(database, service="here").go_on(token, **ORIGIN)).caller == ada


async def test_the_database_alone_makes_no_token(database: Database, sessions: Sessions, ada: Caller) -> None:
    token = await sessions.start(ada, "docker", actor=OPERATOR)
    with pytest.raises(SessionOver):
        await sessions_of(database, secret=SecretKey(b"t" * 32)).go_on(token, **ORIGIN)


@pytest.mark.parametrize(
    ("pattern", "forged"),
    [
        (r"_1_", "_2_"),
        (r"_1_", "_0_"),
        (r"_1_", "_01_"),
        (r"_1_", "_-1_"),
        (r"_1_", "_99999999999999999999999_"),
        (r"^blr_.{4}", "blr_0000"),
        (r".{4}$", "0000"),
        (r"^blr", "blk"),
        (r"$", "\n"),
        (r"$", "0"),
        (r"_[^_]*$", ""),
        (r"^.*$", ""),
    ],
)
async def test_a_token_that_was_changed_is_none_and_harms_no_session(
    sessions: Sessions, ada: Caller, pattern: str, forged: str
) -> None:
    token = await sessions.start(ada, "docker", actor=OPERATOR)
    with pytest.raises(SessionOver) as refusal:
        await sessions.go_on(re.sub(pattern, forged, token, count=1), **ORIGIN)
    assert not isinstance(refusal.value, SessionRevoked)
    assert (await sessions.go_on(token, **ORIGIN)).caller == ada


async def test_a_refresh_token_is_no_access_token_no_key_and_no_password_and_none_of_those_is_one(
    database: Database, sessions: Sessions, sql: asyncpg.Connection, ada: Caller
) -> None:
    refresh = await sessions.start(ada, "docker", actor=OPERATOR)
    tokens = AccessTokens(
        Keyring(database, SECRET, algorithm="ES256", longest=300), issuer="here", service="here", seconds=300
    )
    identification = Identification(database, Passwords())
    key = new_secret(API_KEY)
    await ApiKeys(database).add("ada", "default", hash_of(key), lifetime=None, actor=OPERATOR)
    with pytest.raises(TokenInvalid):
        await tokens.verify(refresh)
    assert not is_secret(refresh, API_KEY)
    with pytest.raises(CredentialsWrong):
        await identification.by_key(refresh)
    with pytest.raises(CredentialsWrong):
        await identification.by_password("ada", refresh)
    for other in (key, (await tokens.issue(ada, [])).token):
        with pytest.raises(SessionOver):
            await sessions.go_on(other, **ORIGIN)


async def test_a_user_s_sessions_are_listed_and_ended_all_at_once_and_nobody_else_s(
    database: Database, sessions: Sessions, sql: asyncpg.Connection, ada: Caller
) -> None:
    await Identities(database).add_user("bob", password_hash=None, is_admin=False, actor=OPERATOR)
    bob = Caller(await sql.fetchval("SELECT id FROM principals WHERE name = 'bob'"), "bob")
    tokens = [await sessions.start(ada, client, actor=OPERATOR) for client in ("docker", "or\nas\0" + "x" * 500)]
    others = await sessions.start(bob, "docker", actor=OPERATOR)
    await sessions.go_on(tokens[0], **ORIGIN)
    listed = await sessions.listed(ada.principal_id or 0)
    assert [row.client for row in listed] == ["docker", "oras" + "x" * 124]
    assert await sessions.revoke_all("ada", actor=OPERATOR) == 2
    assert await sessions.revoke_all("ada", actor=OPERATOR) == 0
    assert await sessions.listed(ada.principal_id or 0) == []
    for token in tokens:
        with pytest.raises(SessionOver):
            await sessions.go_on(token, **ORIGIN)
    assert (await sessions.go_on(others, **ORIGIN)).caller == bob


async def test_of_too_many_sessions_the_one_that_was_used_least_lately_ends(
    sessions: Sessions, sql: asyncpg.Connection, ada: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("registry.auth.sessions.MOST", 3)
    tokens = [await sessions.start(ada, f"client {number}", actor=OPERATOR) for number in range(3)]
    await sessions.go_on(tokens[0], **ORIGIN)
    tokens.append(await sessions.start(ada, "client 3", actor=OPERATOR))
    assert [row.client for row in await sessions.listed(ada.principal_id or 0)] == ["client 3", "client 0", "client 2"]
    with pytest.raises(SessionOver):
        await sessions.go_on(tokens[1], **ORIGIN)
    actions = "SELECT count(*) FROM audit_inbox WHERE action = 'session.revoke'"
    assert await sql.fetchval(actions) == 1


async def test_a_principal_has_so_many_keys_and_no_more(
    database: Database, ada: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("registry.core.api_keys.MOST", 3)
    keys = ApiKeys(database)
    added = [await keys.add("ada", f"{n}", bytes([n]), lifetime=None, actor=OPERATOR) for n in range(3)]
    with pytest.raises(IdentityRefused, match="has 3 keys, which is the most; revoke some"):
        await keys.add("ada", "more", b"more", lifetime=None, actor=OPERATOR)
    await keys.revoke("ada", added[0].id, actor=OPERATOR)
    await keys.add("ada", "more", b"more", lifetime=None, actor=OPERATOR)


async def test_who_is_just_being_disabled_begins_no_session(
    sessions: Sessions, sql: asyncpg.Connection, ada: Caller
) -> None:
    """It would not be among those that end with that, and live when he is let in again."""
    async with sql.transaction():
        await sql.execute("UPDATE principals SET disabled_at = now() WHERE name = 'ada'")
        starting = asyncio.create_task(sessions.start(ada, "docker", actor=OPERATOR))
        await asyncio.wait([starting], timeout=0.5)
    with pytest.raises(AccessLost):
        await starting


async def test_a_password_that_was_changed_while_it_was_looked_at_begins_no_session(
    database: Database, sessions: Sessions, ada: Caller
) -> None:
    """Whoever knows the old one could log in again and again, so that one of these is under way when it is changed."""
    identities, passwords = Identities(database), Passwords()
    await identities.set_password("ada", await passwords.hashed("the old password"), actor=OPERATOR)
    browsers = BrowserSessions(database, SECRET, service="here")
    identification = Identification(database, passwords)
    caller = await identification.by_password("ada", "the old password")
    await sessions.start(caller, "docker", actor=OPERATOR)
    await browsers.start(caller, "Firefox", LOGIN)
    await identities.set_password("ada", await passwords.hashed("the new password"), actor=OPERATOR)
    for start in (sessions.start(caller, "docker", actor=OPERATOR), browsers.start(caller, "Firefox", LOGIN)):
        with pytest.raises(AccessLost):
            await start
    assert await sessions.listed(ada.principal_id or 0) == []


async def test_who_is_disabled_or_deleted_neither_starts_a_session_nor_goes_on(
    sessions: Sessions, sql: asyncpg.Connection, ada: Caller
) -> None:
    token = await sessions.start(ada, "docker", actor=OPERATOR)
    await sql.execute("UPDATE principals SET disabled_at = now() WHERE name = 'ada'")
    with pytest.raises(SessionOver):
        await sessions.go_on(token, **ORIGIN)
    with pytest.raises(AccessLost):
        await sessions.start(ada, "docker", actor=OPERATOR)
    await sql.execute("DELETE FROM principals WHERE name = 'ada'")
    with pytest.raises(SessionOver):
        await sessions.go_on(token, **ORIGIN)
    with pytest.raises(AccessLost):
        await sessions.start(ada, "docker", actor=OPERATOR)
