"""`blacklake admin access`."""

from __future__ import annotations

from cyclopts import App

from blacklake.admin.door import Where, opened
from blacklake.admin.words import Action, Subject
from blacklake.settings import USAGE

access = App(name="access", help="Who may do what, and why.")


@access.command(name="explain")
def explain_access(subject: Subject, repository: str, action: Action, *, where: Where | None = None) -> int:
    """Say whether somebody may do something with a repository, and why: 0 allowed, 1 denied, 2 it can't be said."""
    with opened(where, code=USAGE) as door:
        found = door.explain_access(subject, repository, action)
    print(f"{'allowed' if found.is_allowed else 'denied'}: {found.reason}")
    for line in found.near:
        print(f"  near: {line}")
    return 0 if found.is_allowed else 1


@access.command(name="who-can")
def who_can(action: Action, repository: str, *, where: Where | None = None) -> None:
    """List who may do something with a repository, and why."""
    with opened(where, code=USAGE) as door:
        door.who_can(action, repository, say=print)
