"""What the API tells of repositories and of the artifacts in them, and what it is asked for there."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, StringConstraints

from registry.http.api.models import LONGEST_PAGE, Asking, Page, Paging, Text

FilePath = Annotated[str, StringConstraints(min_length=1, max_length=1024)]
Name = Annotated[str, StringConstraints(max_length=1024)]


class RepositoryFound(BaseModel):
    """A repository; `size` are the bytes of its manifests and blobs, each counted once."""

    name: str
    created_at: datetime
    pushed_at: datetime | None
    artifacts: int
    tags: int
    size: int


class TagFound(BaseModel):
    """A tag, the manifest that it names and since when; `kind` is null until it is known what that is."""

    name: str
    digest: str
    updated_at: datetime
    kind: str | None


class VersionPaging(Paging):
    """Which page of the history: of one tag, or of all."""

    tag: Text | None = None


class VersionFound(BaseModel):
    """A tag's move; `moved_from` is null where it was new, `moved_to` where it was deleted, `moved_by` where nobody knows."""

    tag: str
    moved_from: str | None
    moved_to: str | None
    moved_by: str | None
    moved_at: datetime


class ManifestFound(BaseModel):
    """A manifest of a repository; `kind`, `format` and `is_complete` are null until it is known what it is."""

    digest: str
    tags: list[str]
    media_type: str
    artifact_type: str | None
    size: int
    pushed_at: datetime
    kind: str | None
    format: str | None
    is_complete: bool | None


class FindingTold(BaseModel):
    """What whoever loads a file should know."""

    path: str
    level: Literal["suspicious", "dangerous"]
    rule: str
    message: str


class Artifact(BaseModel):
    """An artifact. `metadata` is what is known of it, and `sources` say by field whence; all of it is null until that is known.

    `problem` says why not all of its files were read.
    """

    repository: str
    digest: str
    tags: list[str]
    media_type: str
    artifact_type: str | None
    subject: str | None
    size: int
    pushed_at: datetime
    kind: str | None
    format: str | None
    metadata: dict[str, Any] | None
    sources: dict[str, Any] | None
    is_complete: bool | None
    problem: str | None
    finding: str | None
    findings: list[FindingTold]
    described_at: datetime | None


class FileRead(BaseModel):
    """What a file says of itself, by its own names; `problem` says why it could not be read."""

    path: str
    format: str | None
    raw: dict[str, Any] | None
    problem: str | None


class RawMetadata(BaseModel):
    """What was pushed and read, as it stands; `config` is null where that is no JSON. `files` are a page of them."""

    digest: str
    manifest: Any
    config: Any
    files: Page[FileRead]


class FileFound(BaseModel):
    """A file of an artifact; `tensors` is how many it has, `is_downloadable` whether …/files/content hands it out."""

    path: str
    size: int
    role: str
    format: str | None
    blob: str
    packing: str
    tensors: int | None
    is_downloadable: bool


class FileQuery(Asking):
    """The file that is meant."""

    path: FilePath


class TensorPaging(Paging):
    """Which page of the tensors: of one file, whose names begin so, of a dtype."""

    path: FilePath | None = None
    prefix: Name = ""
    dtype: Text | None = None


class TensorQuery(FileQuery):
    """The tensor that is meant."""

    name: Annotated[str, StringConstraints(max_length=4096)]


class TensorFound(BaseModel):
    """A tensor; `offset` is where its bytes begin in the file, null where they don't lie there as they are.

    `digest` is that of its bytes, null where those were not read: nobody asks for it, or they don't lie as they are.
    """

    path: str
    name: str
    dtype: str
    shape: list[int]
    offset: int | None
    size: int
    digest: str | None


class GraphQuery(Asking):
    """How far the graph reaches, in edges and in nodes."""

    depth: Annotated[int, Field(ge=1, le=5)] = 2
    limit: Annotated[int, Field(ge=1, le=500)] = 100


class NodeFound(BaseModel):
    """A manifest in the graph."""

    repository: str
    digest: str
    artifact_type: str | None
    kind: str | None
    format: str | None
    tags: list[str]


class EdgeFound(BaseModel):
    """`source` has `target` as its subject, its child, its base model or its dataset; both are places in `nodes`."""

    relation: Literal["subject", "child", "base_model", "dataset"]
    source: int
    target: int


class GraphFound(BaseModel):
    """The graph around an artifact, which is the first of `nodes`; `is_all` is false where more would be too much."""

    nodes: list[NodeFound]
    edges: list[EdgeFound]
    is_all: bool


class ComparisonQuery(Asking):
    """With what an artifact is compared: a tag or digest `other`, of the same repository unless another is named."""

    other: Text
    repository: Text | None = None
    limit: Annotated[int, Field(ge=1, le=LONGEST_PAGE)] = 1000


class FileCompared(BaseModel):
    """A file of one of both artifacts."""

    path: str
    size: int
    blob: str


class FileChanged(BaseModel):
    """A file that is another one now, or lies in another layer."""

    path: str
    before: FileCompared
    after: FileCompared


class Compared(BaseModel):
    """How many were added, removed, changed and not; the first so many of each are told."""

    added_total: int
    removed_total: int
    changed_total: int
    unchanged_total: int


class FilesCompared(Compared):
    """What is different of the files."""

    added: list[FileCompared]
    removed: list[FileCompared]
    changed: list[FileChanged]


class FieldChanged(BaseModel):
    """A field of the metadata; null where it has no value."""

    field: str
    before: Any
    after: Any


class MetricChanged(BaseModel):
    """A metric; null where it was not measured, or not in both."""

    name: str
    dataset: str | None
    split: str | None
    before: float | None
    after: float | None
    delta: float | None


class TensorCompared(BaseModel):
    """A tensor of one of both artifacts; `digest` is that of its bytes, null where those were not read."""

    path: str
    name: str
    dtype: str
    shape: list[int]
    digest: str | None


class TensorChanged(BaseModel):
    """A tensor whose dtype, shape or bytes are others now."""

    name: str
    before: TensorCompared
    after: TensorCompared


class TensorsCompared(Compared):
    """What is different of the tensors: `bytes_compared` says whether those that are called unchanged have the same bytes.

    `note` says in words of how many that isn't known, and why.
    """

    added: list[TensorCompared]
    removed: list[TensorCompared]
    changed: list[TensorChanged]
    bytes_compared: bool
    note: str


class ComparisonFound(BaseModel):
    """What is different in `after`."""

    before: str
    after: str
    files: FilesCompared
    metadata: list[FieldChanged]
    metrics: list[MetricChanged]
    tensors: TensorsCompared
