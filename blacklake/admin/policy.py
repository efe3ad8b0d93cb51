"""`blacklake admin policy`."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import App, Parameter

from blacklake.admin.door import Where, opened
from blacklake.admin.tables import printable, show
from blacklake.admin.words import Json, Organisation, Target, duration
from blacklake.files import content_of

policy = App(name="policy", help="Policies: what artifacts must be for their pulls, and for moves of tags.")

File = Annotated[Path, Parameter(help="File with the policy (YAML).")]
Name = Annotated[str, Parameter(help="The policy's name, as it stands in it.")]
Version = Annotated[int | None, Parameter(help="Which version; without, the one that counts.")]

_PAGE = 50


@policy.command(name="set")
def set_policy(
    target: Target,
    file: File,
    *,
    on: Annotated[Literal["pull", "tag", "both"], Parameter(help="When it decides.")] = "both",
    tags: Annotated[str, Parameter(help="Patterns of the tags whose moves it decides on: prod,release-*.")] = "",
    where: Where | None = None,
) -> None:
    """Let a policy decide on the artifacts of a target; all that cover a repository apply, each in its own mode."""
    content = _content(file)
    patterns = [one.strip() for one in tags.split(",") if one.strip()]
    with opened(where) as door:
        name, version = door.set_policy(target, content, on=on, tags=patterns)
    print(f"policy {name} is set on {target}: version {version}")


@policy.command(name="list")
def list_policies(org: Organisation, *, as_json: Json = False, where: Where | None = None) -> None:
    """List the policies of an organisation, by target."""
    columns = ("target", "name", "version", "mode", "on", "tags", "created_at", "created_by")
    with opened(where) as door:
        show(door.policies(org), columns, as_json=as_json)


@policy.command(name="show")
def show_policy(target: Target, name: Name, *, version: Version = None, where: Where | None = None) -> None:
    """Print a policy as it was set."""
    with opened(where) as door:
        content = door.policy_content(target, name, version)
    print(content.rstrip("\n") if content else f"version {version} has removed policy {name}")


@policy.command(name="history")
def show_history(target: Target, name: Name, *, as_json: Json = False, where: Where | None = None) -> None:
    """List the versions of a policy, the newest first."""
    with opened(where) as door:
        rows = [
            {key: value for key, value in row.items() if key != "content"} for row in door.policy_history(target, name)
        ]
    show(rows, ("version", "mode", "on", "tags", "created_at", "created_by"), as_json=as_json)


@policy.command(name="remove")
def remove_policy(target: Target, name: Name, *, where: Where | None = None) -> None:
    """Let a policy decide no longer; its versions stay readable."""
    with opened(where) as door:
        door.remove_policy(target, name)
    print(f"policy {name} decides on {target} no longer")


@policy.command(name="explain")
def explain(
    repository: str,
    reference: Annotated[str, Parameter(help="A tag or a digest.")],
    *,
    as_json: Json = False,
    where: Where | None = None,
) -> int:
    """Say what becomes of a pull, and why; exit with 1 where it is refused."""
    with opened(where) as door:
        found = door.explain_admission(repository, reference)
    if as_json:
        print(json.dumps(found, separators=(",", ":")))
    else:
        for line in _explained(found):
            print(printable(line))
    return 1 if found["outcome"] == "denied" else 0


@policy.command(name="try")
def try_policy(
    target: Target,
    file: File,
    *,
    since: Annotated[
        str | None, Parameter(help="Also what tags have named in this time, as 30d; without, ever.")
    ] = None,
    most: Annotated[int, Parameter(help="Of how many artifacts at most.")] = 1000,
    as_json: Json = False,
    where: Where | None = None,
) -> None:
    """Say what a policy would have refused of the artifacts that tags name, or have named; nothing is changed."""
    content, span = _content(file), duration(since) if since is not None else None
    tried: list[dict[str, Any]] = []
    after: str | None = ""
    while after is not None and len(tried) < most:
        with opened(where) as door:
            rows, after = door.try_policy(target, content, since=span, after=after, limit=min(_PAGE, most - len(tried)))
        tried += rows
        print(f"{len(tried)} artifacts are tried", file=sys.stderr)
    denied = [row for row in tried if not row["passes"]]
    show(tried if as_json else denied, ("repository", "digest", "tags", "reasons"), as_json=as_json)
    if not as_json:
        print(
            f"{len(denied)} of {len(tried)} artifacts would have been refused{'' if after is None else '; there are more'}"
        )


def _content(file: Path) -> bytes:
    """Return a policy's bytes. Raise Refused."""
    from signing.limits import LARGEST_POLICY

    return content_of(file, LARGEST_POLICY)


def _explained(found: dict[str, Any]) -> Iterator[str]:
    yield f"{found['repository']}@{found['digest']}: {found['outcome']}"
    if found["about"] is not None:
        yield f"It speaks of {found['about']}, on which policies decide:"
    if not found["verdicts"]:
        yield "No policy covers it."
    for one in found["verdicts"]:
        through = f", by the index {one['through']}" if one["through"] else ""
        said = "passes" if one["passes"] else "does not pass"
        yield f"policy {one['policy']} (version {one['version']} on {one['target']}, {one['mode']}): {said}{through}"
        yield from _branch(one["branch"], "  ")
        yield from (f"  ! {problem}" for problem in one["problems"])


def _branch(branch: dict[str, Any], indent: str) -> Iterator[str]:
    mark = "✓" if branch["passes"] else "✗" if branch["is_decided"] else "?"
    yield f"{indent}{mark} {branch['requirement']}: {branch['reason']}"
    for one in branch["branches"]:
        yield from _branch(one, f"{indent}  ")
    if not branch["passes"]:
        yield from (f"{indent}  - {note}" for note in branch["notes"])
