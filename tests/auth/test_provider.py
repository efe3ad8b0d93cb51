"""Against a real OpenID provider, zitadel's: what it publishes, what it signs, and how people log in there."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Final
from urllib.parse import parse_qsl, urlsplit

import pytest
import requests

from registry.auth.addresses import Allowed
from registry.auth.exchange import GRANT_TYPE, Exchange
from registry.auth.issuers import Issuers
from registry.auth.linked import LinkedUsers
from registry.auth.login import Login
from registry.auth.outgoing import Outgoing
from registry.auth.sealing import SecretKey
from registry.auth.trusted import Rule, Trusted
from registry.core.identities import Identities
from registry.core.limits import MemoryCounter
from registry.db.pool import Database
from registry.db.trust import IssuerRow
from registry.errors import GrantRefused, LoginRefused
from tests.actors import OPERATOR, ORIGIN
from tests.provider import running, way_back

CALLBACK: Final = "http://localhost:9999/auth/callback"  # as the provider has it; nobody listens there
NATIVE_CALLBACK: Final = "custom://auth/callback"
KEY: Final = SecretKey(os.urandom(32))


@pytest.fixture(scope="module")
def provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Return the URL of a provider with the clients `web` (with a secret) and `native` (without), and the user id1."""
    with running(tmp_path_factory.mktemp("provider") / "log") as url:
        yield url


@pytest.fixture
def trusted(database: Database) -> Trusted:
    return Trusted(database)


@pytest.fixture
def outgoing() -> Outgoing:
    return Outgoing(Allowed(["localhost"]))


@pytest.fixture
async def login(database: Database, outgoing: Outgoing, provider: str, trusted: Trusted) -> Login:
    """Return the logins of a node where the provider is known by its client `web`."""
    await trusted.add_issuer(
        IssuerRow(0, provider, "other", ("RS256",), client_id="web"), secret="secret", key=KEY, actor=OPERATOR
    )
    return Login(Issuers(database, outgoing), outgoing, KEY, MemoryCounter())


def logged_in(url: str, *, back: str = CALLBACK) -> dict[str, str]:
    """Act as a browser and its user, who logs in; return the query with which the browser comes back."""
    return dict(parse_qsl(urlsplit(way_back(url, back=back)).query))


async def test_somebody_logs_in_by_the_browser_and_is_who_is_linked(
    login: Login, provider: str, trusted: Trusted, database: Database
) -> None:
    url, cookie = await login.begin(provider, redirect_uri=CALLBACK)
    found = await login.finish(cookie, logged_in(url))
    assert (found.issuer.url, found.subject) == (provider, "id1")
    await Identities(database).add_user("ann", password_hash=None, is_admin=False, actor=OPERATOR)
    await trusted.link(provider, "id1", "ann", actor=OPERATOR)
    assert (await LinkedUsers(database).caller(found, **ORIGIN)).name == "ann"


async def test_a_client_without_a_secret_logs_in_by_pkce(
    database: Database, outgoing: Outgoing, provider: str, trusted: Trusted
) -> None:
    await trusted.add_issuer(
        IssuerRow(0, provider, "other", ("RS256",), client_id="native"), secret=None, key=None, actor=OPERATOR
    )
    login = Login(Issuers(database, outgoing), outgoing, KEY, MemoryCounter())
    url, cookie = await login.begin(provider, redirect_uri=NATIVE_CALLBACK)
    assert (await login.finish(cookie, logged_in(url, back=NATIVE_CALLBACK))).subject == "id1"


async def test_a_code_is_of_use_to_nobody_without_the_verifier(login: Login, provider: str) -> None:
    url, _ = await login.begin(provider, redirect_uri=CALLBACK)
    stolen = logged_in(url)
    other_url, cookie = await login.begin(provider, redirect_uri=CALLBACK)
    state = dict(parse_qsl(urlsplit(other_url).query))["state"]
    with pytest.raises(GrantRefused, match="invalid_grant"):
        await login.finish(cookie, stolen | {"state": state})


async def test_a_code_is_good_once(login: Login, provider: str) -> None:
    url, cookie = await login.begin(provider, redirect_uri=CALLBACK)
    back = logged_in(url)
    await login.finish(cookie, back)
    with pytest.raises((GrantRefused, LoginRefused)):
        await login.finish(cookie, back)


async def test_a_wrong_secret_of_ours_is_refused_by_the_provider(login: Login, provider: str, trusted: Trusted) -> None:
    await trusted.remove_issuer(provider, actor=OPERATOR)
    await trusted.add_issuer(
        IssuerRow(0, provider, "other", ("RS256",), client_id="web"), secret="wrong", key=KEY, actor=OPERATOR
    )
    url, cookie = await login.begin(provider, redirect_uri=CALLBACK)
    with pytest.raises(GrantRefused, match="invalid_client"):
        await login.finish(cookie, logged_in(url))


async def test_a_client_that_may_not_log_in_at_terminals_is_told_so(login: Login, provider: str) -> None:
    with pytest.raises(GrantRefused, match="unauthorized_client"):
        await login.begin_device(provider)


async def test_what_the_provider_signs_is_exchanged_once(
    login: Login, provider: str, trusted: Trusted, database: Database, outgoing: Outgoing
) -> None:
    token = id_token(provider)
    await Identities(database).add_user("builder", password_hash=None, is_admin=False, actor=OPERATOR)
    rule = Rule(provider, "web", {"sub": "id1"}, "builder", ["pull"], ["team"], 300)
    await trusted.add_rule("build", rule, actor=OPERATOR)
    exchange = Exchange(database, Issuers(database, outgoing), service="blacklake")
    form = {
        "grant_type": GRANT_TYPE,
        "subject_token": token,
        "subject_token_type": "urn:ietf:params:oauth:token-type:id_token",
        "scope": "repository:team/model:pull,push",
    }
    found = await exchange.exchange(form)
    assert (found.caller.name, found.subject) == ("builder", "id1")
    assert [str(scope) for scope in found.scopes] == ["repository:team/model:pull"]
    with pytest.raises(GrantRefused, match="used already"):
        await exchange.exchange(form)


def id_token(provider: str) -> str:
    """Return an ID token of the client `web`, fetched by hand."""
    query = {
        "response_type": "code",
        "client_id": "web",
        "redirect_uri": CALLBACK,
        "scope": "openid",
        "state": "s",
        "nonce": "n",
    }
    request = requests.Request("GET", f"{provider}auth", params=query).prepare()
    code = logged_in(str(request.url))["code"]
    fields = {"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK}
    answer = requests.post(f"{provider}oauth/token", fields, auth=("web", "secret"), timeout=30)
    answer.raise_for_status()
    return str(answer.json()["id_token"])
