"""Policies, trust roots and admission (registry.administration_policies), by the API."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any
from urllib.parse import quote

from blacklake.remote.connection import Connection, RemoteFailed, member, path_of
from blacklake.transport import plain

Rows = Iterator[dict[str, Any]]


def set_policy(server: Connection, target: str, content: bytes, *, on: str, tags: Sequence[str]) -> tuple[str, int]:
    """Let a policy decide on a target's artifacts; return its name and version. Raise RemoteFailed."""
    document = {"target": target, "content": _text(content, "policy"), "on": on, "tags": list(tags)}
    found = server.post(path_of("policies"), document)
    return plain(str(member(found, "name"))), int(member(found, "version"))


def remove_policy(server: Connection, target: str, name: str) -> None:
    """Let a policy decide no longer. Raise RemoteFailed."""
    server.delete(path_of("policies"), target=target, name=name)


def policies(server: Connection, organisation: str) -> Rows:
    """Yield the policies of an organisation. Raise RemoteFailed."""
    return server.pages(path_of("organisations", organisation, "policies"))


def policy_content(server: Connection, target: str, name: str, version: int | None) -> str:
    """Return a version of a policy as it was set, "" of one that removed it. Raise RemoteFailed."""
    found = server.get(path_of("policies", "version"), target=target, name=name, version=version)
    return str(member(found, "content") or "")


def policy_history(server: Connection, target: str, name: str) -> Rows:
    """Yield the versions of a policy. Raise RemoteFailed."""
    return server.pages(path_of("policies", "versions"), target=target, name=name)


def try_policy(
    server: Connection, target: str, content: bytes, *, since: timedelta | None, after: str, limit: int
) -> tuple[list[dict[str, Any]], str | None]:
    """Return what a policy would have decided of some artifacts, and where the next begin. Raise RemoteFailed."""
    document = {
        "target": target,
        "content": _text(content, "policy"),
        "since": int(since.total_seconds()) if since is not None else None,
        "after": after,
        "limit": limit,
    }
    found = server.post(path_of("policies", "trials"), document)
    return member(found, "items"), member(found, "next")


def explain_admission(server: Connection, repository: str, reference: str) -> dict[str, Any]:
    """Return what becomes of a pull, and why. Raise RemoteFailed."""
    path = f"/api/v1/repositories/{quote(repository)}/-/artifacts/{quote(reference, safe=':')}/admission"
    found: dict[str, Any] = server.get(path)
    return found


def add_trust_root(server: Connection, organisation: str, name: str, content: bytes) -> int:
    """Let an organisation trust a root by a name; return the version. Raise RemoteFailed."""
    document = {"organisation": organisation, "name": name, "content": _text(content, "trust root")}
    return int(member(server.post(path_of("trust-roots"), document), "version"))


def remove_trust_root(server: Connection, organisation: str, name: str) -> None:
    """Let an organisation trust a root no longer. Raise RemoteFailed."""
    server.delete(path_of("organisations", organisation, "trust-roots", name))


def trust_roots(server: Connection, organisation: str) -> Rows:
    """Yield what an organisation trusts. Raise RemoteFailed."""
    return server.pages(path_of("organisations", organisation, "trust-roots"))


def trust_root_content(server: Connection, organisation: str, name: str, version: int | None) -> str:
    """Return a version of a trust root, "" of one that removed it. Raise RemoteFailed."""
    found = server.get(path_of("organisations", organisation, "trust-roots", name), version=version)
    return str(member(found, "content") or "")


def _text(content: bytes, what: str) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise RemoteFailed(f"the {what} is not UTF-8") from None
