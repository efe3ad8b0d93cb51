"""`blacklake admin apikey`."""

from __future__ import annotations

from typing import Annotated

from cyclopts import App, Parameter

from blacklake.admin.door import Where, opened
from blacklake.admin.words import Expires, lifetime_of

apikey = App(name="apikey", help="Keys that stand for a user or a robot.")

Holder = Annotated[str, Parameter(help="A user, or a robot as ORG+NAME.")]


@apikey.command(name="create")
def create_key(
    holder: Holder,
    /,
    *,
    name: Annotated[str, Parameter(help="What it is for.")] = "default",
    expires: Expires = None,
    where: Where | None = None,
) -> None:
    """Make an API key and print it; it is never shown again."""
    lifetime = lifetime_of(expires)
    with opened(where) as door:
        print(door.create_key(holder, name, lifetime=lifetime))
