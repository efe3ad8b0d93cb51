"""Workload identity: a token of a trusted issuer for one of ours (RFC 8693), or as the password of the user `oidc`.

What comes out is who it is and what was asked for, cut to what the rules permit; the token service decides by the principal's
rights how much of that there will be. No refresh token may be given for it: who wants another token brings another identity.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from registry.auth import foreign_tokens, trust
from registry.auth.foreign_tokens import LEEWAY
from registry.auth.scopes import InvalidScope, Scope, parse_scopes
from registry.auth.tokens import bound_of
from registry.auth.trust import Grant, TrustUnfit
from registry.core.access import Caller, Credential, CredentialKind
from registry.db import trust as rows
from registry.db.pool import Database
from registry.db.trust import IssuerRow, RuleRow
from registry.errors import GrantRefused, IdentityUnfit, TokenInvalid

if TYPE_CHECKING:  # what fetches from issuers is loaded by whom fetches
    from registry.auth.issuers import Issuers, Verified

GRANT_TYPE: Final = "urn:ietf:params:oauth:grant-type:token-exchange"
ACCESS_TOKEN: Final = "urn:ietf:params:oauth:token-type:access_token"  # noqa: S105 - the `issued_token_type` of the answer
_SUBJECT_TYPES: Final = ("urn:ietf:params:oauth:token-type:jwt", "urn:ietf:params:oauth:token-type:id_token")
_NOT_HERE: Final = ("actor_token", "actor_token_type", "resource")


class Exchanged(NamedTuple):
    """What an access token is to be made of, and what the audit log says of where it comes from."""

    caller: Caller
    scopes: list[Scope]
    seconds: int
    issuer: str
    subject: str
    rules: tuple[str, ...]


class Exchange:
    """Turns tokens of trusted issuers into callers of ours."""

    def __init__(self, db: Database, issuers: Issuers, *, service: str) -> None:
        """`service` is whom our access tokens are for."""
        self._db = db
        self._issuers = issuers
        self._service = service

    async def exchange(self, form: Mapping[str, str]) -> Exchanged:
        """Answer a token exchange request (RFC 8693 §2.1). Its token is used up.

        Raise GrantRefused, which IdentityUnfit is of a token that doesn't do, and Unavailable.
        """
        if form.get("grant_type") != GRANT_TYPE:
            raise GrantRefused("unsupported_grant_type", f"grant_type is not {GRANT_TYPE}")
        if form.get("subject_token_type") not in _SUBJECT_TYPES:
            raise GrantRefused("invalid_request", f"subject_token_type is none of {', '.join(_SUBJECT_TYPES)}")
        if form.get("requested_token_type", ACCESS_TOKEN) != ACCESS_TOKEN:
            raise GrantRefused("invalid_request", f"requested_token_type is not {ACCESS_TOKEN}, the only one there is")
        if given := [name for name in _NOT_HERE if name in form]:
            raise GrantRefused("invalid_request", f"{given[0]} means nothing here; leave it out")
        if form.get("audience", self._service) != self._service:
            raise GrantRefused("invalid_target", f"this registry gives tokens for the audience {self._service} only")
        try:
            wanted = parse_scopes([form.get("scope", "")])
        except InvalidScope as error:
            raise GrantRefused("invalid_scope", str(error)) from None
        try:
            return await self._accepted(form.get("subject_token", ""), wanted, as_password=False)
        except TokenInvalid as error:
            raise IdentityUnfit(error.message) from None

    async def by_password(self, password: str, wanted: Sequence[Scope]) -> Exchanged:
        """Answer who sends such a token as a password, again with each request until it expires.

        Raise TokenInvalid, Unavailable.
        """
        return await self._accepted(password, wanted, as_password=True)

    async def _accepted(self, token: str, wanted: Sequence[Scope], *, as_password: bool) -> Exchanged:
        issuer, rules = await self._trusted(foreign_tokens.read(token).issuer)
        found = await self._issuers.verify(token, issuer, audiences={rule.audience for rule in rules}, strict=True)
        fitting = [rule for rule in rules if trust.fits(rule, found.claims)]
        try:
            grant = trust.granted(fitting, wanted)
        except TrustUnfit as error:
            raise TokenInvalid(f"fits, but {error}: an administrator has to tell them apart") from None
        if grant is None:
            raise TokenInvalid(f"fits none of the rules of its issuer; it says {_said(rules, found.claims)}")
        await self._use(token, found, as_password=as_password)
        return _exchanged(found, grant)

    async def _trusted(self, url: str) -> tuple[IssuerRow, list[RuleRow]]:
        issuer = await self._issuers.find(url)
        rules: list[RuleRow] = []
        if issuer is not None:
            found = issuer
            rules = await self._db.read("find_trust_rules", lambda conn: rows.rules_of(conn, found.id))
        if issuer is None or not rules:
            raise TokenInvalid("is of an issuer that this registry doesn't trust")
        return issuer, rules

    async def _use(self, token: str, found: Verified, *, as_password: bool) -> None:
        expires_at = datetime.fromtimestamp(found.claims["exp"], UTC) + timedelta(seconds=2 * LEEWAY)
        token_hash = _hash(token, found)
        if not await self._db.statement(
            "use_token",
            lambda conn: rows.use_token(conn, token_hash, as_password=as_password, expires_at=expires_at),
        ):
            raise TokenInvalid("has been used already")


def _exchanged(found: Verified, grant: Grant) -> Exchanged:
    # The bound says once more what the scopes say: who forgets to cut by the one is held by the other.
    bound = bound_of([{"type": one.type, "name": one.name, "actions": one.actions} for one in grant.scopes])
    caller = Caller(grant.principal_id, grant.principal, bound, Credential(CredentialKind.IDENTITY, found.issuer.url))
    subject = _escaped(found.claims.get("sub", ""))
    return Exchanged(caller, grant.scopes, grant.seconds, found.issuer.url, subject, grant.rules)


def _hash(token: str, found: Verified) -> bytes:
    """Return what a token is known by: its `jti`, which its issuer gives to no other; without one, all that is signed."""
    jti = found.claims.get("jti")
    name = f"jti {jti}" if isinstance(jti, str) and jti else f"signed {token.rpartition('.')[0]}"
    return hashlib.sha256(f"{found.issuer.url} {name}".encode("utf-8", "surrogatepass")).digest()


def _said(rules: Sequence[RuleRow], claims: Mapping[str, Any]) -> str:
    """Return what a token says where the rules ask, so that whoever wrote them sees the difference."""
    names = sorted({name for rule in rules for name in rule.claims} & claims.keys())
    return ", ".join(f"{name} “{_escaped(claims[name])}”" for name in names[:16]) or "nothing that they ask for"


def _escaped(value: object) -> str:
    """Return a claim as ASCII without anything that would break a line."""
    return str(value)[:255].encode("unicode_escape").decode("ascii")
