"""Tokens that nobody gave out, shown to a real server: each test is named after its class (RFC 8725)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable, Mapping
from typing import Any
from uuid import uuid4

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from registry.auth.keyring import Key
from tests.attacks.tenants import SERVICE, Tenants, basic, bearer
from tests.http.client import Client, refusal

ACCESS = [{"type": "repository", "name": "acme/bert", "actions": ["pull", "push", "delete"]}]


@pytest.fixture(scope="module")
def key(tenants: Tenants) -> Key:
    tenants.token("root")  # the first token makes the first key
    found: Key = tenants.key()
    return found


@pytest.fixture(scope="module")
def root(tenants: Tenants) -> int:
    """Return the id of who may do everything: whoever forges wants to be that one."""
    claims = jwt.decode(tenants.token("root"), options={"verify_signature": False})
    return int(claims["pid"])


@pytest.fixture
def claims(root: int) -> dict[str, Any]:
    now = int(time.time())
    times = {"exp": now + 300, "nbf": now, "iat": now}
    return {"iss": SERVICE, "sub": "root", "aud": SERVICE, "jti": uuid4().hex, "access": ACCESS, "pid": root, **times}


@pytest.fixture
def refused(nobody: Client, bert: str) -> Callable[[str], None]:
    """Return what shows a token at every kind of door and checks that none opens, and that no more is said than that."""

    def check(token: str) -> None:
        for method, path in (
            ("GET", f"/v2/{bert}/manifests/v1"),
            ("HEAD", f"/v2/{bert}/manifests/v1"),
            ("POST", f"/v2/{bert}/blobs/uploads/"),
            ("GET", "/v2/"),
            ("GET", "/v2/_catalog"),
        ):
            answer = nobody.request(method, path, headers=bearer(token))
            assert answer.status_code == 401, (method, path, token)
            assert 'error="invalid_token"' in answer.headers["WWW-Authenticate"]
            if method != "HEAD":
                refusal(answer, 401, "UNAUTHORIZED")

    return check


def encoded(*parts: Any) -> bytes:
    return b".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in parts)


def signed(header: Mapping[str, Any], claims: Any, sign: Callable[[bytes], bytes]) -> str:
    content = encoded(header, claims)
    return (content + b"." + base64.urlsafe_b64encode(sign(content)).rstrip(b"=")).decode()


def forged(key: Key, claims: Mapping[str, Any], **header: Any) -> str:
    """Return a token by the registry's own key, with other claims or headers than it would give."""
    return jwt.encode(dict(claims), key.private, key.algorithm, headers={"kid": key.kid, "typ": "JWT", **header})


def test_what_is_forged_by_the_very_key_is_taken_so_that_the_others_fail_for_their_reason(
    nobody: Client, bert: str, key: Key, claims: dict[str, Any]
) -> None:
    assert nobody.get(f"/v2/{bert}/manifests/v1", headers=bearer(forged(key, claims))).status_code == 200


@pytest.mark.parametrize("algorithm", ["none", "NONE", "nOnE", ""])
def test_alg_none(refused: Callable[[str], None], key: Key, claims: dict[str, Any], algorithm: str) -> None:
    header = {"alg": algorithm, "typ": "JWT", "kid": key.kid}
    for signature in (b"", b"x", bytes(64)):
        refused(signed(header, claims, lambda _, made=signature: made))


def test_hs_rs_confusion(refused: Callable[[str], None], nobody: Client, key: Key, claims: dict[str, Any]) -> None:
    """The public key, in every form in which one finds it, as a shared secret."""
    published = nobody.get("/.well-known/jwks.json").content
    spki = serialization.PublicFormat.SubjectPublicKeyInfo
    secrets = [
        key.public.public_bytes(encoding, spki) for encoding in (serialization.Encoding.PEM, serialization.Encoding.DER)
    ]
    secrets += [published, json.dumps(json.loads(published)["keys"][0]).encode(), b""]
    for secret in secrets:
        header = {"alg": "HS256", "typ": "JWT", "kid": key.kid}
        refused(signed(header, claims, lambda content, by=secret: hmac.digest(by, content, hashlib.sha256)))


@pytest.mark.parametrize("name", ["jwk", "jku", "x5u", "x5c", "x5t", "x5t#S256"])
def test_cve_2025_24976_a_key_that_the_token_brings_along(
    refused: Callable[[str], None], key: Key, claims: dict[str, Any], name: str
) -> None:
    mine = ec.generate_private_key(ec.SECP256R1())
    brought = jwt.algorithms.ECAlgorithm.to_jwk(mine.public_key(), as_dict=True)
    value = {"jwk": {**brought, "kid": key.kid}, "x5c": ["MIIB"]}.get(name, "https://evil.example/keys")
    refused(jwt.encode(claims, mine, "ES256", headers={"kid": key.kid, "typ": "JWT", name: value}))
    refused(jwt.encode(claims, mine, "ES256", headers={"typ": "JWT", name: value}))
    refused(forged(key, claims, **{name: value}))  # nor beside a signature of our own


@pytest.mark.parametrize(
    ("name", "value"), [("crit", ["exp"]), ("b64", False), ("zip", "DEF"), ("cty", "JWT"), ("enc", "A")]
)
def test_instructions_in_the_header(
    refused: Callable[[str], None], key: Key, claims: dict[str, Any], name: str, value: Any
) -> None:
    refused(forged(key, claims, **{name: value}))


KIDS = [
    "../../../../dev/null", "/proc/self/environ", "' OR 1=1 --", "x'; DROP TABLE signing_keys; --", "\0", "\ud800", "",
    "k" * 8000, "https://evil.example/k", "%", ["a"], {"a": 1}, 7, None, True,
]  # fmt: skip


def test_kid_injection(refused: Callable[[str], None], key: Key, claims: dict[str, Any]) -> None:
    for kid in KIDS:
        refused(
            signed({"alg": "HS256", "typ": "JWT", "kid": kid}, claims, lambda data: hmac.digest(b"", data, "sha256"))
        )
        header = {"alg": key.algorithm, "typ": "JWT", "kid": kid}
        refused(signed(header, claims, lambda data: jwt.get_algorithm_by_name("ES256").sign(data, key.private)))


@pytest.mark.parametrize(
    ("claim", "value"),
    [
        ("aud", "another"), ("aud", [SERVICE, "another"]), ("aud", [SERVICE]), ("aud", None), ("aud", ""),
        ("iss", "https://evil.example"), ("iss", None), ("iss", SERVICE.upper()), ("iss", f"{SERVICE} "),
        ("exp", None), ("exp", 1), ("exp", "tomorrow"), ("exp", 1e400), ("exp", -1), ("nbf", 1 << 40), ("iat", 1 << 40),
        ("nbf", None), ("iat", None), ("jti", None), ("access", None), ("access", 7), ("access", [["pull"]]), ("access", "*"),
        ("pid", None), ("pid", "root"), ("pid", []), ("sub", None),
    ],
)  # fmt: skip
def test_claims_that_are_wrong_missing_expired_or_not_yet_true(
    refused: Callable[[str], None], key: Key, claims: dict[str, Any], claim: str, value: Any
) -> None:
    changed = {name: one for name, one in {**claims, claim: value}.items() if one is not None}
    refused(forged(key, changed))


@pytest.mark.parametrize("typ", ["at+jwt", "refresh+jwt", "logout+jwt", "jwt", "", None])
def test_a_token_of_another_type(
    refused: Callable[[str], None], key: Key, claims: dict[str, Any], typ: str | None
) -> None:
    refused(forged(key, claims, typ=typ))


def test_unsigned_parts(refused: Callable[[str], None], tenants: Tenants, claims: dict[str, Any]) -> None:
    """What was signed is one thing, what is read another."""
    token = tenants.token("mallory")
    header, payload, signature = token.split(".")
    other = encoded(claims).decode()
    for text in (
        f"{header}.{other}.{signature}",
        f"{header}..{signature}",
        f"{header}.{payload}.",
        f"{header}.{payload}",
        f"{token}.{signature}",
        f"{header}.{payload}.{signature[:-2]}",
        f"{header}.{payload}.{signature[:-4]}AAAA",
        json.dumps({"payload": other, "signatures": [{"protected": header, "signature": signature}]}),
        json.dumps({"payload": payload, "protected": header, "header": {"sub": "root"}, "signature": signature}),
        f"{header}.{payload}\u00a0.{signature}".encode().decode("latin-1"),
    ):
        refused(text)


def test_an_ecdsa_signature_of_nothing(refused: Callable[[str], None], key: Key, claims: dict[str, Any]) -> None:
    """CVE-2022-21449: r = s = 0 verifies everything where nobody looks."""
    for signature in (bytes(64), b"\xff" * 64, bytes(63) + b"\1", b"\x30\x06\x02\x01\x00\x02\x01\x00"):
        refused(signed({"alg": key.algorithm, "typ": "JWT", "kid": key.kid}, claims, lambda _, made=signature: made))


def test_json_that_is_too_deep_or_too_long_is_no_defect(refused: Callable[[str], None], key: Key) -> None:
    """What fails elsewhere than in a check would be logged as our own failure, with its whole trace, as often as one likes."""
    for inner in ("[" * 5500, '{"a":' * 1500, "1" * 6000, '"' + "\\u0000" * 900 + '"', "NaN", "1e999"):
        header = base64.urlsafe_b64encode(f'{{"alg":"ES256","typ":"JWT","kid":"{key.kid}","x":{inner}'.encode())
        refused(f"{header.rstrip(b'=').decode()}.e30.AA")


def test_credentials_of_one_kind_in_the_place_of_another(
    refused: Callable[[str], None], nobody: Client, tenants: Tenants
) -> None:
    form = {"grant_type": "password", "service": SERVICE, "client_id": "attacks", "access_type": "offline"}
    first = nobody.post("/auth/token", data=form | {"username": "bob", "password": "correct horse battery staple"})
    refresh, access = first.json()["refresh_token"], first.json()["access_token"]
    refused(refresh)
    refused(refresh.encode().hex())
    again = {"grant_type": "refresh_token", "service": SERVICE, "client_id": "attacks"}
    for wrong in (access, tenants.keys["bob"], "", refresh[:-1], refresh.replace("_1_", "_2_"), refresh.upper()):
        assert nobody.post("/auth/token", data=again | {"refresh_token": wrong}).status_code == 401
    for wrong in (access, refresh):
        assert nobody.get("/auth/token", headers=basic("bob", wrong)).status_code == 401
        assert nobody.get("/v2/", headers=basic("bob", wrong)).status_code == 401


def test_a_flood_of_unknown_keys_costs_no_more_than_a_look_a_second(
    refused: Callable[[str], None], nobody: Client, tenants: Tenants, claims: dict[str, Any]
) -> None:
    """Counted where it is done: PostgreSQL says how often the keys were read."""
    mine = ec.generate_private_key(ec.SECP256R1())
    before, began = tenants.do(reads_of_keys), time.monotonic()
    for number in range(60):
        token = jwt.encode(claims, mine, "ES256", headers={"kid": f"unknown-{number}", "typ": "JWT"})
        assert nobody.get("/v2/", headers=bearer(token)).status_code == 401
    tokens_keep_working = nobody.get("/v2/", headers=bearer(tenants.token("bob")))
    assert tokens_keep_working.status_code == 200
    looks = tenants.do(reads_of_keys) - before
    assert looks <= (time.monotonic() - began) + 2, "a look for each token"


async def reads_of_keys(db: Any) -> int:
    async def count(conn: Any) -> int:
        await conn.execute("SELECT pg_stat_force_next_flush()")
        found: int = await conn.fetchval(
            "SELECT seq_scan + coalesce(idx_scan, 0) FROM pg_stat_user_tables WHERE relname = 'signing_keys'"
        )
        return found

    found: int = await db.read("count_reads", count)
    return found
