"""Access tokens under attack: each test is named after its class."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from registry.auth import keyring as keyrings
from registry.auth.keyring import Keyring
from registry.auth.scopes import Scope
from registry.auth.sealing import SecretKey
from registry.auth.tokens import LONGEST, AccessTokens
from registry.core.access import Caller, Permission
from registry.db.pool import Database
from registry.errors import TokenInvalid
from tests.actors import OPERATOR
from tests.auth.issuer import dated

ALICE = Caller(7, "alice")
GRANTED = [Scope("repository", "team/bert", frozenset(("pull",)))]
Forger = Callable[..., str]
of_each_algorithm = pytest.mark.parametrize("keyring", keyrings.ALGORITHMS, indirect=True)


@pytest.fixture
def tokens(keyring: Keyring) -> AccessTokens:
    return AccessTokens(keyring, issuer="blacklake", service="registry.test", seconds=300)


@pytest.fixture
async def forge(tokens: AccessTokens, keyring: Keyring) -> Forger:
    """Return what makes a token by the registry's own key, but with other claims or headers; None leaves one out."""
    issued = await tokens.issue(ALICE, GRANTED)
    claims = jwt.decode(issued.token, options={"verify_signature": False})
    key = await keyring.signer()

    def forged(headers: dict[str, Any] | None = None, **changes: object) -> str:
        changed = {name: value for name, value in {**claims, **changes}.items() if value is not None}
        return jwt.encode(changed, key.private, key.algorithm, headers={"kid": key.kid, "typ": "JWT"} | (headers or {}))

    return forged


def raw(header: dict[str, Any], claims: dict[str, Any], sign: Callable[[bytes], bytes]) -> str:
    parts = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in (header, claims)]
    signed = b".".join(parts)
    return (signed + b"." + base64.urlsafe_b64encode(sign(signed)).rstrip(b"=")).decode()


@of_each_algorithm
async def test_a_token_says_who_and_what_for(tokens: AccessTokens, forge: Forger) -> None:
    for token in ((await tokens.issue(ALICE, GRANTED)).token, forge()):
        caller = await tokens.verify(token)
        assert (caller.principal_id, caller.name) == (7, "alice")
        assert caller.bound is not None
        assert caller.bound.repositories == {"team/bert": {Permission.PULL}}
        assert not caller.bound.catalog


@of_each_algorithm
@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", "nOnE"])
async def test_algorithm_none(tokens: AccessTokens, forge: Forger, algorithm: str) -> None:
    claims = jwt.decode(forge(), options={"verify_signature": False})
    header = jwt.get_unverified_header(forge()) | {"alg": algorithm}
    for signature in (b"", b"x"):
        with pytest.raises(TokenInvalid):
            await tokens.verify(raw(header, claims, lambda _, made=signature: made))


@of_each_algorithm
async def test_confusion_of_a_public_key_with_a_shared_secret(
    tokens: AccessTokens, keyring: Keyring, forge: Forger
) -> None:
    public = (await keyring.signer()).public
    claims = jwt.decode(forge(), options={"verify_signature": False})
    header = jwt.get_unverified_header(forge()) | {"alg": "HS256"}
    for encoding, form in (
        (serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo),
        (serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo),
    ):
        secret = public.public_bytes(encoding, form)
        with pytest.raises(TokenInvalid):
            await tokens.verify(
                raw(header, claims, lambda signed, key=secret: hmac.digest(key, signed, hashlib.sha256))
            )


@pytest.mark.parametrize("header", ["jwk", "jku", "x5u", "x5c", "x5t", "crit", "zip", "b64", "cty"])
async def test_keys_and_instructions_in_the_header(
    tokens: AccessTokens, keyring: Keyring, forge: Forger, header: str
) -> None:
    mine = ec.generate_private_key(ec.SECP256R1())
    claims = jwt.decode(forge(), options={"verify_signature": False})
    kid = (await keyring.signer()).kid
    value: dict[str, Any] = {
        "jwk": jwt.algorithms.ECAlgorithm.to_jwk(mine.public_key(), as_dict=True),
        "x5c": ["MIIB"],
        "crit": ["exp"],
        "b64": False,
    }
    headers = {"kid": kid, "typ": "JWT", header: value.get(header, "https://evil.example/keys")}
    with pytest.raises(TokenInvalid):
        await tokens.verify(jwt.encode(claims, mine, "ES256", headers=headers))
    with pytest.raises(TokenInvalid):  # not even beside a signature of our own
        await tokens.verify(forge(headers))


@pytest.mark.parametrize(
    "kid",
    ["../../dev/null", "' OR '1'='1", "", "x" * 10_000, "\x00", "http://evil.example/", ["a"], {"a": 1}, 7, None, True],
)
async def test_injection_through_the_name_of_a_key(tokens: AccessTokens, forge: Forger, kid: Any) -> None:
    header = jwt.get_unverified_header(forge()) | {"kid": kid}
    with pytest.raises(TokenInvalid):
        await tokens.verify(raw(header, {}, lambda _: b"x"))


@pytest.mark.parametrize(
    "changes",
    [
        {"aud": "another.registry"},
        {"aud": ["registry.test"]},
        {"aud": ["registry.test", "another.registry"]},
        {"aud": ""},
        {"aud": None},
        {"iss": "somebody"},
        {"iss": None},
        {"exp": timedelta(minutes=-10)},
        {"exp": None},
        {"exp": "never"},
        {"exp": -1},
        {"nbf": timedelta(minutes=10)},
        {"nbf": None},
        {"iat": None},
        {"iat": timedelta(minutes=10)},
        {"jti": None},
        {"sub": None},
        {"access": None},
        {"access": "repository:team/bert:pull"},
        {"access": [{"type": "repository", "name": "team/bert"}]},
        {"access": [{"type": "repository", "name": ["team/bert"], "actions": ["pull"]}]},
        {"access": [{"type": "repository", "name": "team/bert", "actions": 7}]},
        {"access": ["pull"]},
        {"pid": None},
        {"pid": "seven"},
        {"pid": [7]},
    ],
    ids=str,
)
async def test_claims_that_are_wrong_or_missing(
    tokens: AccessTokens, forge: Forger, changes: dict[str, object]
) -> None:
    with pytest.raises(TokenInvalid):
        await tokens.verify(forge(**dated(changes)))


@pytest.mark.parametrize("typ", ["at+jwt", "JOSE", "jwt", "refresh", None, ""])
async def test_a_token_of_another_type(tokens: AccessTokens, forge: Forger, typ: str | None) -> None:
    with pytest.raises(TokenInvalid):
        await tokens.verify(forge({"typ": typ}))


@of_each_algorithm
async def test_parts_that_are_not_what_was_signed(tokens: AccessTokens, forge: Forger) -> None:
    header, payload, signature = forge().split(".")
    claims = jwt.decode(forge(), options={"verify_signature": False})
    richer = claims | {"access": [{"type": "repository", "name": "team/bert", "actions": ["*"]}]}
    payload_of_mine = base64.urlsafe_b64encode(json.dumps(richer).encode()).rstrip(b"=").decode()
    for token in (
        f"{header}.{payload_of_mine}.{signature}",
        f"{header}.{payload}.",
        f"{header}.{payload}",
        f"{header}.{payload}.{signature[:-4]}AAAA",
        f"{header}.{payload}.{signature}.{signature}",
        f"{payload}.{header}.{signature}",
        "",
        "...",
        "a.b.c",
        "\x00",
        "é.é.é",
    ):
        with pytest.raises(TokenInvalid):
            await tokens.verify(token)


async def test_a_huge_token_is_not_even_read(tokens: AccessTokens, forge: Forger) -> None:
    with pytest.raises(TokenInvalid, match="too long"):
        await tokens.verify(forge(access=[{"type": "repository", "name": "a" * LONGEST, "actions": ["pull"]}]))


async def test_a_flood_of_unknown_keys_asks_the_database_once_a_second(
    tokens: AccessTokens, forge: Forger, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = 0
    read = keyrings.keys.usable

    async def counted(conn: Any) -> Any:
        nonlocal asked
        asked += 1
        return await read(conn)

    monkeypatch.setattr(keyrings.keys, "usable", counted)
    monkeypatch.setattr(keyrings, "_PATIENCE", 3600.0)
    for number in range(200):
        header = {"alg": "ES256", "typ": "JWT", "kid": f"unknown{number}"}
        with pytest.raises(TokenInvalid):
            await tokens.verify(raw(header, {}, lambda _: b"x"))
    assert asked <= 1


async def test_a_token_that_was_verified_ends_with_its_time(
    tokens: AccessTokens, forge: Forger, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = forge()
    await tokens.verify(token)
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 301)
    with pytest.raises(TokenInvalid, match="expired"):
        await tokens.verify(token)


async def test_a_key_that_leaked_verifies_nothing_any_more_also_what_was_verified(
    tokens: AccessTokens, keyring: Keyring, forge: Forger
) -> None:
    token = forge()
    await tokens.verify(token)
    await keyring.rotate(now=True, actor=OPERATOR)
    with pytest.raises(TokenInvalid, match="no longer valid"):
        await tokens.verify(token)
    await tokens.verify((await tokens.issue(ALICE, GRANTED)).token)


@of_each_algorithm
async def test_a_rotation_is_no_outage(tokens: AccessTokens, keyring: Keyring, forge: Forger) -> None:
    old = (await keyring.signer()).kid
    token = forge()
    new = await keyring.rotate(actor=OPERATOR)
    assert {key["kid"] for key in (await keyring.published())["keys"]} == {old, new}
    assert (await keyring.signer()).kid == old, "until everybody has had time to learn of the new one"
    await tokens.verify(token)


async def test_a_rotation_before_the_first_token_leaves_a_key_that_signs(
    keyring: Keyring, tokens: AccessTokens
) -> None:
    kid = await keyring.rotate(actor=OPERATOR)
    assert (await keyring.signer()).kid == kid
    assert (await tokens.verify((await tokens.issue(ALICE, GRANTED)).token)).name == "alice"


async def test_nodes_that_start_at_once_make_one_key(db: Database, secret_key: SecretKey) -> None:
    rings = [Keyring(db, secret_key, algorithm="ES256", longest=300) for _ in range(5)]
    assert len({(await ring.signer()).kid for ring in rings}) == 1


async def test_tokens_of_another_installation_are_refused(db: Database, tokens: AccessTokens) -> None:
    issued = await tokens.issue(ALICE, GRANTED)
    others = AccessTokens(tokens._keyring, issuer="blacklake", service="another", seconds=300)
    with pytest.raises(TokenInvalid):
        await others.verify(issued.token)
