"""`blacklake admin trust`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from cyclopts import App, Parameter

from blacklake.admin.door import Where, opened
from blacklake.admin.tables import show
from blacklake.admin.words import Issuer, Json
from blacklake.settings import USAGE, Refused

trust = App(name="trust", help="Whom tokens of issuers stand for, and what they may do at most.")


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Rule:
    """What a rule asks for and what it permits."""

    audience: Annotated[str, Parameter(help="For whom alone the tokens are (aud).")]
    claim: Annotated[tuple[str, ...], Parameter(negative=(), help="NAME=VALUE, or NAME=BEGINNING*; may be repeated.")]
    repository: Annotated[
        tuple[str, ...], Parameter(negative=(), help="ORG, ORG/pattern* or a repository; may be repeated.")
    ]
    action: Annotated[tuple[str, ...], Parameter(negative=(), help="pull, push or delete; may be repeated.")] = (
        "pull",
        "push",
    )
    seconds: Annotated[int, Parameter(help="For how long a token is valid at most: 60 to 3600.")] = 900


@trust.command(name="add")
def add_trust(
    name: str,
    url: Issuer,
    principal: Annotated[str, Parameter(help="The user, robot or service that the tokens stand for.")],
    *,
    rule: Rule,
    where: Where | None = None,
) -> None:
    """Let tokens of an issuer with these claims stand for a principal."""
    claims = _claims(rule.claim)
    with opened(where) as door:
        door.add_trust(
            name,
            issuer=url,
            audience=rule.audience,
            claims=claims,
            principal=principal,
            actions=rule.action,
            repositories=rule.repository,
            seconds=rule.seconds,
        )
    print(f"rule {name} is there: tokens of {url} that fit it stand for {principal}")


@trust.command(name="remove")
def remove_trust(name: str, *, where: Where | None = None) -> None:
    """Remove a rule."""
    with opened(where) as door:
        door.remove_trust(name)
    print(f"rule {name} is gone; tokens that were given out by it end within the hour")


@trust.command(name="list")
def list_trust(*, as_json: Json = False, where: Where | None = None) -> None:
    """List the rules, each with what it asks for and what it permits."""
    columns = ("name", "issuer", "audience", "claims", "principal", "actions", "repositories", "seconds")
    with opened(where) as door:
        show(door.trust_rules(), columns, as_json=as_json)


def _claims(texts: tuple[str, ...]) -> dict[str, str]:
    """Return claims that are written as NAME=VALUE; none is named twice."""
    found: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or name in found:
            raise Refused(f"“{text[:128]}” is not NAME=VALUE, or names a claim again", USAGE)
        found[name] = value
    return found
