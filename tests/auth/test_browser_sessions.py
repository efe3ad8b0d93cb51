"""Sessions of browsers: whose they are, when they end, and what whoever reads the database can make of them."""

from __future__ import annotations

import json

import asyncpg
import pytest

from registry.auth.browser_sessions import IDLE, LONGEST, BrowserSessions
from registry.auth.form_tokens import FormTokens
from registry.auth.sealing import SecretKey
from registry.auth.sessions import PREFIX, Sessions
from registry.core.access import Caller
from registry.core.identities import Identities
from registry.db.pool import Database
from registry.errors import AccessLost, SessionOver
from tests.actors import LOGIN, OPERATOR, ORIGIN

SECRET = SecretKey(b"s" * 32)


@pytest.fixture
async def ada(database: Database, sql: asyncpg.Connection) -> Caller:
    await Identities(database).add_user("ada", password_hash=None, is_admin=False, actor=OPERATOR)
    return Caller(await sql.fetchval("SELECT id FROM principals WHERE name = 'ada'"), "ada")


@pytest.fixture
def sessions(database: Database) -> BrowserSessions:
    return BrowserSessions(database, SECRET, service="here")


async def test_a_cookie_is_its_users_and_each_login_has_another(sessions: BrowserSessions, ada: Caller) -> None:
    first, second = [await sessions.start(ada, "Firefox\n\x1b[31m" + "x" * 500, LOGIN) for _ in range(2)]
    assert first != second
    for cookie in (first, second):
        found = await sessions.find(cookie)
        assert found is not None
        assert (found.caller, found.has_password) == (ada, False)


@pytest.mark.parametrize("cookie", ["", "x", "A" * 43, "A" * 10_000, "é" * 43, "A" * 42 + "\0", "' OR true --"])
async def test_a_cookie_that_is_none_leads_to_nobody(sessions: BrowserSessions, ada: Caller, cookie: str) -> None:
    await sessions.start(ada, "Firefox", LOGIN)
    assert await sessions.find(cookie) is None


async def test_a_disabled_user_is_nobody_even_where_his_session_was_left(
    sessions: BrowserSessions, ada: Caller, sql: asyncpg.Connection
) -> None:
    cookie = await sessions.start(ada, "Firefox", LOGIN)
    await sql.execute("UPDATE principals SET disabled_at = now() WHERE name = 'ada'")
    assert await sessions.find(cookie) is None
    with pytest.raises(AccessLost):
        await sessions.start(ada, "Firefox", LOGIN)


async def test_no_session_begins_without_its_event(
    sessions: BrowserSessions, ada: Caller, sql: asyncpg.Connection
) -> None:
    await sessions.start(ada, "Firefox", LOGIN)
    detail = await sql.fetchval("SELECT detail FROM audit_inbox WHERE action = 'login'")
    assert json.loads(detail) == {"session": (await sql.fetchval("SELECT id FROM sessions")).hex}
    await sql.execute("ALTER TABLE audit_inbox ADD CONSTRAINT is_full CHECK (false) NOT VALID")
    with pytest.raises(asyncpg.CheckViolationError):
        await sessions.start(ada, "Firefox", LOGIN)
    assert await sql.fetchval("SELECT count(*) FROM sessions") == 1


async def test_only_users_have_browsers(sessions: BrowserSessions, database: Database, sql: asyncpg.Connection) -> None:
    await Identities(database).add_organisation("team", actor=OPERATOR)
    await Identities(database).add_robot("team+ci", actor=OPERATOR)
    robot = Caller(await sql.fetchval("SELECT id FROM principals WHERE name = 'team+ci'"), "team+ci")
    with pytest.raises(AccessLost):
        await sessions.start(robot, "curl", LOGIN)


async def test_a_session_ends_when_it_is_idle_and_is_put_off_by_use_but_not_for_ever(
    sessions: BrowserSessions, ada: Caller, sql: asyncpg.Connection
) -> None:
    cookie = await sessions.start(ada, "Firefox", LOGIN)

    async def left() -> float:
        found: float = await sql.fetchval("SELECT extract(epoch FROM expires_at - now()) FROM sessions")
        return found

    async def pass_by(seconds: int) -> None:
        await sql.execute(
            "UPDATE sessions SET used_at = used_at - $1 * interval '1 second',"
            " expires_at = expires_at - $1 * interval '1 second', ends_at = ends_at - $1 * interval '1 second'",
            seconds,
        )

    await pass_by(IDLE - 60)
    assert await sessions.find(cookie) is not None
    assert IDLE - 30 < await left() <= IDLE
    for _ in range(LONGEST // (IDLE - 60)):
        await pass_by(IDLE - 60)
        await sessions.find(cookie)
    assert await sessions.find(cookie) is None
    other = await sessions.start(ada, "Firefox", LOGIN)
    await pass_by(IDLE + 1)
    assert await sessions.find(other) is None


async def test_the_database_knows_no_cookie_and_can_make_none(
    sessions: BrowserSessions, ada: Caller, sql: asyncpg.Connection, database: Database
) -> None:
    cookie = await sessions.start(ada, "Firefox", LOGIN)
    (row,) = await sql.fetch("SELECT * FROM sessions")
    assert cookie not in str(row)
    elsewhere = BrowserSessions(database, SecretKey(b"t" * 32), service="here")
    assert await elsewhere.find(cookie) is None


async def test_a_session_of_a_browser_has_no_refresh_tokens(
    sessions: BrowserSessions, ada: Caller, sql: asyncpg.Connection, database: Database
) -> None:
    cookie = await sessions.start(ada, "Firefox", LOGIN)
    session = await sql.fetchval("SELECT id FROM sessions")
    tokens = Sessions(database, SECRET, service="here", idle=IDLE, longest=LONGEST)
    for generation in (0, 1):
        forged = f"{PREFIX}{session.hex}_{generation}_{tokens._code(session, generation)}"
        with pytest.raises(SessionOver):
            await tokens.go_on(forged, **ORIGIN)
    assert await sessions.find(cookie) is not None


def test_a_forms_token_is_of_its_cookie_and_key_alone() -> None:
    tokens = FormTokens(SECRET)
    assert tokens.fits("cookie", tokens.of("cookie"))
    for cookie, token in (("cookie", ""), ("cookie", "é"), ("other", tokens.of("cookie")), ("cookie", "cookie")):
        assert not tokens.fits(cookie, token)
    assert not FormTokens(SecretKey(b"t" * 32)).fits("cookie", tokens.of("cookie"))
