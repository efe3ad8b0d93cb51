"""Rules of tags, stages and promotions (registry.administration_stages), by the API."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from blacklake.remote.connection import Connection, path_of

Rows = Iterator[dict[str, Any]]


def put_tag_rule(server: Connection, target: str, pattern: str, kind: str, *, movers: Sequence[str]) -> None:
    """Let the tags of a target that fit a pattern fall under a rule. Raise RemoteFailed."""
    document = {"target": target, "pattern": pattern, "kind": kind, "movers": list(movers)}
    server.put(path_of("tag-rules"), document)


def remove_tag_rule(server: Connection, target: str, pattern: str, kind: str) -> None:
    """Take a rule of tags back. Raise RemoteFailed."""
    server.delete(path_of("tag-rules"), target=target, pattern=pattern, kind=kind)


def tag_rules(server: Connection, target: str) -> Rows:
    """Yield the rules that cover a target or what is in it. Raise RemoteFailed."""
    return server.pages(path_of("tag-rules"), target=target)


def set_stages(server: Connection, target: str, stages: Sequence[Mapping[str, Any]]) -> None:
    """Let a target have these stages, in their order, and no others. Raise RemoteFailed."""
    server.put(path_of("stages"), {"target": target, "stages": [dict(one) for one in stages]})


def remove_stages(server: Connection, target: str) -> None:
    """Let a target have no stages of its own. Raise RemoteFailed."""
    server.delete(path_of("stages"), target=target)


def stages(server: Connection, target: str) -> Rows:
    """Yield the stages that cover a target or what is in it. Raise RemoteFailed."""
    return server.pages(path_of("stages"), target=target)


def promote(
    server: Connection, repository: str, reference: str | None, stage: str, *, expected: str | None, reason: str
) -> dict[str, Any]:
    """Promote an artifact into a stage, and say what that names. Raise RemoteFailed."""
    document = {"stage": stage, "reference": reference, "expected": expected, "reason": reason}
    found: dict[str, Any] = server.post(_path(repository, "promotions"), document)
    return found


def roll_stage(server: Connection, repository: str, stage: str, **how: Any) -> dict[str, Any]:
    """Let a stage go back, or forward again, and say what it names. `how` is what the API takes. Raise RemoteFailed."""
    found: dict[str, Any] = server.post(_path(repository, "rollbacks"), {"stage": stage, **how})
    return found


def promotions(server: Connection, repository: str, stage: str | None) -> Rows:
    """Yield what became of a repository's stages, or of one, the newest first. Raise RemoteFailed."""
    return server.pages(_path(repository, "promotions"), stage=stage)


def _path(repository: str, what: str) -> str:
    return f"/api/v1/repositories/{quote(repository)}/-/{what}"
