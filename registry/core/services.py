"""The verbs of the registry in one place, as the layers above are given them."""

from __future__ import annotations

from dataclasses import dataclass

from registry.core.access import Access
from registry.core.admission import Admission
from registry.core.anchors import Anchors
from registry.core.artifacts import Artifacts
from registry.core.blobs import Blobs
from registry.core.cleanup import Cleanup
from registry.core.comparisons import Comparisons
from registry.core.conformance import Conformance
from registry.core.evidence import Gathering
from registry.core.files import Files
from registry.core.graph import Graphs
from registry.core.health import Health
from registry.core.history import History
from registry.core.jobs import Jobs
from registry.core.judge import Judge
from registry.core.manifests import Manifests
from registry.core.promotions import Promotions
from registry.core.quarantine import Quarantine
from registry.core.referrers import Referrers
from registry.core.repositories import Repositories
from registry.core.scans import Scans
from registry.core.search import Search
from registry.core.stage_history import StageHistory
from registry.core.tags import Tags
from registry.core.tensors import Tensors
from registry.core.uploads import Uploads
from registry.core.verifications import Verifications
from registry.core.violations import Violations


@dataclass(frozen=True, slots=True)
class Services:
    """One object per noun."""

    access: Access
    admission: Admission
    artifacts: Artifacts
    blobs: Blobs
    cleanup: Cleanup
    comparisons: Comparisons
    conformance: Conformance
    files: Files
    gathering: Gathering
    graphs: Graphs
    health: Health
    history: History
    jobs: Jobs
    asked: Judge
    judge: Judge
    manifests: Manifests
    promotions: Promotions
    referrers: Referrers
    repositories: Repositories
    anchors: Anchors
    quarantine: Quarantine
    scans: Scans
    search: Search
    stage_history: StageHistory
    tags: Tags
    tensors: Tensors
    uploads: Uploads
    verifications: Verifications
    violations: Violations
