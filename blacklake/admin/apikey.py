"""`blacklake admin apikey`."""

from __future__ import annotations

from typing import Annotated

from cyclopts import App, Parameter

from blacklake.admin.door import Where, opened
from blacklake.admin.tables import show
from blacklake.admin.words import Expires, Json, lifetime_of

apikey = App(name="apikey", help="Keys that stand for a user or a robot.")

Owner = Annotated[str, Parameter(help="A user, or a robot as ORG+NAME.")]
Scopes = Annotated[
    tuple[str, ...],
    Parameter(
        negative=(),
        help="The most that it permits: repository:PATTERN:ACTIONS (team/*, pull,push,delete), registry:catalog:*,"
        " registry:admin:*. Without one it permits all that its owner may do.",
    ),
]


@apikey.command(name="create")
def create_key(
    owner: Owner,
    /,
    *,
    name: Annotated[str, Parameter(help="What it is for.")] = "default",
    scope: Scopes = (),
    expires: Expires = None,
    where: Where | None = None,
) -> None:
    """Make an API key and print it; it is never shown again."""
    lifetime = lifetime_of(expires)
    with opened(where) as door:
        print(door.create_key(owner, name, lifetime=lifetime, scopes=scope or None))


@apikey.command(name="list")
def list_keys(owner: Owner, /, *, as_json: Json = False, where: Where | None = None) -> None:
    """List the keys of a user or a robot, expired ones too; when each was used last is true to a minute."""
    columns = ("id", "name", "scopes", "created_at", "expires_at", "used_at")
    with opened(where) as door:
        show(door.api_keys(owner), columns, as_json=as_json)


@apikey.command(name="revoke")
def revoke_key(
    owner: Owner,
    key_id: Annotated[int, Parameter(help="Its number, as `apikey list` has it.")],
    /,
    *,
    where: Where | None = None,
) -> None:
    """Let a key be valid no longer."""
    with opened(where) as door:
        door.revoke_key(owner, key_id)
    print(f"key {key_id} of {owner} is revoked")
