"""Background work, as the API tells of it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, Field

from registry.http.api.models import BIGGEST, LONGEST_PAGE, Asking, Text


class JobPaging(Asking):
    """Which page of the jobs is asked for: that which begins after the job `after`, of a state and of a repository."""

    state: Literal["queued", "running", "done", "failed"] | None = None
    repository: Text | None = None
    after: Annotated[int, Field(ge=1, le=BIGGEST)] | None = None
    limit: Annotated[int, Field(ge=1, le=LONGEST_PAGE)] = 100


class JobFound(BaseModel):
    """Background work on a manifest. `total` and `progress` are bytes, null where nobody has counted them yet.

    `error` says why the last attempt failed.
    """

    id: int
    kind: str
    repository: str
    digest: str
    state: Literal["queued", "running", "done", "failed"]
    attempts: int
    total: int | None
    progress: int | None
    error: str | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
