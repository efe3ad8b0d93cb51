"""Issuers of identities and rules of trust, as the API takes them and tells of them."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field, SecretStr

from registry.http.api.models import Asking, Taken, Text


class NewIssuer(Taken):
    """An issuer of identities to be trusted (docs/configuration.md)."""

    url: Text
    kind: Text | None = None
    algorithms: list[Text] = Field(["RS256", "ES256"], min_length=1, max_length=16)
    keys_url: Text | None = None
    client_id: Text | None = None
    client_secret: SecretStr | None = None
    creates_users: bool = False


class Issuer(BaseModel):
    """An issuer of identities."""

    url: str
    kind: str
    algorithms: list[str]
    keys_url: str | None
    client_id: str | None
    creates_users: bool


class IssuerQuery(Asking):
    """The issuer that is meant."""

    url: Text


class Link(Taken):
    """A subject of an issuer, and the user that it logs in as."""

    issuer: Text
    subject: Text
    user: Text


class LinkGone(Taken):
    """A subject of an issuer that shall log in as nobody any more."""

    issuer: Text
    subject: Text


class NewTrustRule(Taken):
    """A rule by which tokens of an issuer stand for a principal."""

    name: Text
    issuer: Text
    audience: Text
    claims: dict[Text, Text]
    principal: Text
    actions: Annotated[list[Text], Field(max_length=16)]
    repositories: Annotated[list[Text], Field(max_length=100)]
    seconds: int = 900


class TrustRule(BaseModel):
    """A rule of trust."""

    name: str
    issuer: str
    audience: str
    claims: dict[str, str]
    principal: str
    actions: list[str]
    repositories: list[str]
    seconds: int
