"""What is known of artifacts, looked after in process: beside a running server, or alone."""

from __future__ import annotations

from mediatypes.digest import Digest, InvalidDigest
from mediatypes.names import InvalidName, RepositoryName, parse_repository_name
from registry.config import Settings
from registry.core.descriptions import Descriptions, Target
from registry.core.digests import DigestRequests
from registry.core.switches import Switch, Switches, SwitchTarget
from registry.db.pool import Database
from registry.in_process import local_actor, run
from registry.upkeep import UpkeepFailed


def ask_for_descriptions(settings: Settings, target: str | None) -> str:
    """Have what `target` names described again, and say in words how many manifests that are. Raise UpkeepFailed."""
    which = _parsed(target) if target is not None else Target()
    asked = run(settings, lambda db: Descriptions(db).ask(which))
    return f"{asked} manifest{'' if asked == 1 else 's'} will be described again"


def decide_publication(settings: Settings, text: str, *, is_on: bool) -> str:
    """Switch publication of derived data on or off for a repository or a pattern of names; say so. Raise UpkeepFailed."""
    target = _switched(text)
    run(settings, lambda db: Switches(db).decide(Switch.PUBLISH, target, is_on=is_on, actor=local_actor()))
    if is_on:
        return f"tensor indexes of {target} will be published with what is described from now on"
    return f"tensor indexes of {target} will not be published any more; those that were stay"


def decide_digests(settings: Settings, text: str, *, is_on: bool) -> str:
    """Switch digests of tensors on or off for a repository or a pattern of names; say so. Raise UpkeepFailed.

    Where they are on then, they are asked for of what is there.
    """
    target = _switched(text)

    async def decide(db: Database) -> int:
        await Switches(db).decide(Switch.DIGESTS, target, is_on=is_on, actor=local_actor())
        return await DigestRequests(db).ask(target) if is_on else 0

    asked = run(settings, decide)
    if is_on:
        there = f"{asked} artifact{'' if asked == 1 else 's'} that lack digests"
        return f"tensors of {target} will be digested: of {there}, and of what is described from now on"
    return f"tensors of {target} will not be digested any more; the digests that there are stay"


def _switched(text: str) -> SwitchTarget:
    """Return a target: a repository, or a pattern of names with `*` at its end."""
    is_prefix = text.endswith("*")
    return SwitchTarget(text.removesuffix("*") if is_prefix else _name(text), is_prefix)


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
