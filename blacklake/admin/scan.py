"""`blacklake admin scan`."""

from __future__ import annotations

from typing import Annotated, Literal

from cyclopts import App, Parameter

from blacklake.admin.door import Where, opened
from blacklake.admin.tables import show
from blacklake.admin.words import Json, Target
from blacklake.settings import USAGE, Refused

scan = App(name="scan", help="What is scanned, what is put into quarantine, and what is released (docs/scanning.md).")

Severity = Literal["low", "medium", "high", "critical", "never"]
Repository = Annotated[str | None, Parameter(help="A repository; all of them without it.")]


@scan.command
def on(target: Target, /, *, where: Where | None = None) -> None:
    """Scan what is pushed to a target from now on, and what is there. The most specific target decides."""
    with opened(where) as door:
        print(f"artifacts of {target} are scanned; {_said(door.decide_scans('scan', target, is_on=True))} will be now")


@scan.command
def off(target: Target, /, *, where: Where | None = None) -> None:
    """Scan what is pushed to a target no more; what was found stays. It is off until it is switched on."""
    with opened(where) as door:
        door.decide_scans("scan", target, is_on=False)
        print(f"artifacts of {target} are not scanned any more")


@scan.command
def reports(switch: Literal["on", "off"], target: Target, /, *, where: Where | None = None) -> None:
    """Publish what scanners say beside artifacts, signed by the scan key, or no more."""
    with opened(where) as door:
        door.decide_scans("reports", target, is_on=switch == "on")
        word = "will be" if switch == "on" else "will not be"
        print(f"what scanners say of {target} {word} published with what is scanned from now on")


@scan.command
def quarantine(level: Severity, target: Target, /, *, where: Where | None = None) -> None:
    """Put artifacts into quarantine in which something of this severity or a worse one is found; what was scanned, too."""
    with opened(where) as door:
        changed = door.decide_quarantine(target, None if level == "never" else level)
        said = "never" if level == "never" else f"from {level} on"
        print(f"artifacts of {target} are put into quarantine {said}; that changes {_said(changed)}")


@scan.command
def rules(*, as_json: Json = False, where: Where | None = None) -> None:
    """List what was decided of scans, of reports and of quarantine, and for which targets."""
    with opened(where) as door:
        show(door.scan_rules(), ("rule", "target", "value", "decided_at"), as_json=as_json)


@scan.command
def ask(
    target: Annotated[str, Parameter(help="An organisation, ORG/pattern*, a repository or REPOSITORY@DIGEST.")],
    /,
    *,
    where: Where | None = None,
) -> None:
    """Have artifacts scanned again; `/api/v1/jobs` tells how far that is."""
    name, _, digest = target.partition("@")
    with opened(where) as door:
        print(f"{_said(door.ask_for_scans(name, digest or None))} will be scanned again")


@scan.command
def quarantined(repository: Repository = None, /, *, as_json: Json = False, where: Where | None = None) -> None:
    """List artifacts in quarantine, and those that were released from it."""
    columns = ("repository", "digest", "state", "worst", "since", "released_by", "reason")
    with opened(where) as door:
        show(door.quarantined(repository), columns, as_json=as_json)


@scan.command
def release(
    artifact: Annotated[str, Parameter(help="REPOSITORY@DIGEST.")],
    /,
    *,
    reason: Annotated[str, Parameter(help="Why, for the audit log and whoever looks at the artifact.")],
    where: Where | None = None,
) -> None:
    """Release an artifact from quarantine: until something is found in it that isn't known now."""
    name, at, digest = artifact.partition("@")
    if not at:
        raise Refused(f"“{artifact[:200]}” is not REPOSITORY@DIGEST", USAGE)
    with opened(where) as door:
        door.release(name, digest, reason)


@scan.command
def keys(*, as_json: Json = False, where: Where | None = None) -> None:
    """List the keys that sign what scanners say, as /api/v1/keys tells them."""
    with opened(where) as door:
        show(door.scan_keys(), ("kid", "algorithm", "signs_from", "revoked_at"), as_json=as_json)


@scan.command(name="rotate-key")
def rotate_key(
    *,
    now: Annotated[
        bool, Parameter(negative=(), help="Say of all others that they are revoked, as after a leak.")
    ] = False,
    where: Where | None = None,
) -> None:
    """Make a key that signs what scanners say from now on, and print its id."""
    with opened(where) as door:
        print(door.rotate_scan_keys(now=now))


def _said(count: int) -> str:
    return f"{count} artifact{'' if count == 1 else 's'}"
