"""Issuers of identities, the rules by which their tokens are trusted, and which of these have been used."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from registry.db.pool import Connection


class IssuerRow(NamedTuple):
    """An issuer. With a `client_id` people log in by it, whose secret is sealed. `keys_url` comes before what it publishes."""

    id: int
    url: str
    kind: str
    algorithms: tuple[str, ...]
    keys_url: str | None = None
    client_id: str | None = None
    sealed_client_secret: bytes | None = None
    creates_users: bool = False


class RuleRow(NamedTuple):
    """A rule of trust. `repositories` are paths below an organisation, prefixes where `*` stands at the end."""

    name: str
    issuer: str
    audience: str
    claims: Mapping[str, str]
    principal_id: int
    principal: str
    actions: frozenset[str]
    repositories: tuple[str, ...]
    seconds: int


class NewRule(NamedTuple):
    """What is recorded of a new rule."""

    name: str
    issuer_id: int
    audience: str
    claims: Mapping[str, str]
    principal_id: int
    actions: Sequence[str]
    repositories: Sequence[str]
    seconds: int


_ISSUER: Final = "id, url, kind, algorithms, keys_url, client_id, sealed_client_secret, creates_users"
_FIND: Final = f"SELECT {_ISSUER} FROM issuers WHERE url = $1"
_HOLD: Final = f"{_FIND} FOR KEY SHARE"
_ALL: Final = f"SELECT {_ISSUER} FROM issuers ORDER BY url"
_ADD: Final = """
INSERT INTO issuers (url, kind, algorithms, keys_url, client_id, sealed_client_secret, creates_users)
VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (url) DO NOTHING RETURNING id
"""
_REMOVE: Final = "DELETE FROM issuers WHERE url = $1 RETURNING id"

_RULE: Final = """
SELECT r.name, i.url, r.audience, r.claims, p.id, p.name, r.actions, r.repositories, r.seconds
FROM trust_rules r JOIN issuers i ON i.id = r.issuer_id JOIN principals p ON p.id = r.principal_id
"""
_RULES_OF: Final = f"{_RULE} WHERE r.issuer_id = $1 AND p.disabled_at IS NULL ORDER BY r.name"
_RULES: Final = f"{_RULE} ORDER BY r.name"
_ADD_RULE: Final = """
INSERT INTO trust_rules (name, issuer_id, audience, claims, principal_id, actions, repositories, seconds)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (name) DO NOTHING RETURNING id
"""
_REMOVE_RULE: Final = "DELETE FROM trust_rules WHERE name = $1 RETURNING id"

# A token is exchanged once. As a password it is sent again with each request of a plain client, but never in both ways. What
# has expired goes with the next ones, some at a time.
_USE: Final = """
WITH expired AS (
    DELETE FROM used_tokens WHERE token_hash IN (
        SELECT token_hash FROM used_tokens WHERE expires_at < now() ORDER BY expires_at LIMIT 100 FOR UPDATE SKIP LOCKED)
)
INSERT INTO used_tokens (token_hash, as_password, expires_at) VALUES ($1, $2, $3)
ON CONFLICT (token_hash) DO UPDATE SET as_password = true WHERE used_tokens.as_password AND excluded.as_password
RETURNING true
"""

_LINKED: Final = """
SELECT p.id, p.name FROM linked_identities l JOIN principals p ON p.id = l.principal_id
WHERE l.issuer_id = $1 AND l.subject = $2 AND p.disabled_at IS NULL
"""
_IS_LINKED: Final = "SELECT true FROM linked_identities WHERE issuer_id = $1 AND subject = $2"
_LINK: Final = """
INSERT INTO linked_identities (issuer_id, subject, principal_id) VALUES ($1, $2, $3)
ON CONFLICT (issuer_id, subject) DO NOTHING RETURNING principal_id
"""
_UNLINK: Final = """
DELETE FROM linked_identities l USING principals p
WHERE l.issuer_id = $1 AND l.subject = $2 AND p.id = l.principal_id RETURNING p.id, p.name
"""
_LINKED_TO: Final = "SELECT DISTINCT principal_id FROM linked_identities WHERE issuer_id = $1"


async def find_issuer(conn: Connection, url: str) -> IssuerRow | None:
    """Return an issuer by its URL; None where there is none such."""
    row = await conn.fetchrow(_FIND, url)
    return _issuer(row) if row is not None else None


async def hold_issuer(conn: Connection, url: str) -> IssuerRow | None:
    """Do what `find_issuer` does, and keep the issuer from being removed until the transaction ends."""
    row = await conn.fetchrow(_HOLD, url)
    return _issuer(row) if row is not None else None


async def issuers(conn: Connection) -> list[IssuerRow]:
    """Return all issuers, by URL."""
    return [_issuer(row) for row in await conn.fetch(_ALL)]


async def add_issuer(conn: Connection, new: IssuerRow) -> int | None:
    """Record an issuer, whatever the id in `new`, and return its id; None where there is one of this URL."""
    found: int | None = await conn.fetchval(_ADD, *new[1:])
    return found


async def remove_issuer(conn: Connection, url: str) -> bool:
    """Remove an issuer with its rules and links; return False where there is none such."""
    return await conn.fetchval(_REMOVE, url) is not None


async def rules_of(conn: Connection, issuer_id: int) -> list[RuleRow]:
    """Return an issuer's rules whose principals are not disabled, by name."""
    return [_rule(row) for row in await conn.fetch(_RULES_OF, issuer_id)]


async def rules(conn: Connection) -> list[RuleRow]:
    """Return all rules, by name."""
    return [_rule(row) for row in await conn.fetch(_RULES)]


async def add_rule(conn: Connection, new: NewRule) -> int | None:
    """Record a rule and return its id; None where there is one of this name."""
    values = new._replace(claims=json.dumps(dict(new.claims)))  # type: ignore[arg-type]  # jsonb is sent as text
    found: int | None = await conn.fetchval(_ADD_RULE, *values)
    return found


async def remove_rule(conn: Connection, name: str) -> bool:
    """Remove a rule; return False where there is none such."""
    return await conn.fetchval(_REMOVE_RULE, name) is not None


async def use_token(conn: Connection, token_hash: bytes, *, as_password: bool, expires_at: datetime) -> bool:
    """Note that a token is used; return False where it has been, unless it was and is a password."""
    return await conn.fetchval(_USE, token_hash, as_password, expires_at) is not None


async def linked(conn: Connection, *, issuer_id: int, subject: str) -> tuple[int, str] | None:
    """Return the id and name of whom an issuer's subject stands for; None where that is nobody, or he is disabled."""
    row = await conn.fetchrow(_LINKED, issuer_id, subject)
    return (row[0], row[1]) if row is not None else None


async def is_linked(conn: Connection, *, issuer_id: int, subject: str) -> bool:
    """Say whether an issuer's subject stands for somebody, disabled or not."""
    return await conn.fetchval(_IS_LINKED, issuer_id, subject) is not None


async def link(conn: Connection, *, issuer_id: int, subject: str, principal_id: int) -> bool:
    """Let an issuer's subject stand for a principal; return False where it stands for somebody already."""
    return await conn.fetchval(_LINK, issuer_id, subject, principal_id) is not None


async def unlink(conn: Connection, *, issuer_id: int, subject: str) -> tuple[int, str] | None:
    """Let an issuer's subject stand for nobody; return the id and name of whom it stood for, None where that was nobody."""
    row = await conn.fetchrow(_UNLINK, issuer_id, subject)
    return (row[0], row[1]) if row is not None else None


async def linked_to(conn: Connection, *, issuer_id: int) -> list[int]:
    """Return the ids of all for whom subjects of an issuer stand, disabled or not."""
    return [row[0] for row in await conn.fetch(_LINKED_TO, issuer_id)]


def _issuer(row: Iterable[Any]) -> IssuerRow:
    found = IssuerRow(*row)
    return found._replace(algorithms=tuple(found.algorithms))  # it is a key of dicts


def _rule(row: Iterable[Any]) -> RuleRow:
    found = RuleRow(*row)
    return found._replace(
        claims=json.loads(found.claims),  # type: ignore[arg-type]
        actions=frozenset(found.actions),
        repositories=tuple(found.repositories),
    )
