"""`blacklake admin role`."""

from __future__ import annotations

from cyclopts import App

from blacklake.admin.door import Where, opened
from blacklake.admin.tables import show
from blacklake.admin.words import Json, Organisation, OwnRole, Permission

role = App(name="role", help="Roles of an organisation beside reader, writer, maintainer and admin.")


@role.command(name="add")
def add_role(name: OwnRole, *permissions: Permission, where: Where | None = None) -> None:
    """Add a role; what it permits never changes."""
    with opened(where) as door:
        door.add_role(name, permissions)
    print(f"role {name} permits {', '.join(permissions)}")


@role.command(name="remove")
def remove_role(name: OwnRole, *, where: Where | None = None) -> None:
    """Delete a role; what was granted by it is taken back."""
    with opened(where) as door:
        taken_back = door.delete_role(name)
    print(f"role {name} is gone, and {taken_back} grants with it")


@role.command(name="list")
def list_roles(org: Organisation, *, as_json: Json = False, where: Where | None = None) -> None:
    """List the roles that may be granted in an organisation."""
    with opened(where) as door:
        show(door.roles(org), ("name", "permissions", "is_built_in"), as_json=as_json)
