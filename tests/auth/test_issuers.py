"""What issuers publish: found, checked, kept, and asked for no oftener than it must be."""

from __future__ import annotations

import asyncio
import json
import threading
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from registry.auth.addresses import Allowed
from registry.auth.foreign_keys import MOST_KEYS, parse_keys
from registry.auth.issuers import Issuers, is_url
from registry.auth.outgoing import Outgoing
from registry.auth.remote import FRESH, PATIENCE, STALE
from registry.db import trust
from registry.db.pool import Database
from registry.errors import TokenInvalid, Unavailable
from tests.auth.conftest import Clock
from tests.auth.issuer import AUDIENCE, OTHER_RSA, RSA, Issuer, Reply, jwk, ok
from tests.auth.names import resolved

DISCOVERY = "/.well-known/openid-configuration"


async def verify(issuers: Issuers, issuer: Issuer, token: str | None = None, **row: Any) -> str:
    found = await issuers.verify(
        token or issuer.token(), issuer.row._replace(**row), audiences=(AUDIENCE,), strict=True
    )
    return str(found.claims["sub"])


async def test_an_issuer_that_nobody_has_added_is_not_found_and_nothing_is_fetched(
    issuer: Issuer, outgoing: Outgoing, database: Database
) -> None:
    issuers = Issuers(database, outgoing)
    assert await issuers.find(issuer.url) is None
    await database.transaction("add", lambda conn: trust.add_issuer(conn, issuer.row))
    found = await issuers.find(issuer.url)
    assert found is not None
    assert found._replace(id=1) == issuer.row
    for other in (issuer.url + "/", issuer.url.upper(), "\0", "\ud800", "https://h/" + "x" * 600, "", "file:///x"):
        assert await issuers.find(other) is None
    assert not issuer.requests


@pytest.mark.parametrize("url", ["https://h", "https://h:1/a/b", "http://127.0.0.1:8080/", "https://[::1]/x"])
def test_a_url_can_be_an_issuer_s(url: str) -> None:
    assert is_url(url)


@pytest.mark.parametrize(
    "url",
    [
        "https://", "https://h?x=1", "https://h#x", "https://u@h", "https://h/ü", "https://h:x/", "https://h/\n", "HTTPS://h",
        "//h",
    ],
)  # fmt: skip
def test_a_url_can_not_be_an_issuer_s(url: str) -> None:
    assert not is_url(url)


async def test_discovery_with_another_issuer(issuers: Issuers, issuer: Issuer) -> None:
    for other in (issuer.url + "/", "https://other.test", None, [issuer.url]):
        issuer.answers[DISCOVERY] = lambda _form, other=other: ok(issuer.metadata | {"issuer": other})  # type: ignore[misc]
        with pytest.raises(Unavailable, match="is unavailable"):
            await verify(issuers, issuer)
    assert issuer.asked["/keys"] == 0


@pytest.mark.parametrize(
    "uri", [None, "", "keys", "file:///etc/passwd", 1, "http://169.254.169.254/keys", "http://example.com/"]
)
async def test_discovery_whose_keys_are_where_they_must_not_be(issuers: Issuers, issuer: Issuer, uri: object) -> None:
    issuer.answers[DISCOVERY] = lambda _form: ok(issuer.metadata | {"jwks_uri": uri})
    with pytest.raises(Unavailable):
        await verify(issuers, issuer)


@pytest.mark.parametrize(
    "reply",
    [(404, {}, b""), (200, {}, b"<html>"), (200, {}, b"[]"), (200, {}, b"x" * 70_000), (200, {}, b"[" * 9999)],
    ids=["absent", "page", "list", "huge", "deep"],
)
async def test_discovery_that_is_none(issuers: Issuers, issuer: Issuer, reply: Reply) -> None:
    issuer.answers[DISCOVERY] = lambda _form: reply
    with pytest.raises(Unavailable):
        await verify(issuers, issuer)


async def test_an_issuer_whose_url_ends_with_a_slash_is_asked_without_it(issuers: Issuers, issuer: Issuer) -> None:
    url = issuer.url + "/"
    issuer.answers[DISCOVERY] = lambda _form: ok(issuer.metadata | {"issuer": url})
    assert await verify(issuers, issuer, issuer.token(iss=url), url=url) == "job"


async def test_a_key_set_may_be_named_instead_of_discovered(issuers: Issuers, issuer: Issuer) -> None:
    assert await verify(issuers, issuer, keys_url=f"{issuer.url}/keys") == "job"
    assert issuer.asked[DISCOVERY] == 0


async def test_a_huge_key_set(issuers: Issuers, issuer: Issuer) -> None:
    issuer.keys += [{"kty": "RSA", "n": "x" * 1000, "e": "AQAB", "kid": str(number)} for number in range(70)]
    with pytest.raises(Unavailable):
        await verify(issuers, issuer)


async def test_a_key_set_of_too_many_keys(issuers: Issuers, issuer: Issuer) -> None:
    issuer.keys += [{"kty": "oct"}] * MOST_KEYS
    with pytest.raises(Unavailable):
        await verify(issuers, issuer)


async def test_a_slow_key_set_holds_nobody_up_for_long(issuers: Issuers, issuer: Issuer, outgoing: Outgoing) -> None:
    ends = threading.Event()

    def wait(_form: object) -> Reply:
        ends.wait()
        return 200, {}, b""

    issuer.answers["/keys"] = wait
    outgoing._seconds = 0.2
    try:
        with pytest.raises(Unavailable):
            await verify(issuers, issuer)
    finally:
        ends.set()


async def test_dns_rebinding_of_an_issuer(
    monkeypatch: pytest.MonkeyPatch, issuers: Issuers, issuer: Issuer, outgoing: Outgoing
) -> None:
    asked = resolved(monkeypatch, "idp.example.test", ["127.0.0.1"], ["169.254.169.254"])
    url = issuer.url.replace("127.0.0.1", "idp.example.test")
    issuer.answers[DISCOVERY] = lambda _form: ok({"issuer": url, "jwks_uri": f"{url}/keys"})
    outgoing._allowed = Allowed(["idp.example.test"])
    with pytest.raises(Unavailable):
        await verify(issuers, issuer, issuer.token(iss=url), url=url)
    assert len(asked) == 2
    assert issuer.asked["/keys"] == 0


@pytest.mark.parametrize(
    "change",
    [
        {"use": "enc"}, {"key_ops": ["encrypt"]}, {"alg": "RS512"}, {"alg": "HS256"}, {"kty": "oct"}, {"kty": "EC"},
        {"n": "AQAB"}, {"n": "!"}, {"n": 1}, {"e": None}, {"kid": ""}, {"kid": 1}, {"d": "x"}, {"kty": ["RSA"]},
        {"key_ops": []},
    ],
)  # fmt: skip
async def test_a_key_that_is_none_for_signatures_by_the_pinned_algorithms_is_left_out(
    issuers: Issuers, issuer: Issuer, change: dict[str, Any]
) -> None:
    issuer.keys = [{**issuer.keys[0], **change}, jwk(OTHER_RSA, "key-2", "RS256")]
    with pytest.raises(TokenInvalid, match="doesn't publish"):
        await verify(issuers, issuer)
    assert await verify(issuers, issuer, issuer.token(OTHER_RSA, headers={"kid": "key-2"})) == "job"


@pytest.mark.parametrize("bits", [1024, 2040])
def test_a_key_that_is_too_short_is_left_out(bits: int) -> None:
    short = jwk(rsa.generate_private_key(public_exponent=65537, key_size=bits), "short", "RS256")
    good = jwk(RSA, "good", "RS256")
    assert set(parse_keys(json.dumps({"keys": [short, good]}).encode(), ("RS256",))) == {"good"}


async def test_the_first_of_two_keys_with_one_name_stays(issuers: Issuers, issuer: Issuer) -> None:
    issuer.keys = [*issuer.keys, jwk(OTHER_RSA, "key-1", "RS256")]
    assert await verify(issuers, issuer) == "job"
    with pytest.raises(TokenInvalid):
        await verify(issuers, issuer, issuer.token(OTHER_RSA))


async def test_an_unknown_kid_flood_fetches_once(issuers: Issuers, issuer: Issuer, clock: Clock) -> None:
    await verify(issuers, issuer)
    clock.now += PATIENCE
    tokens = [issuer.token(OTHER_RSA, headers={"kid": f"made-up-{number}"}) for number in range(100)]
    found = await asyncio.gather(*(verify(issuers, issuer, token) for token in tokens), return_exceptions=True)
    assert all(isinstance(one, TokenInvalid) for one in found)
    assert issuer.asked["/keys"] == 2
    clock.now += PATIENCE / 2
    await asyncio.gather(*(verify(issuers, issuer, token) for token in tokens), return_exceptions=True)
    assert issuer.asked["/keys"] == 2
    assert issuer.asked[DISCOVERY] == 1


async def test_who_hangs_up_can_not_make_us_fetch_again(issuers: Issuers, issuer: Issuer) -> None:
    begun, ends = threading.Event(), threading.Event()

    def wait(_form: object) -> Reply:
        begun.set()
        ends.wait()
        return ok({"keys": issuer.keys})

    issuer.answers["/keys"] = wait
    for _ in range(20):
        asker = asyncio.create_task(verify(issuers, issuer))
        await asyncio.to_thread(begun.wait)
        asker.cancel()
        await asyncio.gather(asker, return_exceptions=True)
    ends.set()
    assert await verify(issuers, issuer) == "job"
    assert issuer.asked["/keys"] == 1


async def test_a_new_key_is_found_when_its_first_token_comes(issuers: Issuers, issuer: Issuer, clock: Clock) -> None:
    await verify(issuers, issuer)
    issuer.keys = [jwk(OTHER_RSA, "key-2", "RS256")]
    clock.now += PATIENCE
    assert await verify(issuers, issuer, issuer.token(OTHER_RSA, headers={"kid": "key-2"})) == "job"
    with pytest.raises(TokenInvalid):  # and the one that it replaces is no longer good
        await verify(issuers, issuer, issuer.token(RSA))


async def test_a_key_that_was_withdrawn_is_good_for_a_bounded_time(
    issuers: Issuers, issuer: Issuer, clock: Clock
) -> None:
    await verify(issuers, issuer)
    issuer.keys = []
    clock.now += FRESH - 1
    assert await verify(issuers, issuer) == "job"
    clock.now += 1
    with pytest.raises(TokenInvalid):
        await verify(issuers, issuer)


async def test_the_keys_of_an_issuer_that_is_down_are_used_for_a_bounded_time_and_it_is_asked_ever_more_rarely(
    issuers: Issuers, issuer: Issuer, clock: Clock
) -> None:
    await verify(issuers, issuer)
    issuer.answers["/keys"] = lambda _form: (503, {}, b"")
    begun = clock.now
    while clock.now < begun + STALE - 1:
        clock.now = min(clock.now + 5, begun + STALE - 1)
        assert await verify(issuers, issuer) == "job"
    assert 5 < issuer.asked["/keys"] < 20
    clock.now = begun + STALE
    with pytest.raises(Unavailable):
        await verify(issuers, issuer)
    del issuer.answers["/keys"]
    clock.now += 300
    assert await verify(issuers, issuer) == "job"


async def test_an_issuer_that_fails_from_the_start_is_not_asked_with_each_request(
    issuers: Issuers, issuer: Issuer, clock: Clock
) -> None:
    issuer.answers[DISCOVERY] = lambda _form: (500, {}, b"")
    for _ in range(50):
        with pytest.raises(Unavailable):
            await verify(issuers, issuer)
    assert issuer.asked[DISCOVERY] == 1
    del issuer.answers[DISCOVERY]
    clock.now += PATIENCE
    assert await verify(issuers, issuer) == "job"


async def test_what_is_changed_of_an_issuer_is_asked_for_anew(issuers: Issuers, issuer: Issuer) -> None:
    await verify(issuers, issuer)
    with pytest.raises(TokenInvalid):
        await verify(issuers, issuer, algorithms=("ES256",))
