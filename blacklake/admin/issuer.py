"""`blacklake admin issuer`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from cyclopts import App, Parameter

from blacklake.admin.door import Where, opened
from blacklake.admin.tables import show
from blacklake.admin.words import Issuer, Json, read_secret

issuer = App(name="issuer", help="Issuers of identities (OpenID Connect).")

Kind = Annotated[
    str | None,
    Parameter(
        help="github, gitlab, kubernetes or other: which claims a rule must name. Known of github.com and gitlab.com."
    ),
]


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Client:
    """How people log in by an issuer."""

    client_id: Annotated[str | None, Parameter(help="Our client there, by which people log in.")] = None
    client_secret_stdin: Annotated[bool, Parameter(negative=(), help="Read its secret from the standard input.")] = (
        False
    )
    create_users: Annotated[bool, Parameter(negative=(), help="Who logs in first becomes a user, without rights.")] = (
        False
    )


@issuer.command(name="add")
def add_issuer(
    url: Issuer,
    *,
    kind: Kind = None,
    algorithm: Annotated[tuple[str, ...], Parameter(negative=(), help="How it signs; may be repeated.")] = (
        "RS256",
        "ES256",
    ),
    keys_url: Annotated[str | None, Parameter(help="Where its keys are, if not where its discovery says.")] = None,
    client: Client | None = None,
    where: Where | None = None,
) -> None:
    """Add an issuer. Its tokens stand for nobody until a rule or a link says so."""
    client = client or Client()
    secret = read_secret() if client.client_secret_stdin else None
    with opened(where) as door:
        door.add_issuer(
            url,
            kind=kind,
            algorithms=algorithm,
            keys_url=keys_url,
            client_id=client.client_id,
            secret=secret,
            creates_users=client.create_users,
        )
    print(f"issuer {url} is there")


@issuer.command(name="remove")
def remove_issuer(url: Issuer, *, where: Where | None = None) -> None:
    """Remove an issuer, with its rules and links."""
    with opened(where) as door:
        door.remove_issuer(url)
    print(f"issuer {url} is gone, with its rules and links")


@issuer.command(name="list")
def list_issuers(*, as_json: Json = False, where: Where | None = None) -> None:
    """List the issuers."""
    with opened(where) as door:
        show(door.issuers(), ("url", "kind", "algorithms", "client_id", "creates_users"), as_json=as_json)


@issuer.command(name="link")
def link(url: Issuer, subject: str, user: str, /, *, where: Where | None = None) -> None:
    """Let an issuer's subject (sub) log in as a user."""
    with opened(where) as door:
        door.link(url, subject, user)
    print(f"{subject} of {url} is {user}")


@issuer.command(name="unlink")
def unlink(url: Issuer, subject: str, *, where: Where | None = None) -> None:
    """Let an issuer's subject log in as nobody any more."""
    with opened(where) as door:
        door.unlink(url, subject)
    print(f"{subject} of {url} is nobody any more")
