"""Two organisations on one registry that asks who it is, and what their people hold.

acme is the victim: alice maintains it, carol reads acme/bert only, dave writes to acme/team*, erin to acme/team.
rival is the attacker: bob administers it. mallory may do nothing, root everything, anybody may pull public/open*.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

import jwt

from registry.auth.keyring import Key
from registry.auth.passwords import Passwords
from registry.auth.secrets import API_KEY, hash_of, new_secret
from registry.compose.doors import create_keyring
from registry.config import Settings, load_settings
from registry.core.api_keys import ApiKeys
from registry.core.identities import Identities
from registry.core.roles import Roles
from registry.db.embedded import running_url
from registry.db.pool import Database
from tests.actors import OPERATOR
from tests.http.client import Answer, Client, Closed, wire
from tests.http.server import Registry

PASSWORD: Final = "correct horse battery staple"
SERVICE: Final = "blacklake"
USERS: Final = ("alice", "bob", "carol", "dave", "erin", "mallory", "root")
ORGANISATIONS: Final = ("acme", "acme-b", "rival", "public", "library")
GRANTS: Final = (
    ("user:alice", "maintainer", "acme"),
    ("user:alice", "writer", "public"),
    ("user:bob", "admin", "rival"),
    ("user:carol", "reader", "acme/bert"),
    ("user:dave", "writer", "acme/team*"),
    ("user:erin", "writer", "acme/team"),
    ("anonymous", "reader", "public/open*"),
)


@dataclass
class Tenants:
    """A registry with both, and the keys of their people."""

    registry: Registry
    settings: Settings
    url: str
    keys: dict[str, str] = field(default_factory=dict)
    tokens: dict[tuple[str | None, tuple[str, ...]], str] = field(default_factory=dict)

    def token(self, user: str | None, *scopes: str) -> str:
        """Return a token for a user, by his key; None: for anybody."""
        if (user, scopes) not in self.tokens:
            answer = self.ask(user, *scopes)
            assert answer.status_code == 200, answer.text
            self.tokens[user, scopes] = answer.json()["token"]
        return self.tokens[user, scopes]

    def ask(self, user: str | None, *scopes: str, **more: Any) -> Any:
        """Ask for a token and return the answer."""
        client = Client(self.registry)
        params = [("service", SERVICE), *(("scope", scope) for scope in scopes)]
        headers = basic(user, self.keys[user]) if user is not None else {}
        with client.session:
            return client.get("/auth/token", params=params, headers=headers | more.pop("headers", {}), **more)

    def acting(self, user: str | None, *scopes: str) -> Client:
        """Return a client that acts as a user, with a token for scopes; without any, by his key, or as nobody."""
        client = Client(self.registry)
        if scopes:
            client.session.headers["Authorization"] = f"Bearer {self.token(user, *scopes)}"
        elif user is not None:
            client.session.headers["Authorization"] = f"Bearer {self.keys[user]}"
        return client

    def key(self) -> Key:
        """Return the registry's own key: whoever forges with it shows that it is not the signature that is looked at."""
        return self.do(lambda db: create_keyring(self.settings, db).signer())

    def do(self, act: Any) -> Any:
        """Do something with the registry's database."""
        return within(self.url, act)


def within(url: str, act: Any) -> Any:
    async def connected() -> Any:
        db = Database(url, size=2, timeout=10)
        await db.open()
        try:
            return await act(db)
        finally:
            await db.close()

    return asyncio.run(connected())


async def add_key(db: Database, user: str, key: str, *, lifetime: timedelta | None = None) -> None:
    """Let a key stand for a user."""
    await ApiKeys(db).add(user, "tests", hash_of(key), lifetime=lifetime, actor=OPERATOR)


async def settle(db: Database, keys: dict[str, str]) -> None:
    """Make everybody, his key, and what he holds."""
    identities, hashed = Identities(db), await Passwords().hashed(PASSWORD)
    for name in ORGANISATIONS:
        await identities.add_organisation(name, actor=OPERATOR)
    for name in USERS:
        await identities.add_user(name, password_hash=hashed, is_admin=name == "root", actor=OPERATOR)
        keys[name] = new_secret(API_KEY)
        await add_key(db, name, keys[name])
    for subject, role, target in GRANTS:
        await identities.grant(subject, role, target, actor=OPERATOR)
    await Roles(db).add("rival/keeper", ["admin"], actor=OPERATOR)


def settled(registry: Registry, url: str | None = None) -> Tenants:
    """Return a registry's tenants, made just now."""
    settings = load_settings(data_dir=registry.directory)
    found = Tenants(registry, settings, url or running_url(settings.data_dir / "postgres") or "")
    assert found.url
    found.do(lambda db: settle(db, found.keys))
    return found


def basic(user: str, password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def granted(answer: Any) -> list[str]:
    """Return the scopes that a token is for."""
    assert answer.status_code == 200, answer.text
    access = jwt.decode(answer.json()["token"], options={"verify_signature": False})["access"]
    return [f"{one['type']}:{one['name']}:{','.join(one['actions'])}" for one in access]


def sent(to: Tenants, method: str, target: str | bytes, headers: Iterable[tuple[str, str]] = ()) -> Answer:
    """Send the very bytes on a connection of their own; what the server itself refuses, and hangs up, counts as 400."""
    with wire(to.registry) as connection:
        try:
            return connection.request(method, target, headers)
        except (Closed, KeyError):
            return Answer(400, {}, b"")
