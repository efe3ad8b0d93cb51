"""Attacks on the verification of others' tokens, each named after its class."""

from __future__ import annotations

import base64
import hmac
import json
import time
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization

from registry.auth.issuers import Issuers
from registry.db.trust import IssuerRow
from registry.errors import TokenInvalid
from tests.auth.issuer import AUDIENCE, EC, ED, OTHER_RSA, RSA, Issuer, jwk

PUBLIC_PEM = RSA.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


async def verified(issuers: Issuers, issuer: Issuer, token: str, **more: Any) -> dict[str, Any]:
    row: IssuerRow = more.pop("row", issuer.row)
    found = await issuers.verify(token, row, audiences=(AUDIENCE,), strict=True)
    return found.claims


async def refused(issuers: Issuers, issuer: Issuer, token: str, why: str = "the token", **more: Any) -> None:
    with pytest.raises(TokenInvalid, match=why):
        await verified(issuers, issuer, token, **more)


def forged(header: object, claims: object, signature: bytes = b"") -> str:
    parts = [json.dumps(part).encode() for part in (header, claims)]
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in [*parts, signature])


def hmac_token(issuer: Issuer, secret: bytes) -> str:
    """Return a token whose secret is a public key: PyJWT refuses to make one."""
    head = forged({"alg": "HS256", "typ": "JWT", "kid": "key-1"}, issuer.claims()).rpartition(".")[0]
    digest = hmac.digest(secret, head.encode(), "sha256")
    return f"{head}.{base64.urlsafe_b64encode(digest).rstrip(b'=').decode()}"


async def test_a_good_token_is_believed(issuers: Issuers, issuer: Issuer) -> None:
    issuer.keys.append(jwk(EC, "ec", "ES256"))
    assert (await verified(issuers, issuer, issuer.token(sub="job 7")))["sub"] == "job 7"
    token = issuer.token(EC, "ES256", {"kid": "ec", "typ": None}, aud=[AUDIENCE])
    assert (await verified(issuers, issuer, token))["aud"] == [AUDIENCE]


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", "nOnE", ""])
async def test_alg_none(issuers: Issuers, issuer: Issuer, algorithm: str) -> None:
    header = {"alg": algorithm, "typ": "JWT", "kid": "key-1"}
    await refused(issuers, issuer, forged(header, issuer.claims()))
    await refused(issuers, issuer, forged(header, issuer.claims(), b"x"))


async def test_hs_rs_confusion_with_the_public_key_as_secret(issuers: Issuers, issuer: Issuer) -> None:
    der = RSA.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    for secret in (PUBLIC_PEM, PUBLIC_PEM.strip(), der, json.dumps(issuer.keys[0]).encode()):
        await refused(issuers, issuer, hmac_token(issuer, secret))
        await refused(
            issuers, issuer, hmac_token(issuer, secret), row=issuer.row._replace(algorithms=("RS256", "HS256"))
        )


async def test_a_symmetric_key_in_the_key_set_is_never_used(issuers: Issuers, issuer: Issuer) -> None:
    secret = b"s" * 32
    encoded = base64.urlsafe_b64encode(secret).rstrip(b"=").decode()
    issuer.keys = [{"kty": "oct", "k": encoded, "kid": "key-1", "alg": "HS256"}]
    await refused(issuers, issuer, hmac_token(issuer, secret), row=issuer.row._replace(algorithms=("HS256",)))


async def test_an_algorithm_that_is_not_pinned_for_the_issuer(issuers: Issuers, issuer: Issuer) -> None:
    issuer.keys = [jwk(RSA, "key-1", "RS256"), jwk(ED, "ed", "EdDSA")]
    del issuer.keys[0]["alg"]
    await refused(issuers, issuer, issuer.token(algorithm="RS512"), "algorithm")
    await refused(issuers, issuer, issuer.token(algorithm="PS256"), "algorithm")
    await refused(issuers, issuer, issuer.token(ED, "EdDSA", {"kid": "ed"}), "algorithm")
    assert await verified(
        issuers, issuer, issuer.token(ED, "EdDSA", {"kid": "ed"}), row=issuer.row._replace(algorithms=("EdDSA",))
    )


async def test_an_algorithm_that_is_not_the_key_s_own(issuers: Issuers, issuer: Issuer) -> None:
    row = issuer.row._replace(algorithms=("RS256", "RS512", "ES256"))
    await refused(issuers, issuer, issuer.token(algorithm="RS512"), row=row)  # the key set says RS256
    issuer.keys.append(jwk(EC, "ec", "ES256"))
    await refused(issuers, issuer, issuer.token(headers={"kid": "ec"}), row=row)


@pytest.mark.parametrize("name", ["jwk", "jku", "x5u", "x5c", "crit", "zip"])
async def test_a_key_that_the_token_brings_itself(issuers: Issuers, issuer: Issuer, name: str) -> None:
    values = {
        "jwk": jwk(OTHER_RSA, "key-1", "RS256"),
        "jku": f"{issuer.url}/attack",
        "x5u": f"{issuer.url}/attack",
        "x5c": ["MIIB"],
        "crit": ["exp"],
        "zip": "DEF",
    }
    for key in (OTHER_RSA, RSA):
        token = issuer.token(key, headers={name: values[name]})
        await refused(issuers, issuer, token, f"header {name}|no JWT")
    assert issuer.asked["/attack"] == 0


async def test_a_key_of_somebody_else_under_a_known_name(issuers: Issuers, issuer: Issuer) -> None:
    await refused(issuers, issuer, issuer.token(OTHER_RSA), "signature")


@pytest.mark.parametrize(
    "kid",
    [
        "../../../../dev/null", "/dev/null", "file:///etc/passwd", "key-1' OR '1'='1", "'; DROP TABLE issuers; --", "key-1\0",
        "key-1\n", "KEY-1", "", "x" * 257, "x" * 100_000, "${jndi:ldap://h/a}", "http://169.254.169.254/", "ключ",
    ],
)  # fmt: skip
async def test_kid_injection(issuers: Issuers, issuer: Issuer, kid: str) -> None:
    await refused(issuers, issuer, issuer.token(OTHER_RSA, headers={"kid": kid}))
    assert set(issuer.asked) <= {"/.well-known/openid-configuration", "/keys"}


@pytest.mark.parametrize("kid", [None, 1, True, ["key-1"], {"key-1": 1}])
async def test_a_kid_that_is_no_text(issuers: Issuers, issuer: Issuer, kid: object) -> None:
    await refused(issuers, issuer, forged({"alg": "RS256", "kid": kid}, issuer.claims(), b"x"))


@pytest.mark.parametrize(
    "audience", ["other", "", AUDIENCE + "/", AUDIENCE.upper(), [], ["other"], None, 1, {AUDIENCE: 1}]
)
async def test_a_wrong_audience(issuers: Issuers, issuer: Issuer, audience: Any) -> None:
    token = jwt.encode(issuer.claims() | {"aud": audience}, RSA, "RS256", headers={"kid": "key-1"})
    await refused(issuers, issuer, token)


async def test_a_list_of_audiences_is_refused_where_the_audience_is_strict(issuers: Issuers, issuer: Issuer) -> None:
    several = issuer.token(aud=[AUDIENCE, "https://other.test"])
    await refused(issuers, issuer, several, "audience")
    assert await issuers.verify(several, issuer.row, audiences=(AUDIENCE,), strict=False)
    assert await verified(issuers, issuer, issuer.token(aud=[AUDIENCE]))
    await refused(issuers, issuer, issuer.token(aud=[AUDIENCE, 1]))


@pytest.mark.parametrize("claim", ["iss", "aud", "exp", "iat"])
async def test_a_claim_that_must_be_there(issuers: Issuers, issuer: Issuer, claim: str) -> None:
    await refused(issuers, issuer, issuer.token(**{claim: None}))


async def test_a_wrong_issuer(issuers: Issuers, issuer: Issuer) -> None:
    for other in (issuer.url + "/", issuer.url.upper(), "https://other.test", ""):
        await refused(issuers, issuer, issuer.token(iss=other), "issuer")
    for other in ([issuer.url], 1, {}):  # PyJWT doesn't sign an issuer that is no text
        await refused(
            issuers, issuer, forged({"alg": "RS256", "kid": "key-1"}, issuer.claims(iss=other), b"x"), "issuer"
        )


@pytest.mark.parametrize(
    "typ", ["at+jwt", "application/at+jwt", "logout+jwt", "dpop+jwt", "secevent+jwt", "JWE", "", 1, ["JWT"]]
)
async def test_a_token_of_another_type(issuers: Issuers, issuer: Issuer, typ: Any) -> None:
    head = {"alg": "RS256", "kid": "key-1", "typ": typ}
    await refused(issuers, issuer, forged(head, issuer.claims(), b"x"), "type|no JWT")


async def test_an_expired_token(issuers: Issuers, issuer: Issuer) -> None:
    now = int(time.time())
    await refused(issuers, issuer, issuer.token(iat=now - 600, exp=now - 60), "expired")
    assert await verified(issuers, issuer, issuer.token(iat=now - 600, exp=now - 5))  # clocks differ


async def test_a_token_that_is_not_valid_yet(issuers: Issuers, issuer: Issuer) -> None:
    now = int(time.time())
    await refused(issuers, issuer, issuer.token(nbf=now + 120), "not valid yet")
    await refused(issuers, issuer, issuer.token(iat=now + 120, exp=now + 300), "not valid yet")
    assert await verified(issuers, issuer, issuer.token(nbf=now + 5, iat=now + 5))


@pytest.mark.parametrize("value", ["soon", "99999999999", True, [], 1e300, 10**30])
async def test_a_time_that_is_none(issuers: Issuers, issuer: Issuer, value: Any) -> None:
    await refused(issuers, issuer, issuer.token(exp=value))


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
async def test_a_time_that_is_no_number_of_json(issuers: Issuers, issuer: Issuer, number: str) -> None:
    now = int(time.time())
    claims = f'{{"iss":"{issuer.url}","aud":"{AUDIENCE}","iat":{now},"exp":{number}}}'.encode()
    token = jwt.api_jws.encode(claims, RSA, "RS256", headers={"kid": "key-1"})
    await refused(issuers, issuer, token)


async def test_a_token_that_would_be_valid_for_years(issuers: Issuers, issuer: Issuer) -> None:
    await refused(issuers, issuer, issuer.token(exp=int(time.time()) + 500 * 86400), "too long")


@pytest.mark.parametrize(
    "change",
    [
        lambda token: token[:-4] + "AAAA",
        lambda token: token.rpartition(".")[0] + ".",
        lambda token: token.rpartition(".")[0],
        lambda token: token + ".x",
        lambda token: token + "=",
        lambda token: token + "\n",
        lambda token: " " + token,
        lambda token: token.replace(".", ".!", 1),
        lambda token: token + "é",
        lambda token: "x" * 20_000,
        lambda token: "",
        lambda token: "..",
        lambda token: forged([], {}),
        lambda token: forged({"alg": "RS256", "kid": "key-1"}, []),
        lambda token: forged({"alg": ["RS256"], "kid": "key-1"}, {"iss": "x"}),
    ],
)  # fmt: skip
async def test_what_is_not_signed_as_it_stands(issuers: Issuers, issuer: Issuer, change: Any) -> None:
    await refused(issuers, issuer, change(issuer.token()))


async def test_json_that_is_too_deep(issuers: Issuers, issuer: Issuer) -> None:
    deep = base64.urlsafe_b64encode(b"[" * 5000).decode().rstrip("=")
    await refused(issuers, issuer, f"{deep}.{deep}.AAAA", "no JWT")


async def test_another_token_s_claims_under_this_signature(issuers: Issuers, issuer: Issuer) -> None:
    head, _, signature = issuer.token().split(".")
    claims = issuer.token(sub="admin").split(".")[1]
    await refused(issuers, issuer, f"{head}.{claims}.{signature}", "signature")
