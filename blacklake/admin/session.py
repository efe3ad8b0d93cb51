"""`blacklake admin session`."""

from __future__ import annotations

from cyclopts import App

from blacklake.admin.door import Where, opened
from blacklake.admin.tables import show
from blacklake.admin.words import Json

session = App(name="session", help="Logins of a user that go on by refresh tokens.")


@session.command(name="list")
def list_sessions(name: str, *, as_json: Json = False, where: Where | None = None) -> None:
    """List the sessions of a user, the last used first."""
    columns = ("id", "client", "created_at", "used_at", "expires_at")
    with opened(where) as door:
        show(door.sessions(name), columns, as_json=as_json)


@session.command(name="revoke")
def revoke_sessions(name: str, *, where: Where | None = None) -> None:
    """End all sessions of a user; access tokens that they gave end by themselves, within minutes."""
    with opened(where) as door:
        ended = door.revoke_sessions(name)
    print(f"{ended} sessions of {name} have ended")
