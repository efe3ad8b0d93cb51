"""The verbs of `blacklake admin issuer` and `blacklake admin trust`: whom the installation trusts, and for what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from registry.auth import trust
from registry.auth.foreign_keys import ALGORITHMS
from registry.auth.issuers import is_url
from registry.auth.sealing import SecretKey
from registry.auth.trust import TrustUnfit
from registry.core.audit import Action, Actor, Event, record
from registry.core.delegation import require_administrator
from registry.core.subjects import find_principal, is_word, parse_target, require_name
from registry.db import sessions
from registry.db import trust as rows
from registry.db.pool import Connection, Database
from registry.db.trust import IssuerRow, NewRule, RuleRow
from registry.errors import IdentityRefused

SHORTEST: Final = 60
LONGEST: Final = 3600
"""Seconds for which a token by a rule may be valid."""

_WHAT: Final = "issuers"
_LONGEST_SUBJECT: Final = 255  # OpenID Connect Core §2


class Rule(NamedTuple):
    """What a rule says: which tokens of an issuer stand for which principal, and how much of what he may do they permit.

    `repositories` are targets as grants have them; `seconds` is for how long a token by the rule is valid.
    """

    issuer: str
    audience: str
    claims: Mapping[str, str]
    principal: str
    actions: Sequence[str]
    repositories: Sequence[str]
    seconds: int


class Trusted:
    """Issuers, rules and links, as administrators change them; `actor` is who does.

    Each verb raises IdentityRefused, and what changes something DelegationDenied unless the actor may do everything.
    """

    def __init__(self, db: Database) -> None:
        self._db = db

    async def add_issuer(self, new: IssuerRow, *, secret: str | None, key: SecretKey | None, actor: Actor) -> None:
        """Add an issuer; `key` seals the client's `secret`."""
        for url in (new.url, new.keys_url):
            if url is not None and not is_url(url):
                raise IdentityRefused(f"“{url[:256]}” is no https URL without a query")
        known = trust.kind_of(new.url)
        if new.kind not in trust.KINDS or known not in (None, new.kind):
            raise IdentityRefused(f"{new.url} is of the kind {known or ', or '.join(trust.KINDS)}, not {new.kind[:64]}")
        if unknown := set(new.algorithms) - set(ALGORITHMS):
            raise IdentityRefused(f"{', '.join(sorted(unknown))} is none of {', '.join(ALGORITHMS)}")
        if new.client_id is None and (secret is not None or new.creates_users):
            raise IdentityRefused("who logs in by an issuer does so with a client id; it is missing")
        if secret is not None:
            assert key is not None
            new = new._replace(sealed_client_secret=key.seal(secret.encode(), name=secret_name(new.url)))

        async def add(conn: Connection) -> None:
            await require_administrator(conn, _WHAT, by=actor.principal_id)
            if await rows.add_issuer(conn, new) is None:
                raise IdentityRefused(f"there is an issuer {new.url} already; remove it first, with its rules")
            detail = {
                "kind": new.kind,
                "algorithms": new.algorithms,
                "keys_url": new.keys_url,
                "client_id": new.client_id,
                "creates_users": new.creates_users,
            }
            await record(conn, Event(actor, Action.ISSUER_ADD, f"issuer:{new.url}", detail=detail))

        await self._db.transaction("add_issuer", add)

    async def remove_issuer(self, url: str, *, actor: Actor) -> None:
        """Remove an issuer with its rules and links, and end all sessions of whom they stood for.

        Tokens that were given out by them end within their minutes.
        """

        async def remove(conn: Connection) -> None:
            await require_administrator(conn, _WHAT, by=actor.principal_id)
            row = await _issuer(conn, url)
            for principal_id in await rows.linked_to(conn, issuer_id=row.id):
                await sessions.revoke_all(conn, principal_id=principal_id)
            if not await rows.remove_issuer(conn, url):
                raise _no_issuer(url)
            await record(conn, Event(actor, Action.ISSUER_REMOVE, f"issuer:{url}"))

        await self._db.transaction("remove_issuer", remove)

    async def issuers(self) -> list[IssuerRow]:
        """Return all issuers, by URL."""
        return await self._db.read("list_issuers", rows.issuers)

    async def add_rule(self, name: str, rule: Rule, *, actor: Actor) -> None:
        """Let tokens of an issuer stand for a principal."""
        require_name(name, "rule")
        if not rule.audience or not rule.audience.isprintable():
            raise IdentityRefused("a rule has an audience: what the tokens are asked for with, this registry's URL say")
        if not rule.actions or not rule.repositories or set(rule.actions) - set(trust.ACTIONS):
            raise IdentityRefused(f"a rule permits some of {', '.join(trust.ACTIONS)} on some repositories")
        if not SHORTEST <= rule.seconds <= LONGEST:
            raise IdentityRefused(f"tokens are valid for {SHORTEST} to {LONGEST} seconds, not for {rule.seconds}")
        paths = [_path(target) for target in rule.repositories]

        async def add(conn: Connection) -> None:
            await require_administrator(conn, _WHAT, by=actor.principal_id)
            row, who = await _issuer(conn, rule.issuer), await find_principal(conn, rule.principal)
            try:
                trust.require_sound(row.kind, rule.claims)
            except TrustUnfit as error:
                raise IdentityRefused(f"rule {name} can't be: {error}") from None
            new = NewRule(name, row.id, rule.audience, rule.claims, who.id, rule.actions, paths, rule.seconds)
            if await rows.add_rule(conn, new) is None:
                raise IdentityRefused(f"there is a rule {name} already")
            await record(conn, Event(actor, Action.TRUST_ADD, f"rule:{name}", detail=rule._asdict()))

        await self._db.transaction("add_trust_rule", add)

    async def remove_rule(self, name: str, *, actor: Actor) -> None:
        """Remove a rule. Tokens that were given out by it end within their minutes."""

        async def remove(conn: Connection) -> None:
            await require_administrator(conn, _WHAT, by=actor.principal_id)
            if not is_word(name) or not await rows.remove_rule(conn, name):
                raise IdentityRefused(f"there is no rule {name[:128]}")
            await record(conn, Event(actor, Action.TRUST_REMOVE, f"rule:{name}"))

        await self._db.transaction("remove_trust_rule", remove)

    async def rules(self) -> list[RuleRow]:
        """Return all rules, by name."""
        return await self._db.read("list_trust_rules", rows.rules)

    async def link(self, issuer: str, subject: str, user: str, *, actor: Actor) -> None:
        """Let an issuer's subject, its `sub`, log in as a user."""
        if not is_subject(subject):
            raise IdentityRefused(f"a subject has 1 to {_LONGEST_SUBJECT} ASCII characters (sub)")

        async def add(conn: Connection) -> None:
            await require_administrator(conn, _WHAT, by=actor.principal_id)
            row, who = await _issuer(conn, issuer), await find_principal(conn, user, kind="user")
            if not await rows.link(conn, issuer_id=row.id, subject=subject, principal_id=who.id):
                raise IdentityRefused(f"{subject} of {issuer} stands for somebody already")
            detail = {"issuer": issuer, "subject": subject}
            await record(conn, Event(actor, Action.LINK_ADD, f"user:{user}", detail=detail))

        await self._db.transaction("link_identity", add)

    async def unlink(self, issuer: str, subject: str, *, actor: Actor) -> None:
        """Let an issuer's subject log in as nobody any more, and end all sessions of whom it stood for."""

        async def remove(conn: Connection) -> None:
            await require_administrator(conn, _WHAT, by=actor.principal_id)
            row = await _issuer(conn, issuer)
            found = await rows.unlink(conn, issuer_id=row.id, subject=subject) if is_subject(subject) else None
            if found is None:
                raise IdentityRefused(f"{subject[:128]} of {issuer} stands for nobody")
            principal_id, user = found
            await sessions.revoke_all(conn, principal_id=principal_id)
            detail = {"issuer": issuer, "subject": subject}
            await record(conn, Event(actor, Action.LINK_REMOVE, f"user:{user}", detail=detail))

        await self._db.transaction("unlink_identity", remove)


def secret_name(url: str) -> str:
    """Return the name under which the secret of the client at an issuer is sealed."""
    return f"client secret of {url}"


def is_subject(subject: object) -> bool:
    """Say whether something can be a `sub`: ASCII, printable, 255 characters at most (OpenID Connect Core §2)."""
    return (
        isinstance(subject, str)
        and 0 < len(subject) <= _LONGEST_SUBJECT
        and subject.isascii()
        and subject.isprintable()
    )


def _path(target: str) -> str:
    on = parse_target(target)
    return f"{on.path}*" if on.is_prefix else on.path


async def _issuer(conn: Connection, url: str) -> IssuerRow:
    row = await rows.hold_issuer(conn, url) if is_url(url) else None
    if row is None:
        raise _no_issuer(url)
    return row


def _no_issuer(url: str) -> IdentityRefused:
    return IdentityRefused(f"there is no issuer {url[:256]}; `blacklake admin issuer list` shows those that there are")
