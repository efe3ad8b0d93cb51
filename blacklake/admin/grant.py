"""`blacklake admin grant`."""

from __future__ import annotations

from cyclopts import App

from blacklake.admin.door import Where, opened
from blacklake.admin.tables import show
from blacklake.admin.words import Json, Role, Subject, Target

grant = App(name="grant", help="What is granted to whom.")


@grant.command(name="add")
def add_grant(subject: Subject, role: Role, target: Target, *, where: Where | None = None) -> None:
    """Grant a role."""
    with opened(where) as door:
        door.grant(subject, role, target)
    print(f"{subject} is {role} of {target}")


@grant.command(name="remove")
def remove_grant(subject: Subject, role: Role, target: Target, *, where: Where | None = None) -> None:
    """Take a grant back."""
    with opened(where) as door:
        door.revoke(subject, role, target)
    print(f"{subject} is no longer {role} of {target}")


@grant.command(name="list")
def list_grants(
    *, subject: Subject | None = None, target: Target | None = None, as_json: Json = False, where: Where | None = None
) -> None:
    """List grants, the oldest first: all, a subject's, or those on the very target."""
    with opened(where) as door:
        show(door.grants(subject=subject, target=target), ("subject", "role", "target", "created_at"), as_json=as_json)
