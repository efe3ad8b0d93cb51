"""What the API does for whoever may pull, in one place; an open registry has no more."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from registry.core.admission import Admission
from registry.core.anchors import Anchors
from registry.core.artifacts import Artifacts
from registry.core.comparisons import Comparisons
from registry.core.files import Files
from registry.core.graph import Graphs
from registry.core.history import History
from registry.core.jobs import Jobs
from registry.core.promotions import Promotions
from registry.core.quarantine import Quarantine
from registry.core.repositories import Repositories
from registry.core.scans import Scans
from registry.core.search import Search
from registry.core.services import Services
from registry.core.stage_history import StageHistory
from registry.core.tensors import Tensors
from registry.core.verifications import Verifications
from registry.core.violations import Violations
from registry.http.redirects import Redirects


@dataclass(frozen=True, slots=True, kw_only=True)
class ReaderServices:
    """One object per noun; `redirects` says who is sent to the storage for a whole blob, None: nobody."""

    admission: Admission
    artifacts: Artifacts
    comparisons: Comparisons
    files: Files
    graphs: Graphs
    history: History
    jobs: Jobs
    promotions: Promotions
    repositories: Repositories
    anchors: Anchors
    quarantine: Quarantine
    scans: Scans
    search: Search
    stage_history: StageHistory
    tensors: Tensors
    verifications: Verifications
    violations: Violations
    redirects: Redirects | None


def readers(services: Services, redirects: Redirects | None) -> dict[str, Any]:
    """Return what ReaderServices is made of."""
    names = [field.name for field in fields(ReaderServices) if field.name != "redirects"]
    return {name: getattr(services, name) for name in names} | {"redirects": redirects}
