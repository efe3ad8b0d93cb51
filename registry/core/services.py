"""The verbs of the registry in one place, as the layers above are given them."""

from __future__ import annotations

from dataclasses import dataclass

from registry.core.access import Access
from registry.core.blobs import Blobs
from registry.core.cleanup import Cleanup
from registry.core.conformance import Conformance
from registry.core.health import Health
from registry.core.jobs import Jobs
from registry.core.manifests import Manifests
from registry.core.referrers import Referrers
from registry.core.repositories import Repositories
from registry.core.search import Search
from registry.core.tags import Tags
from registry.core.uploads import Uploads
from registry.core.violations import Violations


@dataclass(frozen=True, slots=True)
class Services:
    """One object per noun."""

    access: Access
    blobs: Blobs
    cleanup: Cleanup
    conformance: Conformance
    health: Health
    jobs: Jobs
    manifests: Manifests
    referrers: Referrers
    repositories: Repositories
    search: Search
    tags: Tags
    uploads: Uploads
    violations: Violations
