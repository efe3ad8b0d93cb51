"""Logins by an issuer: what a relying party must check (RFC 9700, OpenID Connect Core §3.1.3.7), and whom they lead to."""

from __future__ import annotations

import base64
import hashlib
import os
import time
from typing import Any
from urllib.parse import parse_qs, urlsplit

import asyncpg
import pytest

from registry.auth.browser_sessions import BrowserSessions
from registry.auth.issuers import Issuers
from registry.auth.linked import LinkedUsers, names_for
from registry.auth.login import Device, Identity, Login
from registry.auth.outgoing import Outgoing
from registry.auth.sealing import SecretKey
from registry.auth.sessions import Sessions
from registry.auth.trusted import Trusted
from registry.core.access import Caller
from registry.core.identities import Identities
from registry.core.limits import MemoryCounter
from registry.db.pool import Database
from registry.errors import GrantRefused, IdentityRefused, LoginRefused, SessionOver, Unavailable
from tests.actors import LOGIN, OPERATOR, ORIGIN
from tests.auth.conftest import Clock
from tests.auth.issuer import OTHER_RSA, Issuer, Reply, ok

CLIENT = "blacklake-client"
SECRET = "s3cret: with% strange+characters"
BACK = "https://registry.test/auth/callback"
KEY = SecretKey(os.urandom(32))


@pytest.fixture
def trusted(database: Database) -> Trusted:
    return Trusted(database)


@pytest.fixture
async def login(database: Database, outgoing: Outgoing, issuer: Issuer, trusted: Trusted, clock: Clock) -> Login:
    """Return the logins of a node, by an issuer where our client has a secret."""
    await trusted.add_issuer(issuer.row._replace(client_id=CLIENT), secret=SECRET, key=KEY, actor=OPERATOR)
    return Login(Issuers(database, outgoing), outgoing, KEY, MemoryCounter(clock=clock))


class Begun:
    """A login in a browser that has begun: what the browser carries, and what the issuer was told."""

    def __init__(self, url: str, cookie: str) -> None:
        self.url = url
        self.cookie = cookie
        self.query = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
        self.back = {"state": self.query["state"], "code": "the-code"}

    def token(self, issuer: Issuer, **more: Any) -> str:
        return issuer.token(**{"aud": CLIENT, "nonce": self.query["nonce"], "sub": "id-7", **more})


async def begin(login: Login, issuer: Issuer) -> Begun:
    return Begun(*await login.begin(issuer.url, redirect_uri=BACK))


def answer(issuer: Issuer, token: str, **more: Any) -> None:
    issuer.answers["/token"] = lambda _form: ok(
        {"id_token": token, "token_type": "Bearer", "access_token": "opaque", **more}
    )


async def refused(login: Login, begun: Begun, why: str, **back: str) -> None:
    with pytest.raises(LoginRefused, match=why):
        await login.finish(begun.cookie, begun.back | back)


async def test_a_login_asks_with_state_nonce_and_challenge_and_proves_itself_with_the_verifier(
    login: Login, issuer: Issuer
) -> None:
    begun = await begin(login, issuer)
    assert begun.url.startswith(f"{issuer.url}/authorize?")
    asked = begun.query
    assert (asked["response_type"], asked["client_id"], asked["redirect_uri"]) == ("code", CLIENT, BACK)
    assert (asked["scope"], asked["code_challenge_method"]) == ("openid profile", "S256")
    assert all(len(asked[name]) >= 43 for name in ("state", "nonce", "code_challenge"))
    answer(issuer, begun.token(issuer, preferred_username="Ann"))
    found = await login.finish(begun.cookie, begun.back)
    assert (found.issuer.url, found.subject, found.name) == (issuer.url, "id-7", "Ann")
    _, headers, form = issuer.requests[-2]  # the last one was for the keys
    assert (form["grant_type"], form["code"], form["redirect_uri"]) == ("authorization_code", "the-code", BACK)
    digest = hashlib.sha256(form["code_verifier"].encode()).digest()
    assert base64.urlsafe_b64encode(digest).rstrip(b"=").decode() == asked["code_challenge"]
    basic = base64.b64decode(headers["authorization"].removeprefix("Basic ")).decode()
    assert basic == "blacklake-client:s3cret%3A%20with%25%20strange%2Bcharacters"  # RFC 6749 §2.3.1
    assert "client_secret" not in form


async def test_nothing_of_two_logins_is_the_same_and_nothing_secret_can_be_read_from_the_cookie(
    login: Login, issuer: Issuer
) -> None:
    one, other = await begin(login, issuer), await begin(login, issuer)
    for name in ("state", "nonce", "code_challenge"):
        assert one.query[name] != other.query[name]
    assert one.query["state"].encode() not in base64.urlsafe_b64decode(one.cookie)


async def test_a_client_says_who_it_is_in_the_way_that_the_issuer_knows(login: Login, issuer: Issuer) -> None:
    methods = ["client_secret_post", "private_key_jwt"]
    issuer.answers["/.well-known/openid-configuration"] = lambda _form: ok(
        issuer.metadata | {"token_endpoint_auth_methods_supported": methods}
    )
    begun = await begin(login, issuer)
    answer(issuer, begun.token(issuer))
    await login.finish(begun.cookie, begun.back)
    _, headers, form = issuer.requests[-2]
    assert (form["client_id"], form["client_secret"]) == (CLIENT, SECRET)
    assert "authorization" not in headers


async def test_a_client_without_a_secret_relies_on_pkce(
    database: Database, outgoing: Outgoing, issuer: Issuer, trusted: Trusted
) -> None:
    await trusted.add_issuer(issuer.row._replace(client_id=CLIENT), secret=None, key=None, actor=OPERATOR)
    login = Login(Issuers(database, outgoing), outgoing, KEY, MemoryCounter())
    begun = await begin(login, issuer)
    answer(issuer, begun.token(issuer))
    assert (await login.finish(begun.cookie, begun.back)).subject == "id-7"
    _, headers, form = issuer.requests[-2]
    assert form["client_id"] == CLIENT
    assert not {"client_secret"} & set(form)
    assert "authorization" not in headers


async def test_csrf_a_browser_that_has_not_begun_the_login(login: Login, issuer: Issuer) -> None:
    mine, theirs = await begin(login, issuer), await begin(login, issuer)
    await refused(login, mine, "has not begun this login", state=theirs.back["state"])
    for state in ("", "\ud800", mine.back["state"] + "x", mine.back["state"][:-1]):
        await refused(login, mine, "has not begun this login", state=state)
    for cookie in (
        "",
        "x",
        "é",
        mine.cookie[:-4],
        mine.cookie[4:],
        "A" * 10_000,
        base64.urlsafe_b64encode(b"x" * 99).decode(),
    ):
        with pytest.raises(LoginRefused, match="no login under way"):
            await login.finish(cookie, mine.back)
    assert issuer.asked["/token"] == 0


async def test_an_attempt_is_no_device_login_and_none_of_another_installation(login: Login, issuer: Issuer) -> None:
    begun = await begin(login, issuer)
    with pytest.raises(LoginRefused, match="no login under way"):
        await login.poll(begun.cookie)
    login._key = SecretKey(os.urandom(32))
    await refused(login, begun, "no login under way")


async def test_an_attempt_that_took_too_long(login: Login, issuer: Issuer, monkeypatch: pytest.MonkeyPatch) -> None:
    begun = await begin(login, issuer)
    later = time.time() + 601
    monkeypatch.setattr("registry.auth.login.time.time", lambda: later)
    await refused(login, begun, "took too long")


async def test_mix_up_another_issuer_s_answer(login: Login, issuer: Issuer) -> None:
    begun = await begin(login, issuer)
    await refused(login, begun, "another issuer", iss="https://attacker.test")
    answer(issuer, begun.token(issuer))
    assert await login.finish(begun.cookie, begun.back | {"iss": issuer.url})


async def test_mix_up_an_answer_without_an_issuer_where_the_issuer_names_itself(login: Login, issuer: Issuer) -> None:
    issuer.answers["/.well-known/openid-configuration"] = lambda _form: ok(
        issuer.metadata | {"authorization_response_iss_parameter_supported": True}
    )
    begun = await begin(login, issuer)
    await refused(login, begun, "another issuer")
    assert issuer.asked["/token"] == 0


async def test_a_refusal_of_the_issuer_is_told_by_its_word_only(login: Login, issuer: Issuer) -> None:
    begun = await begin(login, issuer)
    await refused(login, begun, "the login: access_denied", error="access_denied")
    await refused(login, begun, "the login: error$", error="<script>\n")
    await refused(login, begun, "the login", code="")
    issuer.answers["/token"] = lambda _form: (400, {}, b'{"error": "invalid_grant", "error_description": "<b>"}')
    with pytest.raises(GrantRefused, match=r"invalid_grant$"):
        await login.finish(begun.cookie, begun.back)


@pytest.mark.parametrize(
    "reply", [(500, {}, b"{}"), (400, {}, b"{}"), (302, {"Location": "/x"}, b""), (200, {}, b"x" * 70_000)]
)
async def test_an_issuer_that_does_not_answer_is_unavailable(login: Login, issuer: Issuer, reply: Reply) -> None:
    begun = await begin(login, issuer)
    issuer.answers["/token"] = lambda _form: reply
    with pytest.raises(Unavailable):
        await login.finish(begun.cookie, begun.back)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"nonce": "another"}, "nonce"),
        ({"nonce": None}, "nonce"),
        ({"aud": "another-client"}, "audience"),
        ({"aud": [CLIENT, "another-client"]}, "azp"),
        ({"aud": [CLIENT, "another-client"], "azp": "another-client"}, "azp"),
        ({"azp": "another-client"}, "azp"),
        ({"at_hash": "AAAAAAAAAAAAAAAAAAAAAA"}, "at_hash"),
        ({"sub": None}, "names nobody"),
        ({"sub": ""}, "names nobody"),
        ({"sub": "x" * 256}, "names nobody"),
        ({"sub": "a\0b"}, "names nobody"),
        ({"sub": 7}, "names nobody"),
        ({"exp": int(time.time()) - 60}, "expired"),
        ({"iss": "https://attacker.test"}, "another issuer"),
        ({"key": OTHER_RSA}, "signature"),
        ({"headers": {"typ": "at+jwt"}}, "type"),
    ],
)
async def test_an_id_token_that_is_not_of_this_login(
    login: Login, issuer: Issuer, change: dict[str, Any], why: str
) -> None:
    begun = await begin(login, issuer)
    answer(issuer, begun.token(issuer, **change))
    await refused(login, begun, why)


async def test_an_id_token_for_several_is_taken_where_it_was_given_to_us_and_its_hash_is_the_access_token_s(
    login: Login, issuer: Issuer
) -> None:
    begun = await begin(login, issuer)
    half = base64.urlsafe_b64encode(hashlib.sha256(b"opaque").digest()[:16]).rstrip(b"=").decode()
    answer(issuer, begun.token(issuer, aud=[CLIENT, "another"], azp=CLIENT, at_hash=half))
    assert (await login.finish(begun.cookie, begun.back)).subject == "id-7"


async def test_an_answer_without_an_id_token_names_nobody(login: Login, issuer: Issuer) -> None:
    begun = await begin(login, issuer)
    for token in (None, 1, [], ""):
        answer(issuer, token)  # type: ignore[arg-type]
        await refused(login, begun, "ID token")


async def test_nobody_logs_in_by_an_issuer_that_is_unknown_or_has_no_client(
    login: Login, issuer: Issuer, trusted: Trusted
) -> None:
    await trusted.add_issuer(issuer.row._replace(url="https://tokens.test"), secret=None, key=None, actor=OPERATOR)
    for url in ("https://other.test", "https://tokens.test", "nonsense"):
        with pytest.raises(LoginRefused, match="nobody logs in"):
            await login.begin(url, redirect_uri=BACK)
        with pytest.raises(LoginRefused, match="nobody logs in"):
            await login.begin_device(url)
    assert not issuer.requests


DEVICE = {"device_code": "secret-code", "user_code": "ABCD-EFGH", "expires_in": 600}


def device_answer(issuer: Issuer, **more: Any) -> None:
    page = f"{issuer.url}/device-page"
    issuer.answers["/device"] = lambda _form: ok(DEVICE | {"verification_uri": page} | more)


async def test_a_terminal_shows_a_code_and_asks_until_somebody_has_entered_it(
    login: Login, issuer: Issuer, clock: Clock
) -> None:
    device_answer(issuer, interval=7)
    device, sealed = await login.begin_device(issuer.url)
    assert isinstance(device, Device)
    assert (device.user_code, device.verification_uri, device.interval) == ("ABCD-EFGH", f"{issuer.url}/device-page", 7)
    assert b"secret-code" not in base64.urlsafe_b64decode(sealed)
    for word in ("authorization_pending", "slow_down", "authorization_pending"):
        issuer.answers["/token"] = lambda _form, word=word: (400, {}, f'{{"error": "{word}"}}'.encode())  # type: ignore[misc]
        with pytest.raises(GrantRefused, match="nobody has entered the code yet") as pending:
            await login.poll(sealed)
        assert pending.value.error == word
        clock.now += 7
    answer(issuer, issuer.token(aud=CLIENT, sub="id-7"))
    found = await login.poll(sealed)
    assert isinstance(found, Identity)
    assert found.subject == "id-7"
    form = next(form for path, _, form in reversed(issuer.requests) if path == "/token")
    assert (form["grant_type"], form["device_code"]) == ("urn:ietf:params:oauth:grant-type:device_code", "secret-code")


async def test_a_terminal_that_asks_too_soon_is_told_so_without_the_issuer_s_being_asked(
    login: Login, issuer: Issuer, clock: Clock
) -> None:
    device_answer(issuer, interval=7)
    _, sealed = await login.begin_device(issuer.url)
    issuer.answers["/token"] = lambda _form: (400, {}, b'{"error": "authorization_pending"}')
    for later, word, asked in [
        (0, "authorization_pending", 1),
        (0, "slow_down", 1),
        (5, "slow_down", 1),
        (2, "authorization_pending", 2),
    ]:
        clock.now += later
        with pytest.raises(GrantRefused) as refused:
            await login.poll(sealed)
        assert (refused.value.error, issuer.asked["/token"]) == (word, asked)
    device_answer(issuer, device_code="another-code")
    _, sealed = await login.begin_device(issuer.url)
    with pytest.raises(GrantRefused, match="nobody has entered"):
        await login.poll(sealed)
    assert issuer.asked["/token"] == 3


@pytest.mark.parametrize("word", ["access_denied", "expired_token", "invalid_grant"])
async def test_a_device_login_that_was_refused_has_ended(login: Login, issuer: Issuer, word: str) -> None:
    device_answer(issuer)
    _, sealed = await login.begin_device(issuer.url)
    issuer.answers["/token"] = lambda _form: (400, {}, f'{{"error": "{word}"}}'.encode())
    with pytest.raises(GrantRefused) as refused:
        await login.poll(sealed)
    assert refused.value.error == word


async def test_a_device_login_ends_with_its_time(login: Login, issuer: Issuer, monkeypatch: pytest.MonkeyPatch) -> None:
    device_answer(issuer, expires_in=10**9)
    _, sealed = await login.begin_device(issuer.url)
    later = time.time() + 1801
    monkeypatch.setattr("registry.auth.login.time.time", lambda: later)
    with pytest.raises(GrantRefused) as refused:
        await login.poll(sealed)
    assert refused.value.error == "expired_token"
    assert issuer.asked["/token"] == 0


@pytest.mark.parametrize(
    "change",
    [
        {"user_code": None}, {"device_code": ""}, {"device_code": 1}, {"verification_uri": "x" * 2000}, {"interval": "5"},
        {"expires_in": None}, {"user_code": "a\x1b[31m"},
    ],
)  # fmt: skip
async def test_a_device_answer_that_is_none(login: Login, issuer: Issuer, change: dict[str, Any]) -> None:
    device_answer(issuer, **change)
    with pytest.raises(LoginRefused, match="device login"):
        await login.begin_device(issuer.url)


async def test_an_issuer_without_device_logins_says_so(login: Login, issuer: Issuer) -> None:
    metadata = {name: value for name, value in issuer.metadata.items() if name != "device_authorization_endpoint"}
    issuer.answers["/.well-known/openid-configuration"] = lambda _form: ok(metadata)
    with pytest.raises(LoginRefused, match="no login for terminals"):
        await login.begin_device(issuer.url)


async def identity(trusted: Trusted, database: Database, issuer: Issuer, **more: Any) -> Identity:
    """Return the identity `id-7` of an issuer whose users are made at their first login if `creates_users` says so."""
    row = issuer.row._replace(client_id=CLIENT, **more)
    await trusted.add_issuer(row, secret=None, key=None, actor=OPERATOR)
    (found,) = await trusted.issuers()
    return Identity(found, "id-7", "ann@example.test")


async def test_an_identity_is_who_is_linked_to_its_subject_and_never_who_has_its_name(
    trusted: Trusted, database: Database, issuer: Issuer
) -> None:
    who = await identity(trusted, database, issuer)
    for name in ("ann", "bob"):
        await Identities(database).add_user(name, password_hash=None, is_admin=True, actor=OPERATOR)
    users = LinkedUsers(database)
    with pytest.raises(LoginRefused, match=f"admin issuer link {issuer.url} id-7 USER"):
        await users.caller(who, **ORIGIN)
    await trusted.link(issuer.url, "id-7", "bob", actor=OPERATOR)
    assert (await users.caller(who, **ORIGIN)).name == "bob"
    with pytest.raises(LoginRefused):
        await users.caller(who._replace(subject="ID-7"), **ORIGIN)
    with pytest.raises(IdentityRefused, match="stands for somebody already"):
        await trusted.link(issuer.url, "id-7", "ann", actor=OPERATOR)
    await trusted.unlink(issuer.url, "id-7", actor=OPERATOR)
    with pytest.raises(LoginRefused):
        await users.caller(who, **ORIGIN)
    with pytest.raises(IdentityRefused, match="stands for nobody"):
        await trusted.unlink(issuer.url, "id-7", actor=OPERATOR)


@pytest.mark.parametrize("how", ["unlink", "remove_issuer"])
async def test_sessions_end_with_the_link_that_began_them(
    trusted: Trusted, database: Database, issuer: Issuer, how: str
) -> None:
    """Privilege kept: who may log in by an issuer no longer doesn't go on for 90 days by a refresh token, or by a cookie."""
    who = await identity(trusted, database, issuer)
    await Identities(database).add_user("ann", password_hash=None, is_admin=False, actor=OPERATOR)
    await trusted.link(issuer.url, "id-7", "ann", actor=OPERATOR)
    caller = await LinkedUsers(database).caller(who, **ORIGIN)
    sessions = Sessions(database, KEY, service="registry.test", idle=3600, longest=3600)
    browsers = BrowserSessions(database, KEY, service="registry.test")
    token = await sessions.start(caller, "oras", actor=OPERATOR)
    cookie = await browsers.start(caller, "Firefox", LOGIN)
    assert await browsers.find(cookie) is not None
    if how == "unlink":
        await trusted.unlink(issuer.url, "id-7", actor=OPERATOR)
    else:
        await trusted.remove_issuer(issuer.url, actor=OPERATOR)
    assert await browsers.find(cookie) is None
    with pytest.raises(SessionOver):
        await sessions.go_on(token, **ORIGIN)


async def test_a_user_is_made_at_the_first_login_without_rights_and_without_anybody_s_name(
    trusted: Trusted, database: Database, issuer: Issuer, sql: asyncpg.Connection[asyncpg.Record]
) -> None:
    who = await identity(trusted, database, issuer, creates_users=True)
    await Identities(database).add_user("ann", password_hash=None, is_admin=True, actor=OPERATOR)
    users = LinkedUsers(database)
    found = await users.caller(who, **ORIGIN)
    assert found.name.startswith("ann-")
    assert await users.caller(who, **ORIGIN) == found
    other = await users.caller(who._replace(subject="id-8", name="Bob Builder"), **ORIGIN)
    assert other.name == "bob-builder"
    made = await sql.fetch(
        "SELECT is_admin, password_hash FROM principals WHERE name IN ($1, $2)", found.name, other.name
    )
    assert [tuple(row) for row in made] == [(False, None), (False, None)]


async def test_who_was_disabled_is_not_made_again(
    trusted: Trusted, database: Database, issuer: Issuer, sql: asyncpg.Connection[asyncpg.Record]
) -> None:
    who = await identity(trusted, database, issuer, creates_users=True)
    users = LinkedUsers(database)
    found: Caller = await users.caller(who, **ORIGIN)
    await sql.execute("UPDATE principals SET disabled_at = now() WHERE id = $1", found.principal_id)
    with pytest.raises(LoginRefused, match="is nobody here"):
        await users.caller(who, **ORIGIN)
    assert await sql.fetchval("SELECT count(*) FROM principals WHERE kind = 'user'") == 1


@pytest.mark.parametrize("name", [None, "", "oidc", "<script>", "../..", "ю", "x" * 500, "a\0b", "ANONYMOUS", "-", "."])
def test_a_user_is_never_called_as_nobody_may_be(issuer: Issuer, name: str | None) -> None:
    for made in names_for(Identity(issuer.row, "id-7", name)):
        assert made != "oidc"
        assert made.isascii()
        assert len(made) <= 64


async def test_only_users_are_linked(
    trusted: Trusted, database: Database, issuer: Issuer, sql: asyncpg.Connection[asyncpg.Record]
) -> None:
    await identity(trusted, database, issuer)
    await sql.execute("INSERT INTO principals (kind, name) VALUES ('service', 'billing')")
    with pytest.raises(IdentityRefused, match="there is no user"):
        await trusted.link(issuer.url, "id-7", "billing", actor=OPERATOR)
    for subject in ("", "x" * 256, "ü", "a\n"):
        with pytest.raises(IdentityRefused, match="subject"):
            await trusted.link(issuer.url, subject, "billing", actor=OPERATOR)
