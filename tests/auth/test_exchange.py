"""Workload identity: tokens of issuers for tokens of ours, with a real PostgreSQL."""

from __future__ import annotations

import asyncio
from typing import Any

import asyncpg
import pytest

from registry.auth.exchange import GRANT_TYPE, Exchange, Exchanged
from registry.auth.issuers import Issuers
from registry.auth.outgoing import Outgoing
from registry.auth.scopes import parse_scopes
from registry.auth.trusted import Rule, Trusted
from registry.core.access import Permission
from registry.core.identities import Identities
from registry.db.pool import Database
from registry.errors import GrantRefused, IdentityRefused, TokenInvalid
from tests.actors import OPERATOR
from tests.auth.issuer import AUDIENCE, OTHER_RSA, Issuer

SCOPE = "repository:team/model:pull,push,delete"


@pytest.fixture
def trusted(database: Database) -> Trusted:
    return Trusted(database)


@pytest.fixture
async def exchange(database: Database, outgoing: Outgoing, issuer: Issuer, trusted: Trusted) -> Exchange:
    """Return an exchange that trusts the issuer's tokens with the subject `job` as `builder`."""
    await Identities(database).add_user("builder", password_hash=None, is_admin=False, actor=OPERATOR)
    await trusted.add_issuer(issuer.row, secret=None, key=None, actor=OPERATOR)
    await add_rule(trusted, issuer.url)
    return Exchange(database, Issuers(database, outgoing), service="blacklake")


@pytest.fixture
def other_exchange(other_database: Database, outgoing: Outgoing, exchange: Exchange) -> Exchange:
    """Return the exchange of a second node."""
    return Exchange(other_database, Issuers(other_database, outgoing), service="blacklake")


async def add_rule(trusted: Trusted, issuer: str, name: str = "build", **more: Any) -> None:
    rule: dict[str, Any] = {
        "issuer": issuer,
        "audience": AUDIENCE,
        "claims": {"sub": "job"},
        "principal": "builder",
        "actions": ["pull", "push"],
        "repositories": ["team"],
        "seconds": 600,
    }
    await trusted.add_rule(name, Rule(**rule | more), actor=OPERATOR)


def form(token: str, **more: str | None) -> dict[str, str]:
    good = {
        "grant_type": GRANT_TYPE,
        "subject_token": token,
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "audience": "blacklake",
        "scope": SCOPE,
    }
    return {name: value for name, value in (good | more).items() if value is not None}


async def refusal(exchange: Exchange, token: str, **more: str | None) -> GrantRefused:
    with pytest.raises(GrantRefused) as refused:
        await exchange.exchange(form(token, **more))
    assert refused.value.detail == {"error": refused.value.error}
    return refused.value


async def test_a_token_is_exchanged_for_what_its_rule_permits(exchange: Exchange, issuer: Issuer) -> None:
    found: Exchanged = await exchange.exchange(form(issuer.token()))
    assert found.caller.name == "builder"
    assert [str(scope) for scope in found.scopes] == ["repository:team/model:pull,push"]
    assert (found.seconds, found.issuer, found.subject, found.rules) == (600, issuer.url, "job", ("build",))
    assert found.caller.bound is not None
    assert set(found.caller.bound.repositories) == {"team/model"}
    assert Permission.DELETE not in found.caller.bound.repositories["team/model"]
    assert not found.caller.bound.catalog


async def test_an_id_token_is_taken_and_audience_and_scope_may_be_left_out(exchange: Exchange, issuer: Issuer) -> None:
    found = await exchange.exchange(
        form(
            issuer.token(),
            subject_token_type="urn:ietf:params:oauth:token-type:id_token",
            audience=None,
            scope=None,
            requested_token_type="urn:ietf:params:oauth:token-type:access_token",
        )
    )
    assert found.scopes == []


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"grant_type": "password"}, "unsupported_grant_type"),
        ({"grant_type": None}, "unsupported_grant_type"),
        ({"subject_token_type": "urn:ietf:params:oauth:token-type:access_token"}, "invalid_request"),
        ({"subject_token_type": None}, "invalid_request"),
        ({"requested_token_type": "urn:ietf:params:oauth:token-type:refresh_token"}, "invalid_request"),
        ({"actor_token": "x"}, "invalid_request"),
        ({"resource": "https://other.test"}, "invalid_request"),
        ({"audience": "other"}, "invalid_target"),
        ({"scope": "nonsense"}, "invalid_scope"),
        ({"subject_token": None}, "invalid_request"),
        ({"subject_token": "nonsense"}, "invalid_request"),
    ],
)
async def test_a_request_that_is_none_is_refused_by_its_name_and_the_token_is_not_used_up(
    exchange: Exchange, issuer: Issuer, change: dict[str, str | None], error: str
) -> None:
    token = issuer.token()
    assert (await refusal(exchange, token, **change)).error == error
    assert await exchange.exchange(form(token))


async def test_a_replayed_jti(exchange: Exchange, other_exchange: Exchange, issuer: Issuer) -> None:
    token = issuer.token(jti="one")
    await exchange.exchange(form(token))
    for again in (token, issuer.token(jti="one", extra="x")):
        for node in (exchange, other_exchange):
            assert "has been used already" in str(await refusal(node, again))


async def test_of_many_at_once_on_two_nodes_one_gets_a_token(
    exchange: Exchange, other_exchange: Exchange, issuer: Issuer
) -> None:
    request = form(issuer.token())
    found = await asyncio.gather(
        *(node.exchange(request) for node in (exchange, other_exchange) * 5), return_exceptions=True
    )
    assert sum(isinstance(one, Exchanged) for one in found) == 1
    assert sum(isinstance(one, GrantRefused) for one in found) == 9


async def test_a_token_without_a_jti_is_known_by_what_is_signed(exchange: Exchange, issuer: Issuer) -> None:
    token, other = issuer.token(jti=None), issuer.token(jti=None, extra="x")
    await exchange.exchange(form(token))
    assert "has been used already" in str(await refusal(exchange, token))
    await exchange.exchange(form(other))


async def test_a_token_stays_used_when_its_issuer_is_removed_and_added_again(
    exchange: Exchange, issuer: Issuer, trusted: Trusted
) -> None:
    token = issuer.token()
    await exchange.exchange(form(token))
    await trusted.remove_issuer(issuer.url, actor=OPERATOR)
    assert "doesn't trust" in str(await refusal(exchange, token))
    await trusted.add_issuer(issuer.row, secret=None, key=None, actor=OPERATOR)
    await add_rule(trusted, issuer.url)
    assert "has been used already" in str(await refusal(exchange, token))


async def test_what_is_known_of_used_tokens_goes_when_they_have_expired(
    exchange: Exchange, issuer: Issuer, sql: asyncpg.Connection[asyncpg.Record]
) -> None:
    for _ in range(3):
        await exchange.exchange(form(issuer.token()))
    await sql.execute("UPDATE used_tokens SET expires_at = now() - interval '1 second'")
    await exchange.exchange(form(issuer.token()))
    assert await sql.fetchval("SELECT count(*) FROM used_tokens") == 1


async def test_as_a_password_a_token_is_sent_with_each_request_but_never_exchanged_as_well(
    exchange: Exchange, other_exchange: Exchange, issuer: Issuer
) -> None:
    password, exchanged = issuer.token(), issuer.token()
    for node in (exchange, other_exchange, exchange):
        found = await node.by_password(password, parse_scopes([SCOPE]))
        assert [str(scope) for scope in found.scopes] == ["repository:team/model:pull,push"]
    assert "has been used already" in str(await refusal(exchange, password))
    await exchange.exchange(form(exchanged))
    with pytest.raises(TokenInvalid, match="has been used already"):
        await exchange.by_password(exchanged, [])


@pytest.mark.parametrize("password", ["", "x", "secret:with:colons", "a.b.c", "ü", "x" * 100_000])
async def test_a_password_that_is_no_token(exchange: Exchange, password: str) -> None:
    with pytest.raises(TokenInvalid):
        await exchange.by_password(password, [])


async def test_nothing_is_fetched_for_an_issuer_that_is_unknown_or_has_no_rule(
    exchange: Exchange, issuer: Issuer, trusted: Trusted
) -> None:
    await trusted.remove_rule("build", actor=OPERATOR)
    for token in (issuer.token(), issuer.token(iss="https://attacker.test"), issuer.token(iss="x" * 10_000)):
        assert "of an issuer that this registry doesn't trust" in str(await refusal(exchange, token))
    assert not issuer.requests


async def test_a_token_that_fits_no_rule_is_told_where_it_differs_and_may_be_used_afterwards(
    exchange: Exchange, issuer: Issuer, trusted: Trusted
) -> None:
    token = issuer.token(sub="other\n\x1b[31m\ud800", secret="not to be told")
    said = str(await refusal(exchange, token))
    assert r"it says sub “other\n\x1b[31m\ud800”" in said
    assert "not to be told" not in said
    await add_rule(trusted, issuer.url, "other", claims={"secret": "not to be told"})
    assert (await exchange.exchange(form(token))).subject == r"other\n\x1b[31m\ud800"


async def test_each_rule_s_audience_is_its_own(exchange: Exchange, issuer: Issuer, trusted: Trusted) -> None:
    await add_rule(trusted, issuer.url, "other", audience="https://other.test", claims={"sub": "else"})
    assert "fits none" in str(await refusal(exchange, issuer.token(aud="https://other.test")))
    assert await exchange.exchange(form(issuer.token(aud="https://other.test", sub="else")))
    several = issuer.token(aud=[AUDIENCE, "https://other.test"])
    assert "audience" in str(await refusal(exchange, several))


async def test_a_signature_of_somebody_else_is_refused_before_any_rule_speaks(
    exchange: Exchange, issuer: Issuer
) -> None:
    said = str(await refusal(exchange, issuer.token(OTHER_RSA, sub="other")))
    assert "signature" in said
    assert "other" not in said


async def test_rules_of_two_principals_that_fit_one_token_are_refused(
    exchange: Exchange, issuer: Issuer, trusted: Trusted, database: Database
) -> None:
    await Identities(database).add_user("second", password_hash=None, is_admin=False, actor=OPERATOR)
    await add_rule(trusted, issuer.url, "two", principal="second")
    assert "build, two fit this token and stand for different principals" in str(
        await refusal(exchange, issuer.token())
    )


async def test_a_disabled_principal_has_no_rules(
    exchange: Exchange, issuer: Issuer, sql: asyncpg.Connection[asyncpg.Record]
) -> None:
    await sql.execute("UPDATE principals SET disabled_at = now() WHERE name = 'builder'")
    assert "doesn't trust" in str(await refusal(exchange, issuer.token()))


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"claims": {"sub": "*"}}, "without \\*"),
        ({"claims": {}}, "1 to 32 claims"),
        ({"principal": "nobody"}, "there is no user nobody"),
        ({"principal": ""}, "no user"),
        ({"issuer": "https://other.test"}, "no issuer https://other.test"),
        ({"issuer": "\0"}, "no issuer"),
        ({"principal": "\0"}, "no user"),
        ({"actions": []}, "permits some of"),
        ({"actions": ["admin"]}, "permits some of"),
        ({"repositories": []}, "permits some of"),
        ({"repositories": ["te*am/x"]}, "organisation"),
        ({"repositories": ["*"]}, "organisation"),
        ({"seconds": 30}, "60 to 3600"),
        ({"seconds": 3601}, "60 to 3600"),
        ({"audience": ""}, "audience"),
        ({"name": "Not A Name"}, "a name has"),
        ({}, "rule build already"),
    ],
)
async def test_a_rule_that_can_not_be_is_refused_with_its_reason(
    exchange: Exchange, issuer: Issuer, trusted: Trusted, change: dict[str, Any], why: str
) -> None:
    with pytest.raises(IdentityRefused, match=why):
        await add_rule(trusted, **{"issuer": issuer.url, **change})


async def test_an_issuer_that_can_not_be_is_refused_with_its_reason(
    exchange: Exchange, issuer: Issuer, trusted: Trusted
) -> None:
    row = issuer.row._replace(url="https://new.test")
    for new, why in [
        (issuer.row, "already"),
        (row._replace(url="https://h?x"), "no https URL"),
        (row._replace(keys_url="nonsense"), "no https URL"),
        (row._replace(kind="unknown"), "of the kind github, or gitlab"),
        (row._replace(url="https://gitlab.com"), "of the kind gitlab, not other"),
        (row._replace(algorithms=("HS256",)), "HS256 is none of"),
        (row._replace(algorithms=("none",)), "none is none of"),
        (row._replace(creates_users=True), "client id"),
    ]:
        with pytest.raises(IdentityRefused, match=why):
            await trusted.add_issuer(new, secret=None, key=None, actor=OPERATOR)
    with pytest.raises(IdentityRefused, match="client id"):
        await trusted.add_issuer(row, secret="s", key=None, actor=OPERATOR)


@pytest.mark.parametrize("removed", ["DELETE FROM issuers", "DELETE FROM principals WHERE name = 'builder'"])
async def test_a_rule_of_what_is_just_being_removed_is_refused(
    exchange: Exchange, trusted: Trusted, issuer: Issuer, sql: asyncpg.Connection, removed: str
) -> None:
    async with sql.transaction():
        await sql.execute(removed)
        adding = [
            asyncio.create_task(add_rule(trusted, issuer.url, "later")),
            asyncio.create_task(trusted.link(issuer.url, "job", "builder", actor=OPERATOR)),
        ]
        await asyncio.wait(adding, timeout=0.5)
    for task in adding:
        with pytest.raises(IdentityRefused):
            await task


async def test_what_is_not_there_can_not_be_removed(exchange: Exchange, trusted: Trusted) -> None:
    with pytest.raises(IdentityRefused, match="no issuer"):
        await trusted.remove_issuer("https://other.test", actor=OPERATOR)
    with pytest.raises(IdentityRefused, match="no rule other"):
        await trusted.remove_rule("other", actor=OPERATOR)


async def test_nobody_may_be_called_as_the_user_of_tokens_is(database: Database) -> None:
    with pytest.raises(IdentityRefused, match="is not oidc"):
        await Identities(database).add_user("oidc", password_hash=None, is_admin=False, actor=OPERATOR)
