"""`blacklake admin user|org|grant|access|apikey|keys`."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Annotated, Final

from cyclopts import App, Parameter

from blacklake.settings import Config, DataDir, Refused, server_side, settings_of

user = App(name="user", help="Users.")
org = App(name="org", help="Organisations.")
grant = App(name="grant", help="What is granted to whom.")
apikey = App(name="apikey", help="Keys that stand for a user.")

_DURATION: Final = re.compile(r"([0-9]{1,6})([mhd])", re.ASCII)
_UNITS: Final = {"m": "minutes", "h": "hours", "d": "days"}

Subject = Annotated[str, Parameter(help="user:NAME, team:ORG/TEAM or anonymous.")]
Role = Annotated[str, Parameter(help="reader, writer, maintainer, admin, or a role of the organisation.")]
Target = Annotated[str, Parameter(help="An organisation, ORG/pattern* or a repository.")]


@user.command(name="add")
def add_user(
    name: str,
    *,
    admin: Annotated[bool, Parameter(negative=(), help="May do everything.")] = False,
    password_stdin: Annotated[bool, Parameter(negative=(), help="Read the password from the standard input.")] = False,
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """Add a user."""
    password = sys.stdin.readline().rstrip("\r\n") if password_stdin else None
    with done():
        from registry import administration

        administration.add_user(settings_of(config, data_dir=data_dir), name, password=password, is_admin=admin)
    print(f"user {name} is there")


@org.command(name="add")
def add_org(name: str, *, data_dir: DataDir = None, config: Config = None) -> None:
    """Add an organisation: the first segment of its repositories' names."""
    with done():
        from registry import administration

        administration.add_organisation(settings_of(config, data_dir=data_dir), name)
    print(f"organisation {name} is there")


@grant.command(name="add")
def add_grant(subject: Subject, role: Role, target: Target, *, data_dir: DataDir = None, config: Config = None) -> None:
    """Grant a role."""
    with done():
        from registry import administration

        administration.grant(settings_of(config, data_dir=data_dir), subject, role, target)
    print(f"{subject} is {role} of {target}")


@grant.command(name="remove")
def remove_grant(
    subject: Subject, role: Role, target: Target, *, data_dir: DataDir = None, config: Config = None
) -> None:
    """Take a grant back."""
    with done():
        from registry import administration

        administration.revoke(settings_of(config, data_dir=data_dir), subject, role, target)
    print(f"{subject} is no longer {role} of {target}")


@apikey.command(name="create")
def create_key(
    user: str,
    *,
    name: Annotated[str, Parameter(help="What it is for.")] = "default",
    expires: Annotated[str | None, Parameter(help="For how long it is valid: 90m, 12h, 30d.")] = None,
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """Make an API key and print it; it is never shown again."""
    lifetime = _duration(expires) if expires is not None else None
    with done():
        from registry import administration

        print(administration.create_key(settings_of(config, data_dir=data_dir), user, name, lifetime=lifetime))


def _duration(text: str) -> timedelta:
    found = _DURATION.fullmatch(text)
    if found is None:
        raise Refused(f"“{text}” is no duration like 90m, 12h or 30d", 2)
    return timedelta(**{_UNITS[found[2]]: int(found[1])})


@contextmanager
def done() -> Iterator[None]:
    """Say why it could not be done."""
    with server_side():
        from registry.upkeep import UpkeepFailed

        try:
            yield
        except UpkeepFailed as error:
            raise Refused(str(error)) from error
