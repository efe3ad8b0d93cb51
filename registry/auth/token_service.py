"""The token service (distribution's token and OAuth2 specifications): from what somebody knows and asks for to a token."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from mediatypes.names import InvalidName, parse_repository_name
from registry.auth.exchange import ACCESS_TOKEN, GRANT_TYPE, Exchange
from registry.auth.identification import Identification
from registry.auth.refusals import SOMEBODY, Refusals
from registry.auth.scopes import InvalidScope, Scope, parse_scopes
from registry.auth.secrets import API_KEY, is_secret
from registry.auth.sessions import Sessions
from registry.auth.throttle import LoginThrottle
from registry.auth.tokens import AccessTokens, Issued
from registry.core.access import ANONYMOUS, ANONYMOUS_ID, PULL, PUSH, Access, Caller, CredentialKind, Permission
from registry.core.audit import Action, Event, Outcome, actor_of, record
from registry.core.subjects import OIDC_USER
from registry.db.pool import Database
from registry.errors import CredentialsContradict, GrantRefused, RegistryError

_ACTIONS: Final = {
    "pull": (Permission.PULL,),
    "push": (Permission.PUSH, Permission.SIGN),  # either: which of both shows with what is pushed
    "delete": (Permission.DELETE,),
}
_EVERYTHING: Final = "*"  # the name that stands for all repositories, in a scope for `pull` and in no other

# Of no use for tokens of the admin API: a token hides by what it was got, and what it makes there would outlive that.
_NO_ADMIN: Final = (CredentialKind.KEY, CredentialKind.PROXY, CredentialKind.SESSION)


class Wanted(NamedTuple):
    """What a token is asked for, by which client, from which network; `offline` asks for a refresh token too.

    `named` is whom a trusted proxy names.
    """

    scopes: Sequence[Scope]
    client: str
    network: str
    request_id: str
    offline: bool = False
    named: Caller | None = None


class Given(NamedTuple):
    """A token, what it permits, and beside it a refresh token, or of which type it is, where that was asked for."""

    issued: Issued
    scopes: Sequence[Scope]
    refresh_token: str | None = None
    issued_token_type: str | None = None


class TokenService:
    """Gives out tokens for what is asked for, as far as it is permitted: less, or nothing, is no error."""

    def __init__(
        self,
        db: Database,
        tokens: AccessTokens,
        access: Access,
        identification: Identification,
        throttle: LoginThrottle,
        sessions: Sessions,
        exchange: Exchange,
    ) -> None:
        self._db = db
        self._tokens = tokens
        self._access = access
        self._identification = identification
        self._throttle = throttle
        self._sessions = sessions
        self._exchange = exchange
        self._refusals = Refusals(db)

    async def without_credentials(self, wanted: Wanted) -> Given:
        """Give a token to whom a proxy names, as often as he comes, or to anybody for what is public."""
        return await self.give(wanted.named or ANONYMOUS, wanted._replace(offline=False))

    async def by_password(self, user: str, password: str, wanted: Wanted) -> Given:
        """Give a token by a user's password, or a key of his; of the user `oidc`, by a token of a trusted issuer.

        Raise CredentialsWrong, TooManyLogins, TokenInvalid, AccessLost.
        """
        if user == OIDC_USER:
            found = await self._exchange.by_password(password, wanted.scopes)
            # What the rules cut off is cut off by the caller's bound: asked for and refused, which the token says.
            return await self.give(found.caller, wanted._replace(offline=False), found.seconds)
        if is_secret(password, API_KEY):  # which can't be guessed, and outlives no session
            return await self.give(
                await self._identification.by_key(password, user=user), wanted._replace(offline=False)
            )
        caller = await self._throttle.attempt(
            user, wanted.network, lambda: self._identification.by_password(user, password)
        )
        return await self.give(caller, wanted)

    async def refuse(self, error: RegistryError, wanted: Wanted) -> None:
        """Record that somebody was not given a token. Whom he named is recorded only where there is such a principal."""
        name = getattr(error, "principal", None)
        actor = actor_of(Caller(None, name or SOMEBODY), address=wanted.network, request_id=wanted.request_id)
        detail = {"reason": type(error).__name__, "client": wanted.client}
        await self._refusals.note(Event(actor, Action.TOKEN_GIVE, "token", Outcome.DENIED, detail))

    async def by_form(self, form: Mapping[str, str], wanted: Wanted) -> Given:
        """Give a token as OAuth2 does (RFC 6749 §4.3, §6; RFC 8693 §2.1).

        Raise GrantRefused, and what `by_password` raises, SessionOver, SessionRevoked.
        """
        grant_type = form.get("grant_type", "")
        if grant_type == GRANT_TYPE:
            found = await self._exchange.exchange(form)
            given = await self.give(found.caller, wanted._replace(scopes=found.scopes), found.seconds)
            return given._replace(issued_token_type=ACCESS_TOKEN)
        try:
            scopes = parse_scopes([form.get("scope", "")])
        except InvalidScope as error:
            raise GrantRefused("invalid_scope", str(error)) from None
        wanted = wanted._replace(scopes=scopes, offline=form.get("access_type") == "offline")
        if grant_type == "password":
            return await self.by_password(form.get("username", ""), form.get("password", ""), wanted)
        if grant_type == "refresh_token":
            token = form.get("refresh_token", "")
            continued = await self._sessions.go_on(token, address=wanted.network, request_id=wanted.request_id)
            given = await self.give(continued.caller, wanted._replace(offline=False))
            return given._replace(refresh_token=continued.token)
        raise GrantRefused("unsupported_grant_type", f"grant_type is none of password, refresh_token and {GRANT_TYPE}")

    async def give(self, caller: Caller, wanted: Wanted, seconds: int | None = None) -> Given:
        """Give a token to whom the caller has been found to be. Raise AccessLost, CredentialsContradict."""
        if wanted.named is not None and caller.name != wanted.named.name:
            raise CredentialsContradict(wanted.named.name)
        # All at once, so that they are decided by one query: whoever asks for a hundred makes no hundred.
        found = await asyncio.gather(*(self._granted(caller, one) for one in wanted.scopes))
        granted = [scope for scope, _ in found if scope is not None]
        unadmitted = [scope.name for scope, may_push in found if scope is not None and may_push]
        # A token by what is limited says what was refused, too: its client need not ask again (Access.is_narrowed).
        refused = [
            one._replace(actions=frozenset())
            for one, (scope, _) in zip(wanted.scopes, found, strict=True)
            if scope is None and caller.bound is not None
        ]
        issued = await self._tokens.issue(caller, [*granted, *refused], unadmitted=unadmitted, seconds=seconds)
        actor = actor_of(caller, address=wanted.network, request_id=wanted.request_id)
        if caller.principal_id != ANONYMOUS_ID:
            detail = {"scopes": [str(one) for one in granted], "client": wanted.client, "jti": issued.id}
            await self._record(Event(actor, Action.TOKEN_GIVE, "token", detail=detail))
        has_session = wanted.offline and caller.principal_id != ANONYMOUS_ID
        refresh_token = await self._sessions.start(caller, wanted.client, actor=actor) if has_session else None
        return Given(issued, granted, refresh_token)

    async def _record(self, event: Event) -> None:
        await self._db.statement("audit", lambda conn: record(conn, event))

    async def _granted(self, caller: Caller, wanted: Scope) -> tuple[Scope | None, bool]:
        """Return what is granted of a scope, and whether the caller, as far as its credential permits, may push there."""
        if wanted.type == "repository" and wanted.name != _EVERYTHING:
            return await self._granted_of(caller, wanted)
        return self._granted_beside(caller, wanted), False

    def _granted_beside(self, caller: Caller, wanted: Scope) -> Scope | None:
        if wanted.type == "registry":
            # What he may do there is decided with each request; here it is only that this token may be used for it.
            bound, is_somebody = caller.bound, caller.principal_id not in (None, ANONYMOUS_ID)
            is_none_for_it = caller.credential is not None and caller.credential.kind in _NO_ADMIN
            is_permitted = {
                "catalog": bound is None or bound.catalog,
                "admin": is_somebody and not is_none_for_it and bound is None,
            }.get(wanted.name, False)
            return wanted._replace(actions=frozenset("*")) if is_permitted and "*" in wanted.actions else None
        if wanted.type == "repository":
            # Which that is, is decided with each request; here it is only that this token doesn't narrow it.
            is_permitted = "pull" in wanted.actions and (caller.bound is None or bool(caller.bound.permits("") & PULL))
            return wanted._replace(actions=frozenset(("pull",))) if is_permitted else None
        return None

    async def _granted_of(self, caller: Caller, wanted: Scope) -> tuple[Scope | None, bool]:
        try:
            name = parse_repository_name(wanted.name)
        except InvalidName:
            return None, False
        held = await self._access.permitted(caller, name)
        actions = _ACTIONS if "*" in wanted.actions else wanted.actions & _ACTIONS.keys()
        found = frozenset(action for action in actions if held & set(_ACTIONS[action]))
        return Scope("repository", name, found) if found else None, bool(held & PUSH)
