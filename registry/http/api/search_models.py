"""What is searched for and found, as the API takes it and tells of it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, Field, StringConstraints

from registry.http.api.models import LONGEST_PAGE, Asking, Text


class ArtifactQuery(Asking):
    """What artifacts are asked for (docs/search.md)."""

    q: Annotated[str, StringConstraints(max_length=4096)] = ""


class ArtifactPaging(ArtifactQuery):
    """Which page of the artifacts that a query asks for."""

    after: Text = ""
    limit: Annotated[int, Field(ge=1, le=LONGEST_PAGE)] = 20


class HighlightFound(BaseModel):
    """A piece of a text that has what was asked for, and where: the begins and ends of matches, in characters."""

    field: str
    text: str
    matches: list[tuple[int, int]]


class ArtifactFound(BaseModel):
    """An artifact. `metadata` is what is known of it; `is_complete` says whether all its files were read."""

    repository: str
    digest: str
    tags: list[str]
    kind: str
    format: str
    artifact_type: str | None
    size: int
    pushed_at: datetime
    metadata: dict[str, Any]
    is_complete: bool
    highlights: list[HighlightFound]


class FacetCount(BaseModel):
    """How many artifacts have a value."""

    value: str
    count: int


class ArtifactCounts(BaseModel):
    """The most frequent values of each facet. Unless `is_all`, only the newest `counted` artifacts were counted."""

    counted: int
    is_all: bool
    facets: dict[str, list[FacetCount]]
