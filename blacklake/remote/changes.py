"""What changes identities and rights (registry.administration), by the API."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any, Final, NamedTuple

from blacklake.remote.connection import Connection, RemoteFailed, member, path_of
from blacklake.transport import plain

_PLURALS: Final = {"user": "users", "robot": "robots", "service": "services"}


class Explanation(NamedTuple):
    """Whether it is permitted; why, in a sentence; and, where it isn't, the grants that come near, a line each."""

    is_allowed: bool
    reason: str
    near: tuple[str, ...] = ()


def add_user(server: Connection, name: str, *, password: str | None, is_admin: bool) -> None:
    """Add a user. Raise RemoteFailed."""
    server.post(path_of("users"), {"name": name, "password": password, "is_admin": is_admin})


def set_password(server: Connection, name: str, password: str) -> None:
    """Let a user have another password, and end its sessions. Raise RemoteFailed."""
    server.patch(path_of("users", name), {"password": password})


def disable(server: Connection, name: str, *, kind: str) -> None:
    """Let a user, a robot or a service do nothing any more. Raise RemoteFailed."""
    server.patch(path_of(_PLURALS[kind], name), {"is_disabled": True})


def enable(server: Connection, name: str, *, kind: str) -> None:
    """Let a user, a robot or a service do again what is granted to it. Raise RemoteFailed."""
    server.patch(path_of(_PLURALS[kind], name), {"is_disabled": False})


def delete_principal(server: Connection, name: str, *, kind: str) -> None:
    """Delete a user, a robot or a service with all that it holds. Raise RemoteFailed."""
    server.delete(path_of(_PLURALS[kind], name))


def add_robot(server: Connection, name: str) -> None:
    """Add a robot of an organisation. Raise RemoteFailed."""
    server.post(path_of("robots"), {"name": name})


def add_service(server: Connection, name: str, *, is_admin: bool) -> None:
    """Add a service. Raise RemoteFailed."""
    server.post(path_of("services"), {"name": name, "is_admin": is_admin})


def add_service_key(server: Connection, name: str, pem: bytes, *, lifetime: timedelta | None) -> str:
    """Let a service sign by a public key in PEM, and return the key's id. Raise RemoteFailed."""
    document = {"public_key": pem.decode("ascii", "replace"), "expires_in": _seconds(lifetime)}
    return plain(str(member(server.post(path_of("services", name, "keys"), document), "id")))


def revoke_service_key(server: Connection, name: str, key_id: str) -> None:
    """Let a key of a service be valid no longer. Raise RemoteFailed."""
    server.delete(path_of("services", name, "keys", key_id))


def add_organisation(server: Connection, name: str) -> None:
    """Add an organisation. Raise RemoteFailed."""
    server.post(path_of("organisations"), {"name": name})


def grant(server: Connection, subject: str, role: str, target: str) -> None:
    """Grant a role. Raise RemoteFailed."""
    server.post(path_of("grants"), {"subject": subject, "role": role, "target": target})


def revoke(server: Connection, subject: str, role: str, target: str) -> None:
    """Take a grant back. Raise RemoteFailed."""
    server.delete(path_of("grants"), subject=subject, role=role, target=target)


def add_team(server: Connection, team: str) -> None:
    """Add a team. Raise RemoteFailed."""
    organisation, name = parts(team, "team")
    server.post(path_of("organisations", organisation, "teams"), {"name": name})


def delete_team(server: Connection, team: str) -> None:
    """Delete a team, and what was granted to it. Raise RemoteFailed."""
    organisation, name = parts(team, "team")
    server.delete(path_of("organisations", organisation, "teams", name))


def add_member(server: Connection, team: str, member: str) -> None:
    """Let somebody be of a team. Raise RemoteFailed."""
    organisation, name = parts(team, "team")
    server.put(path_of("organisations", organisation, "teams", name, "members", member))


def remove_member(server: Connection, team: str, member: str) -> None:
    """Let somebody be of a team no longer. Raise RemoteFailed."""
    organisation, name = parts(team, "team")
    server.delete(path_of("organisations", organisation, "teams", name, "members", member))


def add_role(server: Connection, role: str, permissions: Sequence[str]) -> None:
    """Add a role of an organisation's own. Raise RemoteFailed."""
    organisation, name = parts(role, "role")
    server.post(path_of("organisations", organisation, "roles"), {"name": name, "permissions": list(permissions)})


def delete_role(server: Connection, role: str) -> int:
    """Delete a role of an organisation's own; return how many grants that has taken back. Raise RemoteFailed."""
    organisation, name = parts(role, "role")
    return int(member(server.delete(path_of("organisations", organisation, "roles", name)), "grants_removed"))


def explain_access(server: Connection, subject: str, repository: str, action: str) -> Explanation:
    """Say whether a subject may do something, and why. Raise RemoteFailed."""
    found = server.get(path_of("access"), subject=subject, repository=repository, action=action)
    near = tuple(map(plain, member(found, "near")))
    return Explanation(member(found, "allowed") is True, plain(member(found, "reason")), near)


def who_can(server: Connection, action: str, repository: str, *, say: Callable[[str], None]) -> None:
    """Tell `say` a line of everybody who may do something, and why. Raise RemoteFailed."""
    for one in server.pages(path_of("access", "who-can"), repository=repository, action=action):
        say(plain(f"{member(one, 'shown')}: {member(one, 'reason')}"))


def create_key(
    server: Connection, owner: str, name: str, *, lifetime: timedelta | None, scopes: Sequence[str] | None = None
) -> str:
    """Make an API key of a user or a robot and return it: nothing else ever tells it again. Raise RemoteFailed."""
    document: dict[str, Any] = {"name": name, "expires_in": _seconds(lifetime)}
    if scopes is not None:
        document["scopes"] = list(scopes)
    return plain(str(member(server.post(path_of(owners_of(owner), owner, "keys"), document), "secret")))


def revoke_key(server: Connection, owner: str, key_id: int) -> None:
    """Let an API key be valid no longer. Raise RemoteFailed."""
    server.delete(path_of(owners_of(owner), owner, "keys", str(key_id)))


def revoke_sessions(server: Connection, name: str) -> int:
    """End all sessions of a user; return how many. Raise RemoteFailed."""
    return int(member(server.delete(path_of("users", name, "sessions")), "ended"))


def rotate_keys(server: Connection, *, now: bool) -> str:
    """Make a key that signs tokens, and return its id. Raise RemoteFailed."""
    return plain(str(member(server.post(path_of("signing-keys"), {"now": now}), "kid")))


def add_issuer(
    server: Connection, url: str, *, kind: str | None, algorithms: Sequence[str], secret: str | None, **more: Any
) -> None:
    """Add an issuer of identities, with the `secret` of our client there. Raise RemoteFailed."""
    document = {"url": url, "kind": kind, "algorithms": list(algorithms), "client_secret": secret, **more}
    server.post(path_of("issuers"), document)


def remove_issuer(server: Connection, url: str) -> None:
    """Remove an issuer with its rules and links. Raise RemoteFailed."""
    server.delete(path_of("issuers"), url=url)


def link(server: Connection, issuer: str, subject: str, user: str) -> None:
    """Let an issuer's subject log in as a user. Raise RemoteFailed."""
    server.post(path_of("issuers", "links"), {"issuer": issuer, "subject": subject, "user": user})


def unlink(server: Connection, issuer: str, subject: str) -> None:
    """Let an issuer's subject log in as nobody any more. Raise RemoteFailed."""
    server.delete(path_of("issuers", "links"), {"issuer": issuer, "subject": subject})


def add_trust(server: Connection, name: str, **rule: Any) -> None:
    """Add a rule of trust. Raise RemoteFailed."""
    server.post(path_of("trust-rules"), {"name": name, **rule})


def remove_trust(server: Connection, name: str) -> None:
    """Remove a rule of trust. Raise RemoteFailed."""
    server.delete(path_of("trust-rules", name))


def parts(text: str, what: str) -> tuple[str, str]:
    """Return an organisation and the name of what is in it. Raise RemoteFailed."""
    organisation, slash, name = text.partition("/")
    if not organisation or not slash or not name:
        raise RemoteFailed(f"{what} “{text[:128]}” is not ORGANISATION/{what.upper()}")
    return organisation, name


def owners_of(owner: str) -> str:
    """Return what a owner of API keys is one of."""
    return "robots" if "+" in owner else "users"


def _seconds(lifetime: timedelta | None) -> int | None:
    return int(lifetime.total_seconds()) if lifetime is not None else None
