"""`blacklake admin issuer|trust`."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Annotated

from cyclopts import App, Parameter

from blacklake.admin import done
from blacklake.settings import USAGE, Config, DataDir, Refused, settings_of

issuer = App(name="issuer", help="Issuers of identities (OpenID Connect).")
trust = App(name="trust", help="Whom tokens of issuers stand for, and what they may do at most.")

Url = Annotated[str, Parameter(help="The issuer's URL, as its tokens have it (iss).")]
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


@issuer.command(name="add")
def add_issuer(
    url: Url,
    *,
    kind: Kind = None,
    algorithm: Annotated[tuple[str, ...], Parameter(negative=(), help="How it signs; may be repeated.")] = (
        "RS256",
        "ES256",
    ),
    keys_url: Annotated[str | None, Parameter(help="Where its keys are, if not where its discovery says.")] = None,
    client: Client | None = None,
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """Add an issuer. Its tokens stand for nobody until a rule or a link says so."""
    client = client or Client()
    secret = sys.stdin.readline().rstrip("\r\n") if client.client_secret_stdin else None
    with done():
        from registry import administration

        administration.add_issuer(
            settings_of(config, data_dir=data_dir),
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
def remove_issuer(url: Url, *, data_dir: DataDir = None, config: Config = None) -> None:
    """Remove an issuer, with its rules and links."""
    with done():
        from registry import administration

        administration.remove_issuer(settings_of(config, data_dir=data_dir), url)
    print(f"issuer {url} is gone, with its rules and links")


@issuer.command(name="list")
def list_issuers(*, data_dir: DataDir = None, config: Config = None) -> None:
    """List the issuers: URL, kind, algorithms, client id."""
    with done():
        from registry import administration

        for one in administration.issuers(settings_of(config, data_dir=data_dir)):
            print(f"{one.url}  {one.kind}  {','.join(one.algorithms)}  {one.client_id or '-'}")


@issuer.command(name="link")
def link(url: Url, subject: str, user: str, *, data_dir: DataDir = None, config: Config = None) -> None:
    """Let an issuer's subject (sub) log in as a user."""
    with done():
        from registry import administration

        administration.link(settings_of(config, data_dir=data_dir), url, subject, user)
    print(f"{subject} of {url} is {user}")


@issuer.command(name="unlink")
def unlink(url: Url, subject: str, *, data_dir: DataDir = None, config: Config = None) -> None:
    """Let an issuer's subject log in as nobody any more."""
    with done():
        from registry import administration

        administration.unlink(settings_of(config, data_dir=data_dir), url, subject)
    print(f"{subject} of {url} is nobody any more")


@trust.command(name="add")
def add_trust(
    name: str,
    url: Url,
    principal: Annotated[str, Parameter(help="The user, robot or service that the tokens stand for.")],
    *,
    rule: Rule,
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """Let tokens of an issuer with these claims stand for a principal."""
    with done():
        from registry import administration

        administration.add_trust(
            settings_of(config, data_dir=data_dir),
            name,
            issuer=url,
            audience=rule.audience,
            claims=_claims(rule.claim),
            principal=principal,
            actions=rule.action,
            repositories=rule.repository,
            seconds=rule.seconds,
        )
    print(f"rule {name} is there: tokens of {url} that fit it stand for {principal}")


@trust.command(name="remove")
def remove_trust(name: str, *, data_dir: DataDir = None, config: Config = None) -> None:
    """Remove a rule."""
    with done():
        from registry import administration

        administration.remove_trust(settings_of(config, data_dir=data_dir), name)
    print(f"rule {name} is gone; tokens that were given out by it end within the hour")


@trust.command(name="list")
def list_trust(*, data_dir: DataDir = None, config: Config = None) -> None:
    """List the rules, each with what it asks for and what it permits."""
    with done():
        from registry import administration

        for rule in administration.trusted(settings_of(config, data_dir=data_dir)):
            claims = " ".join(f"{name}={value}" for name, value in sorted(rule.claims.items()))
            print(f"{rule.name}: {rule.issuer} for {rule.audience}, {claims}")
            print(
                f"  is {rule.principal}: {','.join(sorted(rule.actions))} on {' '.join(rule.repositories)},"
                f" {rule.seconds} seconds"
            )


def _claims(texts: tuple[str, ...]) -> dict[str, str]:
    """Return claims that are written as NAME=VALUE; none is named twice."""
    found: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or name in found:
            raise Refused(f"“{text[:128]}” is not NAME=VALUE, or names a claim again", USAGE)
        found[name] = value
    return found
