"""`blacklake admin user`."""

from __future__ import annotations

from typing import Annotated

from cyclopts import App, Parameter

from blacklake.admin.door import Where, opened
from blacklake.admin.tables import show
from blacklake.admin.words import Json, read_secret
from blacklake.settings import USAGE, Refused

user = App(name="user", help="Users.")

PasswordStdin = Annotated[bool, Parameter(negative=(), help="Read the password from the standard input.")]


@user.command(name="add")
def add_user(
    name: str,
    *,
    admin: Annotated[bool, Parameter(negative=(), help="May do everything.")] = False,
    password_stdin: PasswordStdin = False,
    where: Where | None = None,
) -> None:
    """Add a user; without a password it logs in by an issuer, or acts by API keys."""
    password = read_secret() if password_stdin else None
    with opened(where) as door:
        door.add_user(name, password=password, is_admin=admin)
    print(f"user {name} is there")


@user.command(name="disable")
def disable_user(name: str, *, where: Where | None = None) -> None:
    """Let a user do nothing any more, until it is enabled again; its sessions end."""
    with opened(where) as door:
        door.disable(name, kind="user")
    print(f"user {name} is disabled")


@user.command(name="enable")
def enable_user(name: str, *, where: Where | None = None) -> None:
    """Let a disabled user do again what is granted to it."""
    with opened(where) as door:
        door.enable(name, kind="user")
    print(f"user {name} is enabled")


@user.command(name="remove")
def remove_user(name: str, *, where: Where | None = None) -> None:
    """Delete a user with its keys, sessions and grants."""
    with opened(where) as door:
        door.delete_principal(name, kind="user")
    print(f"user {name} is gone")


@user.command(name="password")
def change_password(name: str, *, password_stdin: PasswordStdin, where: Where | None = None) -> None:
    """Let a user have another password; its sessions end."""
    if not password_stdin:
        raise Refused("the new password comes by the standard input: say --password-stdin", USAGE)
    password = read_secret()
    with opened(where) as door:
        door.set_password(name, password)
    print(f"user {name} has another password, and its sessions have ended")


@user.command(name="list")
def list_users(*, as_json: Json = False, where: Where | None = None) -> None:
    """List the users."""
    columns = ("name", "is_admin", "is_disabled", "has_password", "created_at")
    with opened(where) as door:
        show(door.users(), columns, as_json=as_json)
