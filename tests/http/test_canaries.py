"""Secrets of every kind go through every door, well and ill formed, at the log level that tells most; none of them turns up.

After CVE-2025-48374 and GHSA-prh4 (secrets in logs and in what audit logs keep).
"""

from __future__ import annotations

import asyncio
import base64
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import quote
from uuid import uuid4

import asyncpg
import pytest
import requests
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519

from registry import administration
from registry.auth.exchange import GRANT_TYPE
from registry.config import Settings, load_settings
from tests import s3_servers
from tests.auth import issuer as issuers
from tests.auth.issuer import AUDIENCE, Issuer
from tests.cluster import Cluster
from tests.http.client import Client, Closed, Wire, wire
from tests.http.server import Registry, serving
from tests.lifecycle.serving import eventually
from tests.s3_servers import CREDENTIALS, REGION
from tests.setups import SETUPS, as_settings, share

JWT_TYPE = "urn:ietf:params:oauth:token-type:jwt"
SCOPE = "repository:team/model:pull,push"
PIECE: Final = 16
"""Characters of a secret that are too many: no message may cut one and show the rest."""


def new_password() -> str:
    return f"pass {secrets.token_hex(12)} word"


@dataclass
class Installation:
    """A running registry, its secrets by their kinds, and what it has answered."""

    registry: Registry
    client: Client
    settings: Settings
    variables: Mapping[str, str]
    issuer: Issuer
    secrets: dict[str, str]
    answers: list[str] = field(default_factory=list)
    requests: list[tuple[str, str]] = field(default_factory=list)

    def send(
        self, method: str, path: str, headers: Mapping[str, str] | None = None, **more: object
    ) -> requests.Response:
        """Send a request of a name of its own, and keep its answer where that is a refusal."""
        request_id = f"canary-{uuid4().hex}"
        self.requests.append((path, request_id))
        answer = self.client.request(method, path, headers={"X-Request-ID": request_id, **(headers or {})}, **more)
        if answer.status_code >= 400:
            self.answers.append(f"{answer.status_code} {answer.headers} {answer.text}")
        return answer

    def admin(self, *arguments: str, said: str = "") -> str:
        """Run `blacklake admin`, keep what it says, and return that."""
        done = subprocess.run(
            [sys.executable, "-m", "blacklake", "admin", *arguments],
            env=os.environ | dict(self.variables),
            input=said,
            check=False,
            capture_output=True,
            text=True,
        )
        self.answers.append(done.stdout + done.stderr)
        return done.stdout + done.stderr


@pytest.fixture(scope="module", params=share(SETUPS, __name__), ids="-".join)
def installation(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, cluster: Cluster, template: str
) -> Iterator[Installation]:
    """Return an installation on S3 and a database with a password, whose every secret is known here."""
    server, door = request.param
    directory = tmp_path_factory.mktemp(f"canaries-{server}")
    name = f"canaries_{server}"
    known = {
        "password": new_password(),
        "administrator's password": new_password(),
        "database's password": secrets.token_hex(12),
        "secret key": base64.b64encode(secrets.token_bytes(32)).decode(),
        "S3 secret": CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
        "cookie": secrets.token_urlsafe(24),
        "client secret": secrets.token_urlsafe(24),
    }
    for path, content in (("key", known["secret key"]), ("admin", known["administrator's password"])):
        (directory / path).write_text(content)
        (directory / path).chmod(0o600)
    (directory / "s3").mkdir()
    with (
        s3_servers.running(s3_servers.available()[0], directory / "s3") as s3,
        issuers.running() as issuer,
        pytest.MonkeyPatch.context() as patch,
    ):
        for variable, value in CREDENTIALS.items():
            patch.setenv(variable, value)
        where = s3.make_bucket()
        own: dict[str, str] = {
            "database_url": cluster.create(name, template=template).replace(
                "@", ":" + known["database's password"] + "@", 1
            ),
            "storage": f"s3://{where.bucket}/x/?endpoint={where.endpoint}&region={REGION}&path_style=true",
            "secret_key_file": str(directory / "key"),
            "admin_password_file": str(directory / "admin"),
            "outgoing_allow": "127.0.0.0/8",
        }
        variables = {f"BLACKLAKE_{key.upper()}": value for key, value in own.items()} | {"BLACKLAKE_LOG_LEVEL": "debug"}
        with serving(directory, auth="token", **as_settings(server, door), log_level="debug", **own) as registry:
            settings = load_settings(data_dir=registry.directory, **own)
            made = Installation(registry, Client(registry), settings, variables, issuer, known)
            populate(made)
            yield made
        cluster.drop(name)


def populate(at: Installation) -> None:
    """Add users and whom the installation trusts, and get every kind of credential that it gives out."""
    known, settings = at.secrets, at.settings
    for user in ("alice", "builder"):
        administration.add_user(settings, user, password=known["password"], is_admin=False)
    administration.add_organisation(settings, "team")
    administration.grant(settings, "user:alice", "maintainer", "team")
    administration.grant(settings, "user:builder", "writer", "team")
    administration.add_issuer(
        settings, at.issuer.url, kind=None, algorithms=("RS256",), secret=known["client secret"], client_id="web"
    )
    rule = {"claims": {"sub": "job"}, "principal": "builder", "actions": ["pull"], "repositories": ["team"]}
    administration.add_trust(settings, "build", issuer=at.issuer.url, audience=AUDIENCE, seconds=600, **rule)
    known["API key"] = administration.create_key(settings, "alice", "canary", lifetime=None)
    private = ed25519.Ed25519PrivateKey.generate()
    known["service key"] = "".join(_pem(private).splitlines()[1:-1])
    login = {"grant_type": "password", "client_id": "docker", "access_type": "offline", "scope": SCOPE}
    given = at.send("POST", "/auth/token", data={**login, "username": "alice", "password": known["password"]}).json()
    known |= {"access token": given["access_token"], "refresh token": given["refresh_token"]}
    known["identity"] = at.issuer.token()
    exchanged = at.send("POST", "/auth/token", data=exchange_of(known["identity"])).json()
    known["exchanged token"] = exchanged["access_token"]


def exchange_of(token: str) -> dict[str, str]:
    return {"grant_type": GRANT_TYPE, "subject_token": token, "subject_token_type": JWT_TYPE, "scope": SCOPE}


def _pem(private: ed25519.Ed25519PrivateKey) -> str:
    return private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def headers_with(secret: str) -> list[dict[str, str]]:
    """Return what a client sends by headers, rightly or not."""
    values = [
        *(
            f"Bearer {secret}",
            f"bearer  {secret}",
            f"Bearer {secret}x",
            f"Bearer {secret[:-1]}",
            f"Bearer {secret} {secret}",
        ),
        *(secret, f"Digest {secret}", f"Token {secret}", f"Bearer,{secret}", f"Bearer {secret}, Bearer {secret}"),
        *(basic("alice", secret), basic(secret, "x"), basic("oidc", secret)),
        *(f"Basic {secret}", f"{basic('alice', secret)}!", basic("alice", secret)[:-3]),
    ]
    return [
        *({"Authorization": value} for value in values),
        *({name: secret} for name in ("X-API-Key", "X-Registry-Auth", "Signature", "Signature-Input")),
        {"Proxy-Authorization": basic("alice", secret)},
        {"Cookie": f"session={secret}; blacklake={secret}"},
        {"Referer": f"http://x/?access_token={quote(secret)}"},
    ]


def forms_with(secret: str) -> list[bytes | dict[str, str]]:
    """Return what a client posts to the token endpoint, rightly or not."""
    password = {"grant_type": "password", "client_id": "docker", "username": "alice", "password": secret}
    text = f"grant_type=password&username=alice&password={quote(secret)}"
    return [
        password,
        password | {"username": secret, "password": "x"},
        {"grant_type": "refresh_token", "client_id": "docker", "refresh_token": secret},
        {"grant_type": "refresh_token", "client_id": "docker", "refresh_token": f"{secret}0"},
        exchange_of(secret),
        exchange_of(f"{secret}x"),
        exchange_of(secret) | {"actor_token": secret},
        {"grant_type": "unheard-of", "code": secret, "client_secret": secret},
        f"{text}&password={quote(secret)}".encode(),
        f"{text}\xff".encode("latin-1"),
        f'{{"password": "{secret}"}}'.encode(),
        f"{text}&filler={'x' * 40_000}".encode(),
    ]


def raw_with(secret: str) -> list[bytes]:
    """Return requests that are none, with a secret in them."""
    lines = f"Host: x\r\nAuthorization: Bearer {secret}\r\n"
    return [
        f"GET /v2/ HTTP/9.9\r\n{lines}\r\n".encode(),
        f"GET /v2/ HTTP/1.1\r\n{lines}Content-Length: two\r\n\r\n".encode(),
        f"POST /auth/token HTTP/1.1\r\n{lines}Transfer-Encoding: chunked\r\n\r\nzz\r\n{secret}\r\n".encode(),
        f"GET /v2/ HTTP/1.1\r\n{lines}Bad Header {secret}\r\n\r\n".encode(),
        f"GET /v2/ HTTP/1.1\r\n{lines}X: \0{secret}\r\n\r\n".encode(),
        f"{secret}\r\n\r\n".encode(),
        f"GET /v2/ HTTP/1.1\r\n{lines}X: {'x' * 200_000}\r\n\r\n".encode(),
    ]


def say_all(at: Installation, secret: str) -> None:
    """Send a secret through every door."""
    for headers in headers_with(secret):
        for method, path in (
            ("GET", "/v2/team/model/manifests/v1"),
            ("GET", "/auth/token"),
            ("POST", "/v2/team/model/blobs/uploads/"),
        ):
            at.send(method, path, headers)
    at.send("GET", "/metrics", {"Authorization": f"Bearer {secret}"})
    at.send("GET", "/nowhere", {"Authorization": f"Bearer {secret}"})
    for form in forms_with(secret):
        at.send("POST", "/auth/token", {"Content-Type": "application/x-www-form-urlencoded"}, data=form)
    for name in ("password", "access_token", "token", "refresh_token", "account"):
        at.send("GET", "/auth/token", params={name: secret})
        at.send("GET", "/v2/team/model/tags/list", params={name: secret})


def answered(connection: Wire, content: bytes) -> str:
    """Return what a server says to bytes, as far as it says anything."""
    try:
        connection.send(content)
        connection.socket.settimeout(0.3)
        return connection.socket.recv(1 << 16).decode("latin-1")
    except (OSError, Closed):
        return ""


def meddle(at: Installation, cluster: Cluster) -> None:
    """Let commands fail, and connections to the database break."""
    known = at.secrets
    at.admin("user", "add", "alice", "--password-stdin", said=f"{known['password']}\n")
    at.admin("user", "add", "al ice", "--password-stdin", said=f"{known['password']}\n")
    at.admin(
        "issuer", "add", "not-a-url", "--client-id", "web", "--client-secret-stdin", said=f"{known['client secret']}\n"
    )
    at.admin("keys", "rotate")
    cluster.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname LIKE 'canaries_%'")
    at.send("GET", "/v2/", {"Authorization": f"Bearer {known['API key']}"})


def held(url: str) -> dict[str, str]:
    """Return all rows of all tables, as text, by the tables' names."""

    async def read() -> dict[str, str]:
        conn = await asyncpg.connect(url)
        try:
            tables = await conn.fetch(
                "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
            )
            return {
                name: "\n".join(row[0] for row in await conn.fetch(f'SELECT t::text FROM "{name}" t'))
                for (name,) in tables
            }
        finally:
            await conn.close()

    return asyncio.run(read())


def pieces_of(secret: str) -> set[str]:
    """Return what may stand nowhere of a secret: its parts, whole and cut, as they are and in base64."""
    parts = (
        secret.split(".")[1:]
        if secret.startswith("eyJ")
        else [secret.rpartition("_")[2] if secret.startswith("bl") else secret]
    )
    wanted = {part for whole in parts for part in (whole, whole[:PIECE], whole[-PIECE:]) if len(part) >= 8}
    encoded = base64.b64encode(f"alice:{secret}".encode()).decode()
    return wanted | {encoded[8 : 8 + PIECE], encoded[-PIECE - 4 : -4]}


def test_no_secret_turns_up_anywhere(installation: Installation, cluster: Cluster) -> None:
    at = installation
    for secret in list(at.secrets.values()):
        say_all(at, secret)
    for content in (one for kind in ("password", "API key") for one in raw_with(at.secrets[kind])):
        with wire(at.registry) as connection:
            at.answers.append(answered(connection, content))
    meddle(at, cluster)
    at.send("GET", "/v2/team/model/tags/list", {"Authorization": f"Bearer {at.secrets['access token']}"})
    assert at.settings.database_url is not None
    last = at.requests[-1][1].encode()
    eventually(lambda: last in at.registry.log.read_bytes(), "the last request's line, which comes after its answer")
    log, tables = at.registry.log.read_text(errors="replace"), held(at.settings.database_url)
    with Client(at.registry).session as session:
        exposition = session.get(f"{at.registry.url}/metrics").text
    places = {"the log": log, "answers": "\n".join(at.answers), "/metrics": exposition, **tables}
    found = [
        f"{kind} in {place}: …{text[max(text.index(piece) - 60, 0) : text.index(piece) + 20]}…"
        for kind, secret in at.secrets.items()
        for piece in pieces_of(secret)
        for place, text in places.items()
        if piece in text
    ]
    assert found == []
    # What was searched is what was meant.
    assert [path for path, request_id in at.requests if request_id not in log and path != "/metrics"] == []
    assert "token.give" in tables["audit_inbox"] + tables["audit_events"]
    assert "denied" in tables["audit_inbox"] + tables["audit_events"]
    assert "CredentialsWrong" in tables["audit_inbox"] + tables["audit_events"]
    assert len(at.answers) > 500


def test_a_database_that_can_not_be_reached_is_named_without_its_password(tmp_path: Path) -> None:
    password = secrets.token_hex(12)
    variables = {
        "BLACKLAKE_DATABASE_URL": f"postgresql://blacklake:{password}@127.0.0.1:1/registry",
        "BLACKLAKE_LOG_LEVEL": "debug",
    }
    command = [sys.executable, "-m", "blacklake", "serve", "--port", "0", "--data-dir", str(tmp_path)]
    done = subprocess.run(command, env=os.environ | variables, check=False, capture_output=True, text=True)
    assert done.returncode != 0
    assert password not in done.stdout + done.stderr
    assert "database" in done.stdout + done.stderr
