"""Whom the installation trusts is its administrators' to say, whoever calls the verb."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from registry.auth.trusted import Rule, Trusted
from registry.core.audit import Actor
from registry.core.identities import Identities
from registry.db.pool import Database
from registry.db.trust import IssuerRow
from registry.errors import DelegationDenied
from tests.actors import OPERATOR, acting

URL = "https://issuer.test"
ISSUER = IssuerRow(0, URL, "other", ("RS256",), client_id="registry")
RULE = Rule(URL, "registry", {"sub": "build"}, "bob", ["pull"], ["acme"], 900)
VERBS: list[Callable[[Trusted, Actor], Awaitable[None]]] = [
    lambda trusted, actor: trusted.add_issuer(ISSUER, secret=None, key=None, actor=actor),
    lambda trusted, actor: trusted.add_rule("rule", RULE, actor=actor),
    lambda trusted, actor: trusted.link(URL, "7", "bob", actor=actor),
    lambda trusted, actor: trusted.unlink(URL, "7", actor=actor),
    lambda trusted, actor: trusted.remove_rule("rule", actor=actor),
    lambda trusted, actor: trusted.remove_issuer(URL, actor=actor),
]


async def test_only_who_may_do_everything_changes_whom_the_installation_trusts(database: Database) -> None:
    identities, trusted = Identities(database), Trusted(database)
    for name in ("root", "boss", "bob"):
        await identities.add_user(name, password_hash=None, is_admin=name == "root", actor=OPERATOR)
    await identities.add_organisation("acme", actor=OPERATOR)
    await identities.grant("user:boss", "admin", "acme", actor=OPERATOR)
    rows = await database.read("ids", lambda conn: conn.fetch("SELECT name, id FROM principals"))
    ids = dict(map(tuple, rows))
    for verb in VERBS:
        for name in ("boss", "bob"):
            with pytest.raises(DelegationDenied):
                await verb(trusted, acting(ids[name]))
        await verb(trusted, acting(ids["root"]))
    assert await trusted.issuers() == []
    events = await database.read("events", lambda conn: conn.fetch("SELECT action FROM audit_inbox"))
    assert [row["action"] for row in events][-6:] == [
        "issuer.add", "trust.add", "link.add", "link.remove", "trust.remove", "issuer.remove"
    ]  # fmt: skip
