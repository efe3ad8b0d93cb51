"""Scans and quarantine (registry.administration_scans), by the API."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from blacklake.remote.connection import Connection, member, path_of
from blacklake.transport import plain

Rows = Iterator[dict[str, Any]]


def decide_scans(server: Connection, rule: str, target: str, *, is_on: bool) -> int:
    """Switch scans, or their publication, on or off; return how many artifacts will be scanned. Raise RemoteFailed."""
    return _counted(server, "scan-rules", {"rule": rule, "target": target, "is_on": is_on})


def decide_quarantine(server: Connection, target: str, level: str | None) -> int:
    """Decide from which severity on, None: never; return of how many artifacts that changes anything. Raise RemoteFailed."""
    return _counted(server, "quarantine-levels", {"target": target, "level": level})


def scan_rules(server: Connection) -> Rows:
    """Yield what was decided of scans and of quarantine. Raise RemoteFailed."""
    return server.pages(path_of("scan-rules"))


def ask_for_scans(server: Connection, target: str, digest: str | None) -> int:
    """Have artifacts scanned again; return how many. Raise RemoteFailed."""
    return _counted(server, "scan-requests", {"target": target, "digest": digest})


def quarantined(server: Connection, repository: str | None) -> Rows:
    """Yield what is in quarantine, and what was released from it, the newest first. Raise RemoteFailed."""
    return server.pages("/api/v1/quarantine", repository=repository)


def release(server: Connection, repository: str, digest: str, reason: str) -> None:
    """Release an artifact from quarantine. Raise RemoteFailed."""
    server.post(path_of("quarantine-releases"), {"repository": repository, "digest": digest, "reason": reason})


def scan_keys(server: Connection) -> Rows:
    """Yield the keys that sign what scanners say. Raise RemoteFailed."""
    return server.pages("/api/v1/keys")


def rotate_scan_keys(server: Connection, *, now: bool) -> str:
    """Make a key that signs from now on, and return its id. Raise RemoteFailed."""
    return plain(str(member(server.post(path_of("scan-keys"), {"now": now}), "kid")))


def _counted(server: Connection, path: str, document: dict[str, Any]) -> int:
    """Send a document until all pages of artifacts are done with, and return their number. Raise RemoteFailed."""
    total, after = 0, None
    while True:
        answer = server.post(path_of(path), document | {"after": after})
        total += int(member(answer, "artifacts"))
        after = member(answer, "next")
        if after is None:
            return total
