"""`blacklake admin user|robot|service|org|team|role|grant|access|apikey|audit`."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Final, Literal

from cyclopts import App, Parameter

from blacklake.settings import USAGE, Config, DataDir, Refused, server_side, settings_of

user = App(name="user", help="Users.")
robot = App(name="robot", help="Robots: principals of an organisation, with keys instead of passwords.")
org = App(name="org", help="Organisations.")
service = App(name="service", help="Services: principals that sign their requests.")
team = App(name="team", help="Teams of an organisation.")
role = App(name="role", help="Roles of an organisation beside reader, writer, maintainer and admin.")
grant = App(name="grant", help="What is granted to whom.")
access = App(name="access", help="Who may do what, and why.")
apikey = App(name="apikey", help="Keys that stand for a user.")
audit = App(name="audit", help="The log of who did what.")

_DURATION: Final = re.compile(r"([0-9]{1,6})([mhd])", re.ASCII)
_LONGEST_PAGE: Final = 10_000
_UNITS: Final = {"m": "minutes", "h": "hours", "d": "days"}

Subject = Annotated[str, Parameter(help="user:NAME, team:ORG/TEAM or anonymous.")]
Role = Annotated[str, Parameter(help="reader, writer, maintainer, admin, or a role of the organisation.")]
Expires = Annotated[str | None, Parameter(help="For how long it is valid: 90m, 12h, 30d.")]
Team = Annotated[str, Parameter(help="ORG/TEAM.")]
Robot = Annotated[str, Parameter(help="ORG+NAME.")]
OwnRole = Annotated[str, Parameter(help="ORG/ROLE.")]
Permission = Literal["pull", "push", "delete", "tag-move", "sign", "admin"]
Action = Literal["pull", "push", "delete", "tag-move", "sign", "grant", "admin"]
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


@user.command(name="disable")
def disable_user(name: str, *, data_dir: DataDir = None, config: Config = None) -> None:
    """Let a user do nothing any more, until it is enabled again; its sessions end."""
    with done():
        from registry import administration

        administration.disable(settings_of(config, data_dir=data_dir), name)
    print(f"user {name} is disabled")


@user.command(name="enable")
def enable_user(name: str, *, data_dir: DataDir = None, config: Config = None) -> None:
    """Let a disabled user do again what is granted to it."""
    with done():
        from registry import administration

        administration.enable(settings_of(config, data_dir=data_dir), name)
    print(f"user {name} is enabled")


@user.command(name="remove")
def remove_user(name: str, *, data_dir: DataDir = None, config: Config = None) -> None:
    """Delete a user with its keys, sessions and grants."""
    with done():
        from registry import administration

        administration.delete_principal(settings_of(config, data_dir=data_dir), name)
    print(f"user {name} is gone")


@robot.command(name="add")
def add_robot(name: Robot, *, data_dir: DataDir = None, config: Config = None) -> None:
    """Add a robot; `apikey create` makes its key."""
    with done():
        from registry import administration

        administration.add_robot(settings_of(config, data_dir=data_dir), name)
    print(f"robot {name} is there")


@robot.command(name="disable")
def disable_robot(name: Robot, *, data_dir: DataDir = None, config: Config = None) -> None:
    """Let a robot do nothing any more, until it is enabled again."""
    with done():
        from registry import administration

        administration.disable(settings_of(config, data_dir=data_dir), name)
    print(f"robot {name} is disabled")


@robot.command(name="enable")
def enable_robot(name: Robot, *, data_dir: DataDir = None, config: Config = None) -> None:
    """Let a disabled robot do again what is granted to it."""
    with done():
        from registry import administration

        administration.enable(settings_of(config, data_dir=data_dir), name)
    print(f"robot {name} is enabled")


@robot.command(name="remove")
def remove_robot(name: Robot, *, data_dir: DataDir = None, config: Config = None) -> None:
    """Delete a robot with its keys and grants."""
    with done():
        from registry import administration

        administration.delete_principal(settings_of(config, data_dir=data_dir), name)
    print(f"robot {name} is gone")


@org.command(name="add")
def add_org(name: str, *, data_dir: DataDir = None, config: Config = None) -> None:
    """Add an organisation: the first segment of its repositories' names."""
    with done():
        from registry import administration

        administration.add_organisation(settings_of(config, data_dir=data_dir), name)
    print(f"organisation {name} is there")


@service.command(name="add")
def add_service(
    name: str,
    *,
    admin: Annotated[bool, Parameter(negative=(), help="May do everything.")] = False,
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """Add a service; `user disable` and `user remove` are for services, too."""
    with done():
        from registry import administration

        administration.add_service(settings_of(config, data_dir=data_dir), name, is_admin=admin)
    print(f"service {name} is there")


@service.command(name="add-key")
def add_service_key(
    name: str,
    public_key_file: Annotated[Path, Parameter(help="PEM of an Ed25519 or P-256 key.")],
    *,
    expires: Expires = None,
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """Let a service sign by a key, and print the key's id: it is the signatures' keyid."""
    lifetime = _duration(expires) if expires is not None else None
    with done():
        from registry import administration

        settings = settings_of(config, data_dir=data_dir)
        print(administration.add_service_key(settings, name, public_key_file, lifetime=lifetime))


@service.command(name="revoke-key")
def revoke_service_key(key_id: str, *, data_dir: DataDir = None, config: Config = None) -> None:
    """Let a key be valid no longer."""
    with done():
        from registry import administration

        administration.revoke_service_key(settings_of(config, data_dir=data_dir), key_id)
    print(f"key {key_id} is revoked")


@team.command(name="add")
def add_team(name: Team, *, data_dir: DataDir = None, config: Config = None) -> None:
    """Add a team."""
    with done():
        from registry import administration

        administration.add_team(settings_of(config, data_dir=data_dir), name)
    print(f"team {name} is there")


@team.command(name="remove")
def remove_team(name: Team, *, data_dir: DataDir = None, config: Config = None) -> None:
    """Delete a team, and what was granted to it."""
    with done():
        from registry import administration

        administration.delete_team(settings_of(config, data_dir=data_dir), name)
    print(f"team {name} is gone")


@team.command(name="add-member")
def add_member(name: Team, member: str, *, data_dir: DataDir = None, config: Config = None) -> None:
    """Let a user or a robot be of a team."""
    with done():
        from registry import administration

        administration.add_member(settings_of(config, data_dir=data_dir), name, member)
    print(f"{member} is of {name}")


@team.command(name="remove-member")
def remove_member(name: Team, member: str, *, data_dir: DataDir = None, config: Config = None) -> None:
    """Let somebody be of a team no longer."""
    with done():
        from registry import administration

        administration.remove_member(settings_of(config, data_dir=data_dir), name, member)
    print(f"{member} is no longer of {name}")


@role.command(name="add")
def add_role(name: OwnRole, *permissions: Permission, data_dir: DataDir = None, config: Config = None) -> None:
    """Add a role; what it permits never changes."""
    with done():
        from registry import administration

        administration.add_role(settings_of(config, data_dir=data_dir), name, permissions)
    print(f"role {name} permits {', '.join(permissions)}")


@role.command(name="remove")
def remove_role(name: OwnRole, *, data_dir: DataDir = None, config: Config = None) -> None:
    """Delete a role; what was granted by it is taken back."""
    with done():
        from registry import administration

        taken_back = administration.delete_role(settings_of(config, data_dir=data_dir), name)
    print(f"role {name} is gone, and {taken_back} grants with it")


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


@access.command(name="explain")
def explain_access(
    subject: Subject, repository: str, action: Action, *, data_dir: DataDir = None, config: Config = None
) -> int:
    """Say whether somebody may do something with a repository, and why: 0 allowed, 1 denied, 2 it can't be said."""
    with done(code=USAGE):
        from registry import administration

        found = administration.explain_access(settings_of(config, data_dir=data_dir), subject, repository, action)
    print(f"{'allowed' if found.is_allowed else 'denied'}: {found.reason}")
    for line in found.near:
        print(f"  near: {line}")
    return 0 if found.is_allowed else 1


@access.command(name="who-can")
def who_can(action: Action, repository: str, *, data_dir: DataDir = None, config: Config = None) -> None:
    """List who may do something with a repository, and why."""
    with done(code=USAGE):
        from registry import administration

        administration.who_can(settings_of(config, data_dir=data_dir), action, repository, say=print)


@apikey.command(name="create")
def create_key(
    user: str,
    *,
    name: Annotated[str, Parameter(help="What it is for.")] = "default",
    expires: Expires = None,
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """Make an API key and print it; it is never shown again."""
    lifetime = _duration(expires) if expires is not None else None
    with done():
        from registry import administration

        print(administration.create_key(settings_of(config, data_dir=data_dir), user, name, lifetime=lifetime))


@dataclass(frozen=True, kw_only=True)
class Which:
    """Which events; all that fit everything that is given."""

    principal: Annotated[str | None, Parameter(help="Who did it, such as alice or local:root.")] = None
    action: Annotated[str | None, Parameter(help="What was done, such as grant.add.")] = None
    target: Annotated[str | None, Parameter(help="What the target's name begins with.")] = None
    outcome: Annotated[Literal["done", "denied", "failed"] | None, Parameter(help="What came of it.")] = None
    since: Annotated[datetime | None, Parameter(help="From when on, in UTC unless it says otherwise.")] = None
    until: Annotated[datetime | None, Parameter(help="Before when.")] = None


WhichEvents = Annotated[Which | None, Parameter(name="*")]


@audit.command(name="list")
def list_audit(
    *,
    which: WhichEvents = None,
    limit: Annotated[int, Parameter(help="Events of a page.")] = 100,
    before: Annotated[int | None, Parameter(help="Only events that were numbered below.")] = None,
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """List events, the newest first; those without a number are not sealed yet."""
    if not 1 <= limit <= _LONGEST_PAGE:
        raise Refused(f"a page has 1 to {_LONGEST_PAGE} events", 2)
    with done():
        from registry import administration

        events = administration.event_filter(**vars(which or Which()))
        settings = settings_of(config, data_dir=data_dir)
        following = administration.list_audit(settings, events, before=before, limit=limit, say=print)
    if following is not None:
        print(f"more: --before {following}", file=sys.stderr)


@audit.command(name="export")
def export_audit(*, which: WhichEvents = None, data_dir: DataDir = None, config: Config = None) -> None:
    """Print the sealed events as JSON, one a line, the oldest first."""
    with done():
        from registry import administration

        events = administration.event_filter(**vars(which or Which()))
        tail = administration.export_audit(settings_of(config, data_dir=data_dir), events, say=print)
    if tail.events:
        print(f"{tail.events} events are not sealed yet, and were left out", file=sys.stderr)


@audit.command(name="verify")
def verify_audit(
    *,
    head: Annotated[
        Path | None, Parameter(help="File with heads that were exported: the server's log will do.")
    ] = None,
    data_dir: DataDir = None,
    config: Config = None,
) -> int:
    """Verify that no event was altered, dropped or inserted; with --head, that none of the newest is missing either."""
    with done():
        from registry import administration

        return 0 if administration.verify_audit(settings_of(config, data_dir=data_dir), head, say=print) else 1


@audit.command(name="prune")
def prune_audit(
    *,
    older_than: Annotated[str, Parameter(help="How long ago they were sealed: 400d.")],
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """Delete old events. What remains still verifies."""
    age = _duration(older_than)
    with done():
        from registry import administration

        pruned = administration.prune_audit(settings_of(config, data_dir=data_dir), age)
    print(f"{pruned.events} events in {pruned.batches} batches were deleted")


def _duration(text: str) -> timedelta:
    found = _DURATION.fullmatch(text)
    if found is None:
        raise Refused(f"“{text}” is no duration like 90m, 12h or 30d", 2)
    return timedelta(**{_UNITS[found[2]]: int(found[1])})


@contextmanager
def done(*, code: int = 1) -> Iterator[None]:
    """Say why it could not be done, and exit with `code`."""
    with server_side():
        from registry.upkeep import UpkeepFailed

        try:
            yield
        except UpkeepFailed as error:
            raise Refused(str(error), code) from error
