"""`blacklake admin tag`."""

from __future__ import annotations

from typing import Annotated

from cyclopts import App, Parameter

from blacklake.admin.door import Where, opened
from blacklake.admin.tables import show
from blacklake.admin.words import Json, Target

tag = App(name="tag", help="Tags that never move, and tags that only some may move.")

Pattern = Annotated[str, Parameter(help="A tag, in which `*` is any text: v1.*")]


@tag.command
def immutable(
    target: Target,
    pattern: Pattern,
    *,
    off: Annotated[bool, Parameter(negative=(), help="Let them move again.")] = False,
    where: Where | None = None,
) -> None:
    """Let tags name for good what they name first: they are neither moved nor deleted. Tags of signatures are exempt."""
    with opened(where) as door:
        if off:
            door.remove_tag_rule(target, pattern, "immutable")
        else:
            door.put_tag_rule(target, pattern, "immutable", movers=[])
    print(f"tags {pattern} of {target} {'may move again' if off else 'never move, and are not deleted'}")


@tag.command
def protect(
    target: Target,
    pattern: Pattern,
    *,
    by: Annotated[
        tuple[str, ...],
        Parameter(negative=(), help="user:NAME or team:ORG/TEAM who may make, move and delete them; may be repeated."),
    ] = (),
    where: Where | None = None,
) -> None:
    """Let tags be made, moved and deleted by those who are named and by promotions; without --by, by promotions only."""
    with opened(where) as door:
        door.put_tag_rule(target, pattern, "protected", movers=by)
    print(f"tags {pattern} of {target} are moved by {', '.join((*by, 'promotions'))} only")


@tag.command
def unprotect(target: Target, pattern: Pattern, *, where: Where | None = None) -> None:
    """Let tags be moved again by whoever may push."""
    with opened(where) as door:
        door.remove_tag_rule(target, pattern, "protected")
    print(f"tags {pattern} of {target} are protected no longer")


@tag.command
def rules(target: Target, *, as_json: Json = False, where: Where | None = None) -> None:
    """List the rules that cover a target or what is in it; a tag falls under all that it fits."""
    columns = ("target", "pattern", "kind", "movers", "created_at", "created_by")
    with opened(where) as door:
        show(door.tag_rules(target), columns, as_json=as_json)
