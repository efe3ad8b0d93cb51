"""Users of the registry."""

from __future__ import annotations

from registry.core.audit import Action
from registry.db.directory import PrincipalRow
from registry.http.api.asked import Asked
from registry.http.api.credential_models import Key, KeyMade, NewKey, Session, SessionsEnded
from registry.http.api.me import hash_of_password, keys_of, make_key
from registry.http.api.models import BIGGEST, NumberedPaging, Page, Paging
from registry.http.api.principal_models import NewUser, User, UserChange
from registry.http.api.route import Route
from registry.http.api.services import AdminServices

_KIND = "user"


async def listed(services: AdminServices, asked: Asked, query_args: Paging) -> Page[User]:
    """List users by name."""
    found = await services.directory.principals(
        _KIND, by=asked.standing.id, after=query_args.after, limit=query_args.limit
    )
    return Page(items=[_shown(row) for row in found.items], next=found.next_after)


async def add(services: AdminServices, asked: Asked, data: NewUser) -> User:
    """Add a user."""
    hashed = await hash_of_password(services, data.password.get_secret_value()) if data.password is not None else None
    await services.identities.add_user(data.name, password_hash=hashed, is_admin=data.is_admin, actor=asked.actor)
    return await show(services, asked, data.name)


async def show(services: AdminServices, asked: Asked, user: str) -> User:
    """Show a user."""
    return _shown(await services.directory.principal(_KIND, user, by=asked.standing.id))


async def change(services: AdminServices, asked: Asked, user: str, data: UserChange) -> User:
    """Disable a user or let him in again, and let him have another password: all that is asked for, or nothing."""
    hashed = await hash_of_password(services, data.password.get_secret_value()) if data.password is not None else None
    if hashed is not None or data.is_disabled is not None:
        await services.identities.change_user(
            user, password_hash=hashed, is_disabled=data.is_disabled, actor=asked.actor
        )
    if hashed is not None:
        services.on_password_change(user)
    return await show(services, asked, user)


async def delete(services: AdminServices, asked: Asked, user: str) -> None:
    """Delete a user with his keys, sessions and grants."""
    await services.identities.delete(user, actor=asked.actor, kind=_KIND)


async def keys(services: AdminServices, asked: Asked, user: str, query_args: NumberedPaging) -> Page[Key]:
    """List the API keys of a user."""
    return await keys_of(services, asked, user, query_args, kind=_KIND)


async def add_key(services: AdminServices, asked: Asked, user: str, data: NewKey) -> KeyMade:
    """Make an API key of a user, and tell it once."""
    return await make_key(services, asked, user, data, kind=_KIND)


async def revoke_key(services: AdminServices, asked: Asked, user: str, key: int) -> None:
    """Revoke an API key of a user."""
    await services.api_keys.revoke(user, key, actor=asked.actor, kind=_KIND)


async def sessions(services: AdminServices, asked: Asked, user: str) -> Page[Session]:
    """List the hundred sessions of a user that were used last."""
    row = await services.directory.principal(_KIND, user, by=asked.standing.id)
    found = await services.sessions.listed(row.id)
    return Page(items=[Session(**one._asdict()) for one in found], next=None)


async def end_sessions(services: AdminServices, asked: Asked, user: str) -> SessionsEnded:
    """End all sessions of a user. Access tokens that they gave end by themselves, within minutes."""
    return SessionsEnded(ended=await services.sessions.revoke_all(user, actor=asked.actor))


def _shown(row: PrincipalRow) -> User:
    return User(
        name=row.name,
        is_admin=row.is_admin,
        is_disabled=row.is_disabled,
        has_password=row.has_password,
        created_at=row.created_at,
    )


_USERS = "/admin/users"
_USER = f"{_USERS}/<user>"
ROUTES = (
    Route(method="GET", path=_USERS, handler=listed, query=Paging, gives=Page[User]),
    Route(method="POST", path=_USERS, handler=add, body=NewUser, gives=User, status=201, action=Action.USER_ADD),
    Route(method="GET", path=_USER, handler=show, gives=User),
    Route(method="PATCH", path=_USER, handler=change, body=UserChange, gives=User, action=Action.PRINCIPAL_DISABLE),
    Route(method="DELETE", path=_USER, handler=delete, status=204, action=Action.PRINCIPAL_DELETE),
    Route(method="GET", path=f"{_USER}/keys", handler=keys, query=NumberedPaging, gives=Page[Key]),
    Route(
        method="POST",
        path=f"{_USER}/keys",
        handler=add_key,
        body=NewKey,
        gives=KeyMade,
        status=201,
        action=Action.KEY_ADD,
    ),
    Route(
        method="DELETE",
        path=f"{_USER}/keys/<int(max={BIGGEST}):key>",
        handler=revoke_key,
        status=204,
        action=Action.KEY_REVOKE,
    ),
    Route(method="GET", path=f"{_USER}/sessions", handler=sessions, gives=Page[Session]),
    Route(
        method="DELETE",
        path=f"{_USER}/sessions",
        handler=end_sessions,
        gives=SessionsEnded,
        action=Action.SESSION_REVOKE,
    ),
)
