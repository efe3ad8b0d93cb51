"""`blacklake admin trust-root`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from blacklake.admin.door import Where, opened
from blacklake.admin.policy import Version
from blacklake.admin.tables import show
from blacklake.admin.words import Json, Organisation
from blacklake.files import content_of

trust_root = App(
    name="trust-root",
    help="Whom an organisation's policies trust: certificate authorities, logs, timestamp authorities.",
)

Name = Annotated[str, Parameter(help="The name by which policies call it.")]


@trust_root.command(name="add")
def add_trust_root(
    org: Organisation,
    name: Name,
    file: Annotated[Path, Parameter(help="File with the trust root: a trusted_root.json, as cosign makes it.")],
    *,
    where: Where | None = None,
) -> None:
    """Let an organisation trust a root by a name, or another one by a name that it has."""
    from signing.limits import LARGEST_ROOT

    content = content_of(file, LARGEST_ROOT)
    with opened(where) as door:
        version = door.add_trust_root(org, name, content)
    print(f"trust root {name} of {org} is there: version {version}")


@trust_root.command(name="list")
def list_trust_roots(org: Organisation, *, as_json: Json = False, where: Where | None = None) -> None:
    """List what an organisation trusts beside public-good, which is built in."""
    with opened(where) as door:
        show(door.trust_roots(org), ("name", "version", "created_at", "created_by"), as_json=as_json)


@trust_root.command(name="show")
def show_trust_root(org: Organisation, name: Name, *, version: Version = None, where: Where | None = None) -> None:
    """Print a trust root as it was added."""
    with opened(where) as door:
        content = door.trust_root_content(org, name, version)
    print(content.rstrip("\n") if content else f"version {version} has removed trust root {name}")


@trust_root.command(name="remove")
def remove_trust_root(org: Organisation, name: Name, *, where: Where | None = None) -> None:
    """Let an organisation trust a root no longer: policies that name it are met by nothing of it."""
    with opened(where) as door:
        door.remove_trust_root(org, name)
    print(f"{org} trusts {name} no longer")
