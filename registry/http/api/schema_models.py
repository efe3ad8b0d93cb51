"""Schemas, where they are bound and what doesn't conform to them, as the API takes them and tells of them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, Field, StringConstraints

from registry.http.api.models import BIGGEST, LONGEST_PAGE, Asking, Taken, Text


class NewSchema(Taken):
    """A schema to be added: the very bytes of a JSON Schema (2020-12) whose `$id` names its organisation, name and version."""

    content: Annotated[str, StringConstraints(max_length=64 << 10)]


class Schema(BaseModel):
    """A schema; a built-in one was added by nobody."""

    name: str
    applies_to: str
    is_built_in: bool
    created_at: datetime | None
    created_by: str | None


class SchemaAdded(BaseModel):
    """The schema that was added."""

    name: str


class SchemaContent(BaseModel):
    """A schema's bytes."""

    name: str
    content: str


class NewBinding(Taken):
    """A schema for the manifests of a target (ORG, `ORG/prefix*` or a repository), or for those of one artifact type."""

    target: Text
    schema_name: Text
    mode: Text
    artifact_type: Text | None = None


class BindingQuery(Asking):
    """The very binding that is meant."""

    target: Text
    schema_name: Text
    artifact_type: Text | None = None


class Binding(BaseModel):
    """Where a schema is bound; `artifact_type` is null where that is for any."""

    target: str
    artifact_type: str | None
    schema_name: str
    mode: str
    created_at: datetime
    created_by: str


class Sample(Taken):
    """A manifest to be judged as if it were pushed: its bytes and media type, and its config's bytes."""

    repository: Text
    media_type: Text
    manifest: Annotated[str, StringConstraints(max_length=64 << 10)]
    config: Annotated[str, StringConstraints(max_length=64 << 10)] | None = None


class Violation(BaseModel):
    """Where a document doesn't conform: by which rule of which schema, and in which mode that is bound."""

    mode: str
    pointer: str
    rule: str
    message: str
    schema_name: str


class SampleJudged(BaseModel):
    """What would become of a push: it is refused where a violation is of what is enforced."""

    is_refused: bool
    violations: list[Violation]


class NonconformingPaging(Asking):
    """Which page is asked for: that which begins after the item `after`, of a repository and of a manifest's digest."""

    repository: Text | None = None
    digest: Text | None = None
    after: Annotated[int, Field(ge=1, le=BIGGEST)] | None = None
    limit: Annotated[int, Field(ge=1, le=LONGEST_PAGE)] = 100


class NonconformingAt(BaseModel):
    """What does not conform: where (RFC 6901), by which keyword of the schema, and why in words."""

    pointer: str
    rule: str
    message: str


class Nonconforming(BaseModel):
    """A manifest that doesn't conform to a schema that was bound in a mode when it was judged.

    `applies_to` says of what the schema speaks, and into what pointers lead.
    """

    id: int
    repository: str
    digest: str
    applies_to: Literal["annotations", "config", "record"]
    schema_name: str
    mode: Literal["warn", "enforce"]
    violations: list[NonconformingAt]
    judged_at: datetime
