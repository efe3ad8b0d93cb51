"""`blacklake admin keys`."""

from __future__ import annotations

from typing import Annotated

from cyclopts import App, Parameter

from blacklake.admin.door import Where, opened
from blacklake.admin.tables import show
from blacklake.admin.words import Json

keys = App(name="keys", help="The keys that sign access tokens.")


@keys.command(name="list")
def list_signing_keys(*, as_json: Json = False, where: Where | None = None) -> None:
    """List the keys that sign or verify; each signs from its time on, until a later one does."""
    with opened(where) as door:
        show(door.signing_keys(), ("kid", "algorithm", "signs_from"), as_json=as_json)


@keys.command(name="rotate")
def rotate_keys(
    *,
    now: Annotated[
        bool, Parameter(negative=(), help="Sign by it at once, and let no other verify any more, as after a leak.")
    ] = False,
    where: Where | None = None,
) -> None:
    """Make a key, and print its id. It is published for five minutes before it signs."""
    with opened(where) as door:
        print(door.rotate_keys(now=now))
