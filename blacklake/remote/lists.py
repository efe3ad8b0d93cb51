"""What there is (registry.administration_lists), by the API."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from blacklake.remote.changes import owners_of, parts
from blacklake.remote.connection import Connection, path_of

Rows = Iterator[dict[str, Any]]


def users(server: Connection) -> Rows:
    """Yield all users, by name. Raise RemoteFailed."""
    return server.pages(path_of("users"))


def robots(server: Connection) -> Rows:
    """Yield all robots, by name. Raise RemoteFailed."""
    return server.pages(path_of("robots"))


def services(server: Connection) -> Rows:
    """Yield all services, by name. Raise RemoteFailed."""
    return server.pages(path_of("services"))


def service_keys(server: Connection, name: str) -> Rows:
    """Yield the keys of a service, valid or not. Raise RemoteFailed."""
    return server.pages(path_of("services", name, "keys"))


def organisations(server: Connection) -> Rows:
    """Yield all organisations, by name. Raise RemoteFailed."""
    return server.pages(path_of("organisations"))


def teams(server: Connection, organisation: str) -> Rows:
    """Yield the teams of an organisation, by name. Raise RemoteFailed."""
    return server.pages(path_of("organisations", organisation, "teams"))


def members(server: Connection, team: str) -> Rows:
    """Yield who is of a team, by name. Raise RemoteFailed."""
    organisation, name = parts(team, "team")
    return server.pages(path_of("organisations", organisation, "teams", name, "members"))


def roles(server: Connection, organisation: str) -> Rows:
    """Yield the roles that may be granted in an organisation, by name. Raise RemoteFailed."""
    return server.pages(path_of("organisations", organisation, "roles"))


def grants(server: Connection, *, subject: str | None, target: str | None) -> Rows:
    """Yield grants, the oldest first; a subject's, or those on the very target, where that is given. Raise RemoteFailed."""
    return server.pages(path_of("grants"), subject=subject, target=target)


def api_keys(server: Connection, owner: str) -> Rows:
    """Yield the API keys of a user or a robot, the oldest first. Raise RemoteFailed."""
    return server.pages(path_of(owners_of(owner), owner, "keys"))


def sessions(server: Connection, name: str) -> Rows:
    """Yield the sessions of a user, the last used first. Raise RemoteFailed."""
    return server.pages(path_of("users", name, "sessions"))


def signing_keys(server: Connection) -> Rows:
    """Yield the keys that sign or verify tokens. Raise RemoteFailed."""
    return server.pages(path_of("signing-keys"))


def issuers(server: Connection) -> Rows:
    """Yield all issuers, by URL. Raise RemoteFailed."""
    return server.pages(path_of("issuers"))


def trust_rules(server: Connection) -> Rows:
    """Yield all rules of trust, by name. Raise RemoteFailed."""
    return server.pages(path_of("trust-rules"))
