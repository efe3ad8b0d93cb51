"""`blacklake admin team`."""

from __future__ import annotations

from cyclopts import App

from blacklake.admin.door import Where, opened
from blacklake.admin.tables import show
from blacklake.admin.words import Json, Organisation, Team

team = App(name="team", help="Teams of an organisation.")


@team.command(name="add")
def add_team(name: Team, *, where: Where | None = None) -> None:
    """Add a team."""
    with opened(where) as door:
        door.add_team(name)
    print(f"team {name} is there")


@team.command(name="remove")
def remove_team(name: Team, *, where: Where | None = None) -> None:
    """Delete a team, and what was granted to it."""
    with opened(where) as door:
        door.delete_team(name)
    print(f"team {name} is gone")


@team.command(name="add-member")
def add_member(name: Team, member: str, *, where: Where | None = None) -> None:
    """Let a user or a robot be of a team."""
    with opened(where) as door:
        door.add_member(name, member)
    print(f"{member} is of {name}")


@team.command(name="remove-member")
def remove_member(name: Team, member: str, *, where: Where | None = None) -> None:
    """Let somebody be of a team no longer."""
    with opened(where) as door:
        door.remove_member(name, member)
    print(f"{member} is no longer of {name}")


@team.command(name="list")
def list_teams(org: Organisation, *, as_json: Json = False, where: Where | None = None) -> None:
    """List the teams of an organisation."""
    with opened(where) as door:
        show(door.teams(org), ("name",), as_json=as_json)


@team.command(name="members")
def list_members(name: Team, *, as_json: Json = False, where: Where | None = None) -> None:
    """List who is of a team."""
    with opened(where) as door:
        show(door.members(name), ("name", "kind"), as_json=as_json)
