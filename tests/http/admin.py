"""A registry that has users, and whoever talks to its admin API."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any
from uuid import uuid4

import requests
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519

from registry import administration
from registry.config import Settings, load_settings
from tests import prepared
from tests.http.client import PATIENCE
from tests.http.server import Registry, serving

PASSWORD = "correct horse battery staple"
USERS = ("root", "olga", "mary", "alice", "mallory", "otto")


@dataclass
class Governed:
    """A registry with people.

    root may do everything; olga administers acme, where mary maintains models and alice reads; otto administers another
    organisation; mallory has no rights. `keys` are theirs, and of the robot acme+ci; the service `signer`, which may do
    everything too, signs by `signing_key`.
    """

    registry: Registry
    keys: dict[str, str] = field(default_factory=dict)
    signing_key: ed25519.Ed25519PrivateKey = field(default_factory=ed25519.Ed25519PrivateKey.generate)

    @property
    def settings(self) -> Settings:
        return load_settings(data_dir=self.registry.directory)

    def add_user(self) -> str:
        """Return a new user, who has a password, a key and no rights."""
        name = f"u{uuid4().hex[:12]}"
        administration.add_user(self.settings, name, password=PASSWORD, is_admin=False)
        self.keys[name] = administration.create_key(self.settings, name, "first", lifetime=None)
        return name

    def by(self, user: str | None) -> Api:
        """Return the API as a user calls it; None is nobody."""
        return Api(self.registry, {"Authorization": f"Bearer {self.keys[user]}"} if user is not None else {})


@dataclass
class Api:
    """Somebody's calls, below `/api/v1`."""

    registry: Registry
    headers: dict[str, str]

    def __call__(self, method: str, path: str, **options: Any) -> requests.Response:
        headers = self.headers | options.pop("headers", {})
        with requests.Session() as session:
            session.trust_env = False
            session.headers.clear()
            return session.request(
                method,
                f"{self.registry.url}/api/v1{path}",
                headers=headers,
                timeout=PATIENCE,
                allow_redirects=False,
                **options,
            )

    def get(self, path: str, **options: Any) -> Any:
        """Return what is at a path, which is there."""
        answer = self("GET", path, **options)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def post(self, path: str, document: Any, status: int = 201) -> Any:
        """Send a document, which is taken."""
        answer = self("POST", path, json=document)
        assert answer.status_code == status, answer.text
        return answer.json() if answer.content else None

    def all(self, path: str) -> list[Any]:
        """Return all items of a list, page by page."""
        found: list[Any] = []
        after: dict[str, str] = {}
        while True:
            page = self.get(path, params=after)
            found += page["items"]
            if page["next"] is None:
                return found
            after = {"after": page["next"]}


def problem(answer: requests.Response, status: int, code: str) -> dict[str, Any]:
    """Check that an answer is a problem of RFC 9457, and return it."""
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    found: dict[str, Any] = answer.json()
    assert {"type", "title", "status", "detail", "code", "request_id"} <= set(found)
    assert (found["status"], found["code"]) == (status, code)
    assert found["request_id"] == answer.headers["X-Request-ID"]
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    return found


def basic(user: str, password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


def token(registry: Registry, user: str, *scopes: str, password: str = PASSWORD, **more: str) -> requests.Response:
    params = [("service", "blacklake"), *[("scope", scope) for scope in scopes], *more.items()]
    return requests.get(f"{registry.url}/auth/token", params=params, headers=basic(user, password), timeout=PATIENCE)


@contextmanager
def governing(directory: Path, **settings: object) -> Iterator[Governed]:
    """Start a registry with the people of Governed."""
    data, made = _filled()
    prepared.clone(data, directory / "data")
    with serving(directory, auth="token", **settings) as registry:
        yield replace(made, registry=registry, keys=dict(made.keys))


@cache
def _filled() -> tuple[Path, Governed]:
    """Return the data directory of a registry that has ended, and who is in it."""
    with serving(prepared.directory(), auth="token") as registry:
        made = Governed(registry)
        _fill(made)
    return registry.directory, made


def _fill(found: Governed) -> None:
    def do(verb: Callable[..., object], *arguments: object, **options: object) -> object:
        return verb(found.settings, *arguments, **options)

    for user in USERS:
        do(administration.add_user, user, password=PASSWORD, is_admin=user == "root")
    for organisation in ("acme", "other"):
        do(administration.add_organisation, organisation)
    do(administration.grant, "user:olga", "admin", "acme")
    do(administration.grant, "user:otto", "admin", "other")
    do(administration.grant, "user:mary", "maintainer", "acme/models/*")
    do(administration.grant, "user:alice", "reader", "acme")
    do(administration.add_team, "acme/ml")
    do(administration.add_member, "acme/ml", "alice")
    do(administration.add_role, "acme/keeper", ["pull", "delete"])
    do(administration.add_robot, "acme+ci")
    do(administration.add_robot, "other+ci")
    for name in (*USERS, "acme+ci"):
        found.keys[name] = str(do(administration.create_key, name, "first", lifetime=None))
    pem = found.signing_key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    do(administration.add_service, "signer", is_admin=True)
    do(administration.add_service_key, "signer", pem, lifetime=None)
