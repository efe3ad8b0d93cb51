"""Roles and grants, and what follows of them, as the API takes them and tells of them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, Field

from registry.core.access import Permission
from registry.http.api.models import Asking, NumberedPaging, Taken, Text

Permitted = Annotated[Text, Field(json_schema_extra={"enum": [*Permission]})]
"""What one may do with a repository; another word is refused by whoever decides."""


class NewRole(Taken):
    """A role of an organisation's own, which never changes."""

    name: Text
    permissions: Annotated[list[Text], Field(max_length=16)]


class Role(BaseModel):
    """A role that may be granted in an organisation."""

    name: str
    permissions: list[str]
    is_built_in: bool


class RoleDeleted(BaseModel):
    """How many grants went with a role."""

    grants_removed: int


class NewGrant(Taken):
    """A role for a subject (`user:NAME`, `team:ORG/TEAM`, `anonymous`) on a target (ORG, `ORG/prefix*` or a repository)."""

    subject: Text
    role: Text
    target: Text


class GrantQuery(Asking):
    """The very grant that is meant."""

    subject: Text
    role: Text
    target: Text


class GrantPaging(NumberedPaging):
    """Whose grants, or on what, are asked for."""

    subject: Text | None = None
    target: Text | None = None


class Grant(BaseModel):
    """A grant."""

    subject: str
    role: str
    target: str
    created_at: datetime


class AccessQuery(Asking):
    """Who is asked about, and what he would do with which repository."""

    subject: Text
    repository: Text
    action: Permitted


class HolderQuery(Asking):
    """Who may do something with a repository? `after` is the name of the last one told; "" is everybody."""

    repository: Text
    action: Permitted
    after: Text | None = None


class Explanation(BaseModel):
    """Whether it is permitted, why, and, where it isn't, the grants that come near."""

    allowed: bool
    reason: str
    near: list[str]


class Holder(BaseModel):
    """Who may do something; `name` is "" of everybody. `shown` is for people."""

    name: str
    shown: str
    reason: str
