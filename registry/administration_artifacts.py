"""What is known of artifacts, looked after in process: beside a running server, or alone."""

from __future__ import annotations

from mediatypes.digest import Digest, InvalidDigest
from mediatypes.names import InvalidName, RepositoryName, parse_repository_name
from registry.config import Settings
from registry.core.descriptions import Descriptions, Target
from registry.in_process import run
from registry.upkeep import UpkeepFailed


def ask_for_descriptions(settings: Settings, target: str | None) -> str:
    """Have what `target` names described again, and say in words how many manifests that are. Raise UpkeepFailed."""
    which = _parsed(target) if target is not None else Target()
    asked = run(settings, lambda db: Descriptions(db).ask(which))
    return f"{asked} manifest{'' if asked == 1 else 's'} will be described again"


def _parsed(text: str) -> Target:
    """Return a target: a repository, a pattern of names with `*` at its end, or REPOSITORY@DIGEST."""
    if text.endswith("*"):
        return Target(prefix=text.removesuffix("*"))
    name, at, digest = text.partition("@")
    try:
        return Target(name=_name(name), digest=Digest.parse(digest) if at else None)
    except InvalidDigest as error:
        raise UpkeepFailed(f"digest “{digest[:200]}” {error}") from error


def _name(text: str) -> RepositoryName:
    try:
        return parse_repository_name(text)
    except InvalidName as error:
        raise UpkeepFailed(f"repository name “{text[:200]}” {error}") from error
