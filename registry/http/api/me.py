"""Oneself: who one is, one's password, keys and sessions."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from registry.auth.passwords import PasswordUnfit
from registry.auth.secrets import API_KEY, hash_of, new_secret
from registry.core.access import CredentialKind
from registry.core.audit import Action
from registry.errors import IdentityRefused
from registry.http.api.asked import Asked
from registry.http.api.credential_models import Key, KeyMade, NewKey, Session
from registry.http.api.models import BIGGEST, NumberedPaging, Page
from registry.http.api.principal_models import Me, PasswordChange
from registry.http.api.route import Route
from registry.http.api.services import AdminServices


async def show(_services: AdminServices, asked: Asked) -> Me:
    """Say who calls."""
    one, credential = asked.standing, asked.caller.credential
    kind = credential.kind if credential is not None else CredentialKind.NONE
    return Me(name=one.name, kind=one.kind, is_admin=one.is_admin, credential_kind=kind)


async def change_password(services: AdminServices, asked: Asked, data: PasswordChange) -> None:
    """Change one's password, and end one's sessions.

    Wrong ones count as logins that failed. Access tokens that were given out before end by themselves, within minutes.
    """
    name = asked.standing.name
    if asked.standing.kind != "user":
        raise IdentityRefused(f"{name} is no user, and has no password")
    await services.throttle.attempt(
        name,
        asked.actor.address or "",
        lambda: services.identification.by_password(name, data.current.get_secret_value()),
    )
    hashed = await hash_of_password(services, data.new.get_secret_value())
    await services.identities.set_password(name, hashed, actor=asked.actor)
    services.on_password_change(name)


async def hash_of_password(services: AdminServices, password: str) -> str:
    """Return what is kept of a password. Raise IdentityRefused where it can't be taken."""
    try:
        return await services.passwords.hashed(password)
    except PasswordUnfit as error:
        raise IdentityRefused(str(error)) from None


async def keys(services: AdminServices, asked: Asked, query_args: NumberedPaging) -> Page[Key]:
    """List one's API keys."""
    return await keys_of(services, asked, asked.standing.name, query_args, kind=asked.standing.kind)


async def add_key(services: AdminServices, asked: Asked, data: NewKey) -> KeyMade:
    """Make an API key of one's own, and tell it once."""
    return await make_key(services, asked, asked.standing.name, data, kind=asked.standing.kind)


async def revoke_key(services: AdminServices, asked: Asked, key: int) -> None:
    """Revoke one's own API key."""
    await services.api_keys.revoke(asked.standing.name, key, actor=asked.actor, kind=asked.standing.kind)


async def keys_of(services: AdminServices, asked: Asked, owner: str, query: NumberedPaging, *, kind: str) -> Page[Key]:
    """Return a page of somebody's API keys."""
    found = await services.api_keys.page(owner, by=asked.standing.id, after=query.after, limit=query.limit, kind=kind)
    return Page(items=[Key(**row._asdict()) for row in found.items], next=found.next_after)


async def make_key(services: AdminServices, asked: Asked, owner: str, data: NewKey, *, kind: str) -> KeyMade:
    """Make an API key of somebody's, and return it: only its hash is kept."""
    secret = new_secret(API_KEY)
    lifetime = timedelta(seconds=data.expires_in) if data.expires_in is not None else None
    added = await services.api_keys.add(
        owner, data.name, hash_of(secret), lifetime=lifetime, scopes=data.scopes, actor=asked.actor, kind=kind
    )
    return KeyMade(id=added.id, name=data.name, secret=secret, expires_at=added.expires_at)


async def sessions(services: AdminServices, asked: Asked) -> Page[Session]:
    """List the hundred sessions of one's own that were used last."""
    found = await services.sessions.listed(asked.standing.id)
    return Page(items=[Session(**row._asdict()) for row in found], next=None)


async def end_sessions(services: AdminServices, asked: Asked) -> None:
    """End all one's sessions. Access tokens that they gave end by themselves, within minutes."""
    await services.sessions.revoke_all(asked.standing.name, actor=asked.actor)


async def end_session(services: AdminServices, asked: Asked, session: UUID) -> None:
    """End one of one's sessions."""
    await services.sessions.revoke(session, asked.standing.name, actor=asked.actor)


ROUTES = (
    Route(method="GET", path="/me", handler=show, gives=Me, is_delegated=True),
    Route(
        method="PUT",
        path="/me/password",
        handler=change_password,
        body=PasswordChange,
        status=204,
        action=Action.PASSWORD_CHANGE,
        is_delegated=True,
    ),
    Route(method="GET", path="/me/keys", handler=keys, query=NumberedPaging, gives=Page[Key], is_delegated=True),
    Route(
        method="POST",
        path="/me/keys",
        handler=add_key,
        body=NewKey,
        gives=KeyMade,
        status=201,
        action=Action.KEY_ADD,
        is_delegated=True,
    ),
    Route(
        method="DELETE",
        path=f"/me/keys/<int(max={BIGGEST}):key>",
        handler=revoke_key,
        status=204,
        action=Action.KEY_REVOKE,
        is_delegated=True,
    ),
    Route(method="GET", path="/me/sessions", handler=sessions, gives=Page[Session], is_delegated=True),
    Route(
        method="DELETE",
        path="/me/sessions",
        handler=end_sessions,
        status=204,
        action=Action.SESSION_REVOKE,
        is_delegated=True,
    ),
    Route(
        method="DELETE",
        path="/me/sessions/<uuid:session>",
        handler=end_session,
        status=204,
        action=Action.SESSION_REVOKE,
        is_delegated=True,
    ),
)
