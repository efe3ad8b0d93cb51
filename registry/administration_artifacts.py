"""What is known of artifacts, looked after in process: beside a running server, or alone. Targets are as for grants."""

from __future__ import annotations

from typing import Any

from mediatypes.digest import Digest, InvalidDigest
from mediatypes.names import InvalidName, parse_repository_name
from registry.config import Settings
from registry.core.access import path_of
from registry.core.descriptions import Descriptions
from registry.core.digests import DigestRequests
from registry.core.subjects import Target, parse_target, target_at
from registry.core.switches import Switch, Switches
from registry.db.pool import Database
from registry.in_process import local_actor, run
from registry.upkeep import UpkeepFailed


def ask_for_descriptions(settings: Settings, text: str | None) -> str:
    """Have what is named described again: a target, REPOSITORY@DIGEST, or everything; say in words how many manifests that is.

    Raise UpkeepFailed.
    """

    async def ask(db: Database) -> int:
        if text is None:
            return await Descriptions(db).ask(None)
        name, at, digest = text.partition("@")
        return await Descriptions(db).ask(*(_manifest(name, digest) if at else (parse_target(text),)))

    asked = run(settings, ask)
    return f"{asked} manifest{'' if asked == 1 else 's'} will be described again"


def decide_publication(settings: Settings, text: str, *, is_on: bool) -> str:
    """Switch publication of derived data on or off for a target; say so. Raise UpkeepFailed."""
    target = run(settings, lambda db: Switches(db).decide(Switch.PUBLISH, text, is_on=is_on, actor=local_actor()))
    if is_on:
        return f"tensor indexes of {target} will be published with what is described from now on"
    return f"tensor indexes of {target} will not be published any more; those that were stay"


def decide_digests(settings: Settings, text: str, *, is_on: bool) -> str:
    """Switch digests of tensors on or off for a target; say so. Raise UpkeepFailed.

    Where they are on then, they are asked for of what is there.
    """

    async def decide(db: Database) -> tuple[Target, int]:
        target = await Switches(db).decide(Switch.DIGESTS, text, is_on=is_on, actor=local_actor())
        return target, await DigestRequests(db).ask(target) if is_on else 0

    target, asked = run(settings, decide)
    if is_on:
        there = f"{asked} artifact{'' if asked == 1 else 's'} that lack digests"
        return f"tensors of {target} will be digested: of {there}, and of what is described from now on"
    return f"tensors of {target} will not be digested any more; the digests that there are stay"


def switches(settings: Settings) -> list[dict[str, Any]]:
    """Return all that was decided by both of these, by what it is and for which target. Raise UpkeepFailed."""
    found = run(settings, lambda db: Switches(db).listed())
    return [one._asdict() | {"decided_at": one.decided_at.isoformat()} for one in found]


def _manifest(name: str, digest: str) -> tuple[Target, Digest]:
    try:
        return target_at(path_of(parse_repository_name(name)), is_prefix=False), Digest.parse(digest)
    except InvalidName as error:
        raise UpkeepFailed(f"repository name “{name[:200]}” {error}") from error
    except InvalidDigest as error:
        raise UpkeepFailed(f"digest “{digest[:200]}” {error}") from error
