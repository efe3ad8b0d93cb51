"""Signed requests are taken once, whole, in time and from services whose keys are known; nothing else is."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from http_message_signatures import HTTPMessageSigner, MappingKeyResolver
from http_message_signatures.algorithms import ECDSA_P256_SHA256, ED25519, HMAC_SHA256

from registry.auth import request_signatures
from registry.auth.request_signatures import WINDOW, PublicKeyUnfit, RequestSignatures, read_public_key
from registry.core.identities import Identities
from registry.core.service_keys import PublicKey, ServiceKeys
from registry.core.services import Services
from registry.db.pool import Database
from registry.db.service_keys import ServiceKeyRow
from registry.errors import DelegationDenied, IdentityRefused, SignatureInvalid
from tests.actors import OPERATOR, acting

TARGET = "https://registry.example/api/v1/admin/users?dry=run"
BODY = b'{"name": "ada"}'
NEEDED = ("@method", "@target-uri", "content-digest")
PRIVATE: dict[str, Any] = {
    "ed25519": ed25519.Ed25519PrivateKey.from_private_bytes(b"1" * 32),
    "ecdsa-p256-sha256": ec.derive_private_key(12345, ec.SECP256R1()),
}
CLASSES = {"ed25519": ED25519, "ecdsa-p256-sha256": ECDSA_P256_SHA256}


def public_of(private: Any) -> PublicKey:
    return read_public_key(
        private.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )


@dataclass
class Request:
    """As a client's library signs it."""

    method: str = "POST"
    url: str = TARGET
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | None = BODY

    def sign(self, algorithm: str = "ed25519", *, private: Any = None, **options: Any) -> Request:
        key = private or PRIVATE[algorithm]
        signer = HTTPMessageSigner(
            signature_algorithm=CLASSES[algorithm],
            key_resolver=MappingKeyResolver(public_keys={}, private_keys={public_of(key).id: key}),
        )
        if self.body is not None and "Content-Digest" not in self.headers:
            self.headers["Content-Digest"] = digest_of(self.body)
        default = NEEDED if self.body is not None else NEEDED[:2]
        told: dict[str, Any] = {
            "key_id": public_of(key).id,
            "created": datetime.now(UTC),
            "nonce": "n1",
            "covered_component_ids": default,
            "use_existing_digest": "Content-Digest" in self.headers,
        }
        signer.sign(self, **(told | options))
        return self

    def change(self, header: str, change: Callable[[str], str]) -> Request:
        self.headers[header] = change(self.headers[header])
        return self

    @property
    def arguments(self) -> tuple[str, str, dict[str, str], bytes | None]:
        digest = hashlib.sha256(self.body).digest() if self.body is not None else None
        return self.method, self.url, {name.lower(): value for name, value in self.headers.items()}, digest


def digest_of(body: bytes) -> str:
    return f"sha-256=:{base64.b64encode(hashlib.sha256(body).digest()).decode()}:"


@pytest.fixture
async def signatures(database: Database) -> RequestSignatures:
    """Return what verifies, where the service ci has a key of each algorithm."""
    keys = ServiceKeys(database)
    await keys.add_service("ci", is_admin=False, actor=OPERATOR)
    for private in PRIVATE.values():
        await keys.add("ci", public_of(private), lifetime=None, actor=OPERATOR)
    return RequestSignatures(database)


@pytest.mark.parametrize("algorithm", ["ed25519", "ecdsa-p256-sha256"])
async def test_a_signed_request_is_its_service_s_once(
    signatures: RequestSignatures, other_database: Database, algorithm: str
) -> None:
    request = Request().sign(algorithm)
    signed = await signatures.verify(*request.arguments)
    assert (signed.caller.name, signed.caller.bound, signed.key_id) == ("ci", None, public_of(PRIVATE[algorithm]).id)
    for node in (signatures, RequestSignatures(other_database)):
        with pytest.raises(SignatureInvalid, match="used before"):
            await node.verify(*request.arguments)
    assert (await signatures.verify(*Request().sign(algorithm, nonce="n2").arguments)).caller == signed.caller


async def test_of_many_copies_at_once_on_two_nodes_one_is_taken(
    signatures: RequestSignatures, other_database: Database
) -> None:
    nodes = [signatures, RequestSignatures(other_database)]
    request = Request().sign()
    found = await asyncio.gather(
        *(nodes[number % 2].verify(*request.arguments) for number in range(20)), return_exceptions=True
    )
    assert sum(not isinstance(one, SignatureInvalid) for one in found) == 1


async def test_without_a_body_no_digest_is_needed_and_one_of_nothing_does(signatures: RequestSignatures) -> None:
    await signatures.verify(*Request("DELETE", body=None).sign().arguments)
    request = Request("DELETE", body=None, headers={"Content-Digest": digest_of(b"")})
    await signatures.verify(*request.sign(nonce="n2", covered_component_ids=NEEDED).arguments)


async def test_more_may_be_covered(signatures: RequestSignatures) -> None:
    request = Request(headers={"Content-Type": "application/json"})
    request.sign(covered_component_ids=[*NEEDED, "@authority", "content-type"])
    await signatures.verify(*request.arguments)


def by_hand(
    components: str = '"@method" "@target-uri" "content-digest"',
    parameters: str = 'nonce="n1";alg="ed25519"',
    *,
    created: str = "created={now}",
    digest: str | None = None,
    **headers: str,
) -> Request:
    """Return a request with a signature that is right (RFC 9421 §2.5), whatever it says."""
    request = Request(headers={"Content-Digest": digest or digest_of(BODY)} | headers)
    values = {
        "@method": "POST",
        "@target-uri": TARGET,
        "@request-target": TARGET.removeprefix("https://registry.example"),
    }
    values |= {name.lower(): value for name, value in request.headers.items()}
    said = [f"({components})", created.format(now=int(datetime.now(UTC).timestamp()))]
    said += [parameters, f'keyid="{public_of(PRIVATE["ed25519"]).id}"']
    signed = ";".join(part for part in said if part)
    lines = [f"{one}: {values[one.partition(';')[0].strip(chr(34))]}" for one in components.split(" ") if one]
    base = "\n".join([*lines, f'"@signature-params": {signed}'])
    signature = base64.b64encode(PRIVATE["ed25519"].sign(base.encode())).decode()
    request.headers |= {"Signature-Input": f"s={signed}", "Signature": f"s=:{signature}:"}
    return request


async def test_who_makes_the_signature_base_by_hand_comes_to_the_same(signatures: RequestSignatures) -> None:
    await signatures.verify(*by_hand().arguments)


ALTERED: dict[str, Callable[[], Request]] = {
    "another method": lambda: _after(Request().sign(), method="PUT"),
    "another path": lambda: _after(Request().sign(), url=TARGET.replace("users", "teams")),
    "another query": lambda: _after(Request().sign(), url=TARGET.replace("run", "off")),
    "no query": lambda: _after(Request().sign(), url=TARGET.partition("?")[0]),
    "another host": lambda: _after(Request().sign(), url=TARGET.replace("registry.", "other.")),
    "another scheme": lambda: _after(Request().sign(), url=TARGET.replace("https", "http")),
    "another body": lambda: _after(Request().sign(), body=b"{}"),
    "a body where none was": lambda: _after(Request(body=None).sign(), body=BODY),
    "another body and digest": lambda: _after(by_hand(), body=b"{}").change("Content-Digest", lambda _: digest_of(b"{}")),
    "no body where one was": lambda: _after(Request().sign(), body=None),
    "another signature": lambda: Request().sign().change("Signature", lambda _: "pyhms=:" + "A" * 86 + "==:"),
    "a short signature": lambda: Request().sign().change("Signature", lambda _: "pyhms=:AAAA:"),
    "another nonce": lambda: Request().sign().change("Signature-Input", lambda text: text.replace('"n1"', '"n2"')),
    "another time": lambda: Request().sign().change("Signature-Input", lambda text: text.replace("created=", "created=1")),
}  # fmt: skip

INCOMPLETE: dict[str, Callable[[], Request]] = {
    "no signature": Request,
    "no Signature": lambda: _without(Request().sign(), "Signature"),
    "no Signature-Input": lambda: _without(Request().sign(), "Signature-Input"),
    "no method": lambda: Request().sign(covered_component_ids=NEEDED[1:]),
    "no target": lambda: Request().sign(covered_component_ids=("@method", "content-digest")),
    "a path for a target": lambda: Request().sign(covered_component_ids=("@method", "@path", "@query", "content-digest")),
    "no digest of the body": lambda: Request().sign(covered_component_ids=NEEDED[:2]),
    "no digest at all": lambda: _without(Request().sign(covered_component_ids=NEEDED[:2]), "Content-Digest"),
    "a digest that was taken away": lambda: _without(Request().sign(), "Content-Digest"),
    "a digest of no body that is not covered": lambda: Request(body=None, headers={"Content-Digest": digest_of(b"")}).sign(),
    "a field that is not there": lambda: _without(Request(headers={"A": "b"}).sign(covered_component_ids=[*NEEDED, "a"]), "A"),
    "no nonce": lambda: Request().sign(nonce=None),
    "no algorithm": lambda: Request().sign(include_alg=False),
    "an empty nonce": lambda: Request().sign(nonce=""),
    "a long nonce": lambda: Request().sign(nonce="n" * 129),
    "a tag": lambda: Request().sign(tag="x"),
    "an expiry": lambda: Request().sign(expires=datetime.now(UTC) + timedelta(days=1)),
    "a part of the digest": lambda: Request().sign(covered_component_ids=[*NEEDED[:2], '"content-digest";key="sha-256"']),
    "another derived component": lambda: by_hand('"@method" "@target-uri" "content-digest" "@request-target"'),
    "a component of another request": lambda: by_hand('"@method";req "@target-uri" "content-digest"'),
    "a component twice": lambda: by_hand('"@method" "@method" "@target-uri" "content-digest"'),
    "a component twice, once by a parameter": lambda: by_hand('"@method" "@method";x "@target-uri" "content-digest"'),
    "a digest as bytes": lambda: by_hand('"@method" "@target-uri" "content-digest";bs'),
    "a component that is a token": lambda: by_hand('"@method" "@target-uri" "content-digest" host', host="a"),
    "a parameter twice": lambda: by_hand(parameters='nonce="n1";nonce="n1";alg="ed25519"'),
    "a parameter that means nothing": lambda: by_hand(parameters='nonce="n1";alg="ed25519";x'),
    "a nonce that is a number": lambda: by_hand(parameters='nonce=1;alg="ed25519"'),
    "a nonce that is a token": lambda: by_hand(parameters='nonce=n1;alg="ed25519"'),
    "an algorithm that is a token": lambda: by_hand(parameters='nonce="n1";alg=ed25519'),
    "no time": lambda: by_hand(created=""),
    "a time that is a text": lambda: by_hand(created='created="{now}"'),
    "a time that is a fraction": lambda: by_hand(created="created={now}.5"),
    "a time that is a date": lambda: by_hand(created="created=@{now}"),
    "a time beyond all times": lambda: by_hand(created="created=999999999999999"),
    "a time before all times": lambda: by_hand(created="created=-999999999999999"),
    "two signatures": lambda: Request().sign(label="a").sign(label="b", nonce="n2", append_if_signature_exists=True),
    "two signatures of one label": lambda: _doubled(by_hand(), "Signature", "Signature-Input"),
    "Signature twice": lambda: _doubled(by_hand(), "Signature"),
    "another label": lambda: by_hand().change("Signature", lambda text: text.replace("s=", "t=")),
    "no dictionary": lambda: by_hand().change("Signature-Input", lambda _: "((("),
    "an item for a list": lambda: by_hand().change("Signature-Input", lambda text: "s=1" + text[text.index(";") :]),
    "too much": lambda: by_hand().change("Signature-Input", lambda text: text + " " * 4096),
    "letters that are none": lambda: by_hand().change("Signature-Input", lambda text: text + "é"),
    "two Content-Digests": lambda: by_hand(digest=f"{digest_of(BODY)}, {digest_of(BODY)}"),
    "a digest by sha-512 only": lambda: by_hand(digest=f"sha-512=:{base64.b64encode(hashlib.sha512(BODY).digest()).decode()}:"),
    "a second digest that nobody compares": lambda: by_hand(digest=f"{digest_of(BODY)}, md5=:AAAA:"),
    "a digest that is a text": lambda: by_hand(digest='sha-256="x"'),
    "a digest with a parameter": lambda: by_hand(digest=f"{digest_of(BODY)};x"),
    "a digest of another body": lambda: by_hand(digest=digest_of(b"{}")),
}  # fmt: skip


def _after(request: Request, **changes: Any) -> Request:
    for name, value in changes.items():
        setattr(request, name, value)
    return request


def _without(request: Request, header: str) -> Request:
    del request.headers[header]
    return request


def _doubled(request: Request, *headers: str) -> Request:
    for header in headers:
        request.change(header, lambda value: f"{value}, {value}")
    return request


@pytest.mark.parametrize("name", [*ALTERED, *INCOMPLETE])
async def test_a_request_that_was_altered_or_says_too_little_or_too_much_is_refused_and_uses_up_no_nonce(
    signatures: RequestSignatures, sql: asyncpg.Connection, name: str
) -> None:
    request = (ALTERED | INCOMPLETE)[name]()
    with pytest.raises(SignatureInvalid):
        await signatures.verify(*request.arguments)
    assert await sql.fetchval("SELECT count(*) FROM used_nonces") == 0
    await signatures.verify(*Request().sign().arguments)  # the same nonce


@pytest.mark.parametrize("away", [-WINDOW - 5, WINDOW + 5, -86400, 86400])
async def test_a_request_of_another_time_is_refused(signatures: RequestSignatures, away: int) -> None:
    with pytest.raises(SignatureInvalid):
        await signatures.verify(*Request().sign(created=datetime.now(UTC) + timedelta(seconds=away)).arguments)


@pytest.mark.parametrize("away", [-WINDOW + 20, WINDOW - 20])
async def test_clocks_may_differ_a_little(signatures: RequestSignatures, away: int) -> None:
    await signatures.verify(*Request().sign(created=datetime.now(UTC) + timedelta(seconds=away)).arguments)


async def test_a_node_whose_clock_is_wrong_takes_nothing_twice(
    signatures: RequestSignatures, services: Services, sql: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database's clock decides, by which nonces are forgotten, too."""
    monkeypatch.setattr(request_signatures._Verifier, "max_clock_skew", timedelta(days=365))
    old = Request().sign(created=datetime.now(UTC) - timedelta(seconds=WINDOW + 5))
    with pytest.raises(SignatureInvalid, match="used before, or is too old"):
        await signatures.verify(*old.arguments)
    request = Request().sign(created=datetime.now(UTC) - timedelta(seconds=WINDOW - 30))
    await signatures.verify(*request.arguments)
    assert await services.cleanup.forget_nonces() == 0
    with pytest.raises(SignatureInvalid, match="used before"):
        await signatures.verify(*request.arguments)
    await sql.execute("UPDATE used_nonces SET expires_at = now()")
    assert await services.cleanup.forget_nonces() == 1


@pytest.mark.parametrize("algorithm", ["hmac-sha256", "rsa-pss-sha512", "none", "ecdsa-p256-sha256", "ED25519", ""])
async def test_a_signature_by_another_algorithm_than_the_key_s_is_refused(
    signatures: RequestSignatures, algorithm: str
) -> None:
    with pytest.raises(SignatureInvalid, match=r"algorithm|by none of"):
        await signatures.verify(*by_hand(parameters=f'nonce="n1";alg="{algorithm}"').arguments)


async def test_a_public_key_is_no_secret_to_sign_by(signatures: RequestSignatures) -> None:
    """HS/RS confusion: what everybody knows, as the secret of an HMAC."""
    key, request = public_of(PRIVATE["ed25519"]), Request(headers={"Content-Digest": digest_of(BODY)})
    HTTPMessageSigner(
        signature_algorithm=HMAC_SHA256,
        key_resolver=MappingKeyResolver(public_keys={}, private_keys={key.id: key.content}),
    ).sign(request, key_id=key.id, nonce="n1", covered_component_ids=NEEDED, use_existing_digest=True)
    with pytest.raises(SignatureInvalid, match="by none of"):
        await signatures.verify(*request.arguments)


async def test_a_key_that_is_not_known_revoked_expired_or_of_who_is_disabled_verifies_nothing(
    signatures: RequestSignatures, database: Database, sql: asyncpg.Connection
) -> None:
    keys, private = ServiceKeys(database), ed25519.Ed25519PrivateKey.from_private_bytes(b"2" * 32)

    async def is_refused(nonce: str) -> bool:
        try:
            await signatures.verify(*Request().sign(private=private, nonce=nonce).arguments)
        except SignatureInvalid as error:
            return "not known here" in error.message
        return False

    assert await is_refused("a")
    await keys.add("ci", public_of(private), lifetime=timedelta(days=1), actor=OPERATOR)
    assert not await is_refused("b")
    await Identities(database).disable("ci", actor=OPERATOR)
    assert await is_refused("c")
    await Identities(database).enable("ci", actor=OPERATOR)
    assert not await is_refused("d")
    await sql.execute("UPDATE service_keys SET expires_at = now() WHERE expires_at IS NOT NULL")
    assert await is_refused("e")
    await sql.execute("UPDATE service_keys SET expires_at = NULL")
    await keys.revoke(public_of(private).id, actor=OPERATOR)
    assert await is_refused("f")
    with pytest.raises(IdentityRefused, match="known already"):
        await keys.add("ci", public_of(private), lifetime=None, actor=OPERATOR)
    with pytest.raises(IdentityRefused, match="no valid key"):
        await keys.revoke(public_of(private).id, actor=OPERATOR)


async def test_a_service_that_is_deleted_and_made_again_gives_no_request_a_second_life(
    signatures: RequestSignatures, database: Database
) -> None:
    request = Request().sign()
    await signatures.verify(*request.arguments)
    await Identities(database).delete("ci", actor=OPERATOR)
    await ServiceKeys(database).add_service("ci", is_admin=False, actor=OPERATOR)
    await ServiceKeys(database).add("ci", public_of(PRIVATE["ed25519"]), lifetime=None, actor=OPERATOR)
    with pytest.raises(SignatureInvalid, match="used before"):
        await signatures.verify(*request.arguments)


async def test_keys_are_the_registry_s_administrators_to_give_and_services_to_have(
    signatures: RequestSignatures, database: Database, sql: asyncpg.Connection
) -> None:
    keys, key = ServiceKeys(database), public_of(ed25519.Ed25519PrivateKey.from_private_bytes(b"3" * 32))
    await Identities(database).add_user("ada", password_hash=None, is_admin=False, actor=OPERATOR)
    ada = await sql.fetchval("SELECT id FROM principals WHERE name = 'ada'")
    for attempt in (
        keys.add_service("other", is_admin=True, actor=acting(ada)),
        keys.add("ci", key, lifetime=None, actor=acting(ada)),
        keys.revoke(public_of(PRIVATE["ed25519"]).id, actor=acting(ada)),
    ):
        with pytest.raises(DelegationDenied):
            await attempt
    for refused in (
        keys.add_service("ci", is_admin=False, actor=OPERATOR),
        keys.add("ada", key, lifetime=None, actor=OPERATOR),
        keys.add("nobody", key, lifetime=None, actor=OPERATOR),
        keys.revoke("\0", actor=OPERATOR),
    ):
        with pytest.raises(IdentityRefused):
            await refused


@pytest.mark.parametrize("pem", [b"", b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"])
def test_what_is_no_key_is_refused(pem: bytes) -> None:
    with pytest.raises(PublicKeyUnfit):
        read_public_key(pem)


@pytest.mark.parametrize(
    "private",
    [ec.derive_private_key(5, ec.SECP384R1()), rsa.generate_private_key(65537, 2048), ed448.Ed448PrivateKey.generate()],
    ids=["P-384", "RSA", "Ed448"],
)
def test_a_key_of_another_kind_is_refused(private: Any) -> None:
    with pytest.raises(PublicKeyUnfit):
        public_of(private)


@dataclass
class Response:
    status_code: int
    headers: dict[str, str]


def vector(name: str, covered: str, keyid: str, signature: str) -> dict[str, str]:
    parameters = f'({covered});created=1618884473;keyid="{keyid}"'
    return {"Signature-Input": f"{name}={parameters}", "Signature": f"{name}=:{signature}:"}


VECTORS = {
    "ed25519": (
        "test-key-ed25519",
        "MCowBQYDK2VwAyEAJrQLj5P/89iXES9+vFgrIy29clF9CC/oPPsw3c5D0bs=",
        Request(
            url="https://example.com/foo?param=Value&Pet=dog",
            body=None,
            headers={
                "Host": "example.com",
                "Date": "Tue, 20 Apr 2021 02:07:55 GMT",
                "Content-Type": "application/json",
                "Content-Length": "18",
            }
            | vector(
                "sig-b26",
                '"date" "@method" "@path" "@authority" "content-type" "content-length"',
                "test-key-ed25519",
                "wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu4A0w6vuQv5lIp5WPpBKRCw==",
            ),
        ),
    ),
    "ecdsa-p256-sha256": (
        "test-key-ecc-p256",
        (
            "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEqIVYZVLCrPZHGHjP17CTW0/+D9Lf"
            "w0EkjqF7xB4FivAxzic30tMM4GF+hR6Dxh71Z50VGGdldkkDXZCnTNnoXQ=="
        ),
        Response(
            200,
            {
                "Content-Type": "application/json",
                "Content-Digest": (
                    "sha-512=:mEWXIS7MaLRuGgxOBdODa3xqM1XdEvxoYhvlCFJ41QJgJc4GTsPp29l5oGX69wWdXymyU0rjJuahq4l5aGgfLQ==:"
                ),
                "Content-Length": "23",
            }
            | vector(
                "sig-b24",
                '"@status" "content-type" "content-digest" "content-length"',
                "test-key-ecc-p256",
                "wNmSUAhwb5LxtOtOpNa6W5xj067m5hFrj0XQ4fvpaCLx0NKocgPquLgyahnzDnDAUy5eCdlYUEkLIj+32oiasw==",
            ),
        ),
    ),
}


@pytest.mark.parametrize("algorithm", VECTORS)
async def test_the_examples_of_the_rfc_verify_and_say_too_little_to_be_taken(
    signatures: RequestSignatures, monkeypatch: pytest.MonkeyPatch, algorithm: str
) -> None:
    """RFC 9421, B.2.4 and B.2.6: base and arithmetic are theirs. As requests they lack a nonce."""
    keyid, public, message = VECTORS[algorithm]
    monkeypatch.setattr(request_signatures._Verifier, "max_clock_skew", timedelta(days=36500))
    claim = request_signatures._Claim(frozenset(), 1618884473, "", keyid, algorithm)
    row = ServiceKeyRow(1, "ci", algorithm, base64.b64decode(public))
    request_signatures._require_signature(message, claim, row)  # type: ignore[arg-type]
    message.headers["Content-Type"] = "text/plain"
    with pytest.raises(SignatureInvalid):
        request_signatures._require_signature(message, claim, row)  # type: ignore[arg-type]
    if isinstance(message, Request):
        with pytest.raises(SignatureInvalid, match="other parameters"):
            await signatures.verify(*message.arguments)
