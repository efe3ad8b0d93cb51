"""`blacklake admin robot`."""

from __future__ import annotations

from cyclopts import App

from blacklake.admin.door import Where, opened
from blacklake.admin.tables import show
from blacklake.admin.words import Json, Robot

robot = App(name="robot", help="Robots: principals of an organisation, with keys instead of passwords.")


@robot.command(name="add")
def add_robot(name: Robot, *, where: Where | None = None) -> None:
    """Add a robot; `apikey create` makes its key."""
    with opened(where) as door:
        door.add_robot(name)
    print(f"robot {name} is there")


@robot.command(name="disable")
def disable_robot(name: Robot, *, where: Where | None = None) -> None:
    """Let a robot do nothing any more, until it is enabled again."""
    with opened(where) as door:
        door.disable(name, kind="robot")
    print(f"robot {name} is disabled")


@robot.command(name="enable")
def enable_robot(name: Robot, *, where: Where | None = None) -> None:
    """Let a disabled robot do again what is granted to it."""
    with opened(where) as door:
        door.enable(name, kind="robot")
    print(f"robot {name} is enabled")


@robot.command(name="remove")
def remove_robot(name: Robot, *, where: Where | None = None) -> None:
    """Delete a robot with its keys and grants."""
    with opened(where) as door:
        door.delete_principal(name, kind="robot")
    print(f"robot {name} is gone")


@robot.command(name="list")
def list_robots(*, as_json: Json = False, where: Where | None = None) -> None:
    """List the robots."""
    with opened(where) as door:
        show(door.robots(), ("name", "organisation", "is_disabled", "created_at"), as_json=as_json)
