"""`blacklake admin org`."""

from __future__ import annotations

from cyclopts import App

from blacklake.admin.door import Where, opened
from blacklake.admin.tables import show
from blacklake.admin.words import Json, Organisation

org = App(name="org", help="Organisations.")


@org.command(name="add")
def add_org(name: Organisation, *, where: Where | None = None) -> None:
    """Add an organisation: the first segment of its repositories' names."""
    with opened(where) as door:
        door.add_organisation(name)
    print(f"organisation {name} is there")


@org.command(name="list")
def list_orgs(*, as_json: Json = False, where: Where | None = None) -> None:
    """List the organisations."""
    with opened(where) as door:
        show(door.organisations(), ("name", "created_at"), as_json=as_json)
