"""Identities and rights, looked after in process: beside a running server, or alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

from mediatypes.names import InvalidName, RepositoryName, parse_repository_name
from registry.auth.passwords import Passwords
from registry.auth.request_signatures import PublicKeyUnfit, read_public_key
from registry.auth.secrets import API_KEY, hash_of, new_secret
from registry.auth.trust import kind_of
from registry.auth.trusted import Rule, Trusted
from registry.compose.doors import create_keyring, create_secret_key, create_sessions
from registry.config import Settings
from registry.core.access import Permission
from registry.core.api_keys import ApiKeys
from registry.core.explanations import Explanation, Explanations
from registry.core.identities import Identities
from registry.core.roles import Roles
from registry.core.service_keys import ServiceKeys
from registry.core.teams import Teams
from registry.datadir import forget_first_password
from registry.db.pool import Database
from registry.db.trust import IssuerRow
from registry.in_process import local_actor, run
from registry.upkeep import UpkeepFailed


def add_user(settings: Settings, name: str, *, password: str | None, is_admin: bool) -> None:
    """Add a user. Raise UpkeepFailed."""

    async def act(db: Database) -> None:
        hashed = await Passwords().hashed(password) if password is not None else None
        await Identities(db).add_user(name, password_hash=hashed, is_admin=is_admin, actor=local_actor())

    run(settings, act)


def set_password(settings: Settings, name: str, password: str) -> None:
    """Let a user have another password, and end its sessions. Raise UpkeepFailed."""

    async def act(db: Database) -> None:
        await Identities(db).set_password(name, await Passwords().hashed(password), actor=local_actor())

    run(settings, act)
    try:
        forget_first_password(settings.data_dir, name)
    except OSError as error:
        raise UpkeepFailed(
            f"the password is another one, but the file with the first is still there: {error}"
        ) from error


def disable(settings: Settings, name: str, *, kind: str) -> None:
    """Let a user, a robot or a service do nothing any more. Raise UpkeepFailed."""
    run(settings, lambda db: Identities(db).disable(name, actor=local_actor(), kind=kind))


def enable(settings: Settings, name: str, *, kind: str) -> None:
    """Let a user, a robot or a service do again what is granted to it. Raise UpkeepFailed."""
    run(settings, lambda db: Identities(db).enable(name, actor=local_actor(), kind=kind))


def delete_principal(settings: Settings, name: str, *, kind: str) -> None:
    """Delete a user, a robot or a service with all that it holds. Raise UpkeepFailed."""
    run(settings, lambda db: Identities(db).delete(name, actor=local_actor(), kind=kind))


def add_robot(settings: Settings, name: str) -> None:
    """Add a robot of an organisation. Raise UpkeepFailed."""
    run(settings, lambda db: Identities(db).add_robot(name, actor=local_actor()))


def add_service(settings: Settings, name: str, *, is_admin: bool) -> None:
    """Add a service. Raise UpkeepFailed."""
    run(settings, lambda db: ServiceKeys(db).add_service(name, is_admin=is_admin, actor=local_actor()))


def add_service_key(settings: Settings, name: str, pem: bytes, *, lifetime: timedelta | None) -> str:
    """Let a service sign by a public key in PEM, and return the key's id. Raise UpkeepFailed."""
    try:
        key = read_public_key(pem)
    except PublicKeyUnfit as error:
        raise UpkeepFailed(str(error)) from error
    run(settings, lambda db: ServiceKeys(db).add(name, key, lifetime=lifetime, actor=local_actor()))
    return key.id


def revoke_service_key(settings: Settings, name: str, key_id: str) -> None:
    """Let a key of a service be valid no longer. Raise UpkeepFailed."""
    run(settings, lambda db: ServiceKeys(db).revoke(key_id, actor=local_actor(), service=name))


def add_organisation(settings: Settings, name: str) -> None:
    """Add an organisation. Raise UpkeepFailed."""
    run(settings, lambda db: Identities(db).add_organisation(name, actor=local_actor()))


def grant(settings: Settings, subject: str, role: str, target: str) -> None:
    """Grant a role. Raise UpkeepFailed."""
    run(settings, lambda db: Identities(db).grant(subject, role, target, actor=local_actor()))


def revoke(settings: Settings, subject: str, role: str, target: str) -> None:
    """Take a grant back. Raise UpkeepFailed."""
    run(settings, lambda db: Identities(db).revoke(subject, role, target, actor=local_actor()))


def add_team(settings: Settings, team: str) -> None:
    """Add a team. Raise UpkeepFailed."""
    run(settings, lambda db: Teams(db).add(team, actor=local_actor()))


def delete_team(settings: Settings, team: str) -> None:
    """Delete a team, and what was granted to it. Raise UpkeepFailed."""
    run(settings, lambda db: Teams(db).delete(team, actor=local_actor()))


def add_member(settings: Settings, team: str, member: str) -> None:
    """Let somebody be of a team. Raise UpkeepFailed."""
    run(settings, lambda db: Teams(db).add_member(team, member, actor=local_actor()))


def remove_member(settings: Settings, team: str, member: str) -> None:
    """Let somebody be of a team no longer. Raise UpkeepFailed."""
    run(settings, lambda db: Teams(db).remove_member(team, member, actor=local_actor()))


def add_role(settings: Settings, role: str, permissions: Sequence[str]) -> None:
    """Add a role of an organisation's own. Raise UpkeepFailed."""
    run(settings, lambda db: Roles(db).add(role, permissions, actor=local_actor()))


def delete_role(settings: Settings, role: str) -> int:
    """Delete a role of an organisation's own; return how many grants that has taken back. Raise UpkeepFailed."""
    return run(settings, lambda db: Roles(db).delete(role, actor=local_actor()))


def explain_access(settings: Settings, subject: str, repository: str, action: str) -> Explanation:
    """Say whether a subject may do something, and why. Raise UpkeepFailed."""
    name = _read_name(repository)
    return run(settings, lambda db: Explanations(db).explain(subject, name, Permission(action)))


def who_can(settings: Settings, action: str, repository: str, *, say: Callable[[str], None]) -> None:
    """Tell `say` a line of everybody who may do something, and why. Raise UpkeepFailed."""
    name = _read_name(repository)

    async def act(db: Database) -> None:
        after: str | None = None
        while found := await Explanations(db).who_can(Permission(action), name, after=after):
            for one in found:
                say(f"{one.shown}: {one.reason}")
            after = found[-1].name

    run(settings, act)


def create_key(
    settings: Settings, owner: str, name: str, *, lifetime: timedelta | None, scopes: Sequence[str] | None = None
) -> str:
    """Make an API key of a user or a robot and return it: nothing else ever tells it again. Raise UpkeepFailed."""
    secret = new_secret(API_KEY)
    more: dict[str, Any] = {"lifetime": lifetime, "scopes": scopes, "actor": local_actor()}
    run(settings, lambda db: ApiKeys(db).add(owner, name, hash_of(secret), **more))
    return secret


def revoke_key(settings: Settings, owner: str, key_id: int) -> None:
    """Let an API key be valid no longer. Raise UpkeepFailed."""
    run(settings, lambda db: ApiKeys(db).revoke(owner, key_id, actor=local_actor()))


def revoke_sessions(settings: Settings, name: str) -> int:
    """End all sessions of a user; return how many. Raise UpkeepFailed."""
    return run(settings, lambda db: create_sessions(settings, db).revoke_all(name, actor=local_actor()))


def rotate_keys(settings: Settings, *, now: bool) -> str:
    """Make a key that signs tokens, and return its id. Raise UpkeepFailed."""
    return run(settings, lambda db: create_keyring(settings, db).rotate(now=now, actor=local_actor()))


def add_issuer(
    settings: Settings, url: str, *, kind: str | None, algorithms: Sequence[str], secret: str | None, **more: Any
) -> None:
    """Add an issuer of identities, with the `secret` of our client there; `more` is of IssuerRow. Raise UpkeepFailed."""
    new = IssuerRow(0, url, kind or kind_of(url) or "other", tuple(algorithms), **more)

    async def act(db: Database) -> None:
        key = create_secret_key(settings) if secret is not None else None
        await Trusted(db).add_issuer(new, secret=secret, key=key, actor=local_actor())

    run(settings, act)


def remove_issuer(settings: Settings, url: str) -> None:
    """Remove an issuer with its rules and links. Raise UpkeepFailed."""
    run(settings, lambda db: Trusted(db).remove_issuer(url, actor=local_actor()))


def link(settings: Settings, issuer: str, subject: str, user: str) -> None:
    """Let an issuer's subject log in as a user. Raise UpkeepFailed."""
    run(settings, lambda db: Trusted(db).link(issuer, subject, user, actor=local_actor()))


def unlink(settings: Settings, issuer: str, subject: str) -> None:
    """Let an issuer's subject log in as nobody any more. Raise UpkeepFailed."""
    run(settings, lambda db: Trusted(db).unlink(issuer, subject, actor=local_actor()))


def add_trust(settings: Settings, name: str, **rule: Any) -> None:
    """Add a rule of trust, with what a `Rule` says. Raise UpkeepFailed."""
    run(settings, lambda db: Trusted(db).add_rule(name, Rule(**rule), actor=local_actor()))


def remove_trust(settings: Settings, name: str) -> None:
    """Remove a rule of trust. Raise UpkeepFailed."""
    run(settings, lambda db: Trusted(db).remove_rule(name, actor=local_actor()))


def _read_name(text: str) -> RepositoryName:
    try:
        return parse_repository_name(text)
    except InvalidName as error:
        raise UpkeepFailed(f"repository “{text[:128]}” {error}") from error
