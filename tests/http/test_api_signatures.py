"""Services sign their requests (RFC 9421), and get in by nothing else."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
import requests
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519
from http_message_signatures import HTTPMessageSigner, HTTPSignatureKeyResolver
from http_message_signatures.algorithms import ED25519

from registry import administration
from registry.upkeep import UpkeepFailed
from tests.http.admin import Governed, problem
from tests.http.client import PATIENCE


class Key(HTTPSignatureKeyResolver):
    def __init__(self, private: ed25519.Ed25519PrivateKey) -> None:
        self._private = private

    def resolve_private_key(self, key_id: str) -> ed25519.Ed25519PrivateKey:
        return self._private


def pem_of() -> tuple[ed25519.Ed25519PrivateKey, str]:
    private = ed25519.Ed25519PrivateKey.generate()
    pem = private.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return private, pem.decode()


def id_of(private: ed25519.Ed25519PrivateKey) -> str:
    content = private.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return hashlib.sha256(content).hexdigest()


def prepared(
    governed: Governed,
    method: str,
    path: str,
    document: Any = None,
    *,
    key: ed25519.Ed25519PrivateKey | None = None,
    created: datetime | None = None,
    covered: tuple[str, ...] = ("@method", "@target-uri"),
) -> requests.PreparedRequest:
    """Return a signed request."""
    private = key or governed.signing_key
    content = json.dumps(document).encode() if document is not None else None
    request = requests.Request(method, f"{governed.registry.url}/api/v1{path}", data=content).prepare()
    if content is not None:
        request.headers["Content-Type"] = "application/json"
    HTTPMessageSigner(signature_algorithm=ED25519, key_resolver=Key(private)).sign(
        request,
        key_id=id_of(private),
        created=created or datetime.now(UTC),
        nonce=uuid4().hex,
        covered_component_ids=covered,
        include_alg=True,
        body=content,
    )
    return request


def send(request: requests.PreparedRequest) -> requests.Response:
    with requests.Session() as session:
        return session.send(request, timeout=PATIENCE)


def signed(governed: Governed, method: str, path: str, document: Any = None, **options: Any) -> requests.Response:
    return send(prepared(governed, method, path, document, **options))


def test_a_service_reads_and_writes_by_its_signature(governed: Governed) -> None:
    me = signed(governed, "GET", "/me").json()
    assert me == {"name": "signer", "kind": "service", "is_admin": True, "credential_kind": "signature"}
    name = f"s{uuid4().hex[:8]}"
    answer = signed(governed, "POST", "/admin/organisations", {"name": name})
    assert answer.status_code == 201, answer.text
    assert signed(governed, "GET", f"/admin/organisations?after={name[:-1]}&limit=1").json()["items"][0]["name"] == name


def test_a_percent_encoded_path_is_signed_as_it_was_written(governed: Governed) -> None:
    assert signed(governed, "GET", "/admin/robots/acme%2Bci").json()["name"] == "acme+ci"
    assert signed(governed, "GET", "/admin/robots/acme+ci").json()["name"] == "acme+ci"


def test_each_is_taken_once(governed: Governed) -> None:
    request = prepared(governed, "POST", "/admin/organisations", {"name": f"s{uuid4().hex[:8]}"})
    assert send(request).status_code == 201
    problem(send(request), 401, "UNAUTHORIZED")


@pytest.mark.parametrize("part", ["body", "path", "query", "method", "signature", "digest"])
def test_what_was_altered_is_refused(governed: Governed, part: str) -> None:
    request = prepared(governed, "POST", "/admin/users?x=1", {"name": f"s{uuid4().hex[:8]}"})
    match part:
        case "body":
            request.body = json.dumps({"name": "mallet"}).encode()
            request.headers["Content-Length"] = str(len(request.body))
        case "path":
            request.url = request.url.replace("/users", "/services")
        case "query":
            request.url = request.url.replace("x=1", "x=2")
        case "method":
            request.method = "PUT"
        case "signature":
            request.headers["Signature"] = request.headers["Signature"].replace(":", ":AA", 1)
        case "digest":
            del request.headers["Content-Digest"]
    problem(send(request), 401, "UNAUTHORIZED")


def test_what_is_signed_in_part_or_long_ago_or_by_a_stranger_is_refused(governed: Governed) -> None:
    document = {"name": "mallet"}
    old = datetime.now(UTC) - timedelta(hours=1)
    for request in (
        prepared(governed, "POST", "/admin/users", document, covered=("@method",)),
        prepared(governed, "POST", "/admin/users", document, created=old),
        prepared(governed, "POST", "/admin/users", document, key=ed25519.Ed25519PrivateKey.generate()),
    ):
        problem(send(request), 401, "UNAUTHORIZED")


def test_a_signature_and_credentials_together_are_unclear(governed: Governed) -> None:
    request = prepared(governed, "GET", "/me")
    request.headers["Authorization"] = f"Bearer {governed.keys['root']}"
    problem(send(request), 400, "UNSUPPORTED")


def test_a_service_has_no_api_key(governed: Governed) -> None:
    with pytest.raises(UpkeepFailed, match="signs its requests"):
        administration.create_key(governed.settings, "signer", "k", lifetime=None)
    problem(signed(governed, "POST", "/me/keys", {"name": "k"}), 409, "DENIED")


def test_a_key_of_a_service_that_was_made_otherwise_does_not_get_in(governed: Governed) -> None:
    """Whatever else stands for a service, a row in the database say, is no signature."""
    import asyncio

    import asyncpg

    from registry.auth.secrets import API_KEY, hash_of, new_secret
    from registry.db.embedded import running_url

    secret = new_secret(API_KEY)

    async def add() -> None:
        conn = await asyncpg.connect(running_url(governed.registry.directory / "postgres"))
        await conn.execute(
            "INSERT INTO api_keys (principal_id, name, secret_hash) SELECT id, $2, $1 FROM principals WHERE name = 'signer'",
            hash_of(secret),
            secret[-8:],
        )
        await conn.close()

    asyncio.run(add())
    answer = requests.get(
        f"{governed.registry.url}/api/v1/me", headers={"Authorization": f"Bearer {secret}"}, timeout=PATIENCE
    )
    assert "services sign their requests" in problem(answer, 401, "UNAUTHORIZED")["detail"]
