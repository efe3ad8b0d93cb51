"""Tokens of another token server: its `access` is the right itself, and nothing more."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import jwt
import pytest

from mediatypes.digest import Digest
from mediatypes.names import RepositoryName, parse_repository_name
from registry.auth.external_tokens import ExternalTokens
from registry.auth.outgoing import Outgoing
from registry.auth.remote import FRESH, PATIENCE
from registry.core.access import DELETE, PULL, PUSH, Access, Caller, Permission, pullable
from registry.core.services import Services
from registry.db.pool import Database
from registry.db.rights import Epochs
from registry.errors import AccessMissing, CatalogDenied, TokenInvalid, Unavailable
from tests.auth.conftest import Clock
from tests.auth.issuer import OTHER_RSA, RSA, Issuer, dated, jwk

MODEL = parse_repository_name("team/model")
OTHER = parse_repository_name("team/other")
SERVICE = "registry.test"


def tokens(outgoing: Outgoing, issuer: Issuer, clock: Clock, *kids: str) -> ExternalTokens:
    return ExternalTokens(
        outgoing, issuer="acme auth", service=SERVICE, keys_url=f"{issuer.url}/keys", kids=kids, clock=clock
    )


def token(issuer: Issuer, *access: Mapping[str, Any], **more: Any) -> str:
    return issuer.token(**{"iss": "acme auth", "aud": SERVICE, "access": list(access), **more})


def access(name: str, *actions: str) -> dict[str, Any]:
    return {"type": "repository", "name": name, "actions": list(actions)}


@pytest.fixture
def external(outgoing: Outgoing, issuer: Issuer, clock: Clock) -> ExternalTokens:
    return tokens(outgoing, issuer, clock)


async def test_a_token_permits_what_its_access_says_and_nobody_is_asked(
    external: ExternalTokens, issuer: Issuer, database: Database
) -> None:
    caller = await external.verify(token(issuer, access("team/model", "pull"), sub="ann"))
    assert (caller.principal_id, caller.name) == (None, "ann")
    decides = Access(database)
    assert await decides.permitted(caller, MODEL) == {Permission.PULL}
    assert await decides.permitted(caller, OTHER) == frozenset()
    assert await decides.require(caller, MODEL, PULL) == {Permission.PULL}
    await decides.require_principal(caller)
    await decides.confirm(caller, MODEL, PULL, Epochs(None, None))
    for name, needed in [(MODEL, PUSH), (MODEL, DELETE), (OTHER, PULL)]:
        with pytest.raises(AccessMissing):
            await decides.require(caller, name, needed)
        with pytest.raises(AccessMissing):
            await decides.confirm(caller, name, needed, Epochs(None, None))


@pytest.mark.parametrize(
    "listed", [[], None, [{"type": "registry", "name": "catalog", "actions": []}], [access("*", "*")]]
)
async def test_a_token_whose_access_is_empty_permits_nothing(
    external: ExternalTokens, issuer: Issuer, services: Services, listed: Any
) -> None:
    now = int(time.time())
    claims = {"iss": "acme auth", "aud": SERVICE, "iat": now, "exp": now + 60, "access": listed}
    caller = await external.verify(jwt.encode(claims, RSA, "RS256", headers={"kid": "key-1"}))
    for name in (MODEL, OTHER):
        with pytest.raises(AccessMissing):
            await services.access.require(caller, name, PULL)
    with pytest.raises(CatalogDenied):
        await services.repositories.page(after="", limit=10, caller=caller)


async def test_the_catalog_is_permitted_by_its_name(
    external: ExternalTokens, issuer: Issuer, services: Services
) -> None:
    caller = await external.verify(token(issuer, {"type": "registry", "name": "catalog", "actions": ["*"]}))
    assert (await services.repositories.page(after="", limit=10, caller=caller)).items == []


@pytest.mark.parametrize("name", ["team/a\0b", "team/\ud800", "Team/model", "team/*", ""])
async def test_names_that_no_repository_has_are_not_looked_up(
    external: ExternalTokens, issuer: Issuer, services: Services, name: str
) -> None:
    caller = await external.verify(token(issuer, access(name, "pull"), access("team/model", "pull", "push")))
    assert pullable(caller, None) == ["team/model"]
    assert not await services.blobs.mount(MODEL, Digest.of(b"elsewhere"), source=None, caller=caller)


async def test_a_push_needs_no_organisation_of_ours(
    external: ExternalTokens, issuer: Issuer, database: Database
) -> None:
    caller = await external.verify(token(issuer, access("team/model", "pull", "push")))
    held = await Access(database).require(caller, MODEL, PUSH)
    assert held == {Permission.PULL, Permission.PUSH, Permission.TAG_MOVE, Permission.SIGN}


@pytest.mark.parametrize(
    "change",
    [
        {"aud": "other"}, {"aud": [SERVICE, "other"]}, {"iss": "other"}, {"iss": "ACME AUTH"}, {"access": "nonsense"},
        {"access": [1]}, {"access": [{"type": "repository"}]}, {"access": [{"type": "repository", "name": [], "actions": []}]},
        {"exp": timedelta(minutes=-1)}, {"nbf": timedelta(minutes=10)},
    ],
)  # fmt: skip
async def test_a_token_that_is_not_for_us_is_refused(
    external: ExternalTokens, issuer: Issuer, change: dict[str, Any]
) -> None:
    with pytest.raises(TokenInvalid):
        await external.verify(token(issuer, **dated(change)))


async def test_an_identity_of_the_same_issuer_is_no_token_for_a_registry(
    external: ExternalTokens, issuer: Issuer
) -> None:
    with pytest.raises(TokenInvalid, match="so it is not for a registry"):
        await external.verify(issuer.token(iss="acme auth", aud=SERVICE))


@pytest.mark.parametrize("typ", ["at+jwt", "logout+jwt"])
async def test_a_token_of_another_type_is_refused(external: ExternalTokens, issuer: Issuer, typ: str) -> None:
    with pytest.raises(TokenInvalid, match="type"):
        await external.verify(token(issuer, headers={"typ": typ}))


async def test_only_the_keys_that_are_named_are_trusted(outgoing: Outgoing, issuer: Issuer, clock: Clock) -> None:
    issuer.keys.append(jwk(OTHER_RSA, "key-2", "RS256"))
    pinned = tokens(outgoing, issuer, clock, "key-1", "key-3")
    await pinned.verify(token(issuer))
    with pytest.raises(TokenInvalid, match="doesn't publish"):
        await pinned.verify(token(issuer, key=OTHER_RSA, headers={"kid": "key-2"}))
    assert issuer.asked["/keys"] == 1


async def test_an_unknown_kid_flood_fetches_once(external: ExternalTokens, issuer: Issuer, clock: Clock) -> None:
    await external.verify(token(issuer))
    clock.now += PATIENCE
    for number in range(20):
        with pytest.raises(TokenInvalid):
            await external.verify(token(issuer, key=OTHER_RSA, headers={"kid": f"made-up-{number}"}))
    assert issuer.asked["/keys"] == 2


async def test_a_token_that_was_verified_ends_with_its_key(
    external: ExternalTokens, issuer: Issuer, clock: Clock
) -> None:
    one = token(issuer, access("team/model", "pull"))
    assert await external.verify(one) is await external.verify(one)
    issuer.keys = []
    clock.now += FRESH
    with pytest.raises(TokenInvalid, match="no longer valid"):
        await external.verify(one)


async def test_a_token_that_was_verified_ends_with_its_time(
    external: ExternalTokens, issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = token(issuer)
    await external.verify(one)
    later = time.time() + 400
    monkeypatch.setattr("registry.auth.external_tokens.time.time", lambda: later)
    with pytest.raises(TokenInvalid, match="expired"):
        await external.verify(one)


async def test_a_server_that_is_down_is_unavailable_not_wrong(external: ExternalTokens, issuer: Issuer) -> None:
    issuer.answers["/keys"] = lambda _form: (500, {}, b"")
    with pytest.raises(Unavailable):
        await external.verify(token(issuer))


async def test_a_token_says_whose_it_is(external: ExternalTokens, issuer: Issuer) -> None:
    assert external.claims(token(issuer))
    assert not external.claims(issuer.token())
    for text in ("", "x", "a.b.c", "é", token(issuer)[:20]):
        assert not external.claims(text)


async def test_a_name_that_is_unfit_for_a_log_is_none(external: ExternalTokens, issuer: Issuer) -> None:
    assert (await external.verify(token(issuer, sub="a\nb"))).name == ""
    assert (await external.verify(token(issuer, sub=None))).name == ""


async def test_everyone_s_rights_stay_what_they_were(database: Database) -> None:
    everyone = Caller(None, "everyone")
    name: RepositoryName = MODEL
    assert await Access(database).require(everyone, name, DELETE) == frozenset(Permission)
