"""The routes that show whoever may pull what there is; an open registry has no others."""

from __future__ import annotations

from typing import Final

from registry.http.api import (
    admission,
    artifact,
    artifacts,
    contents,
    jobs,
    promotions,
    repositories,
    scans,
    verification,
    violations,
)
from registry.http.api.route import Route

READER_ROUTES: Final[tuple[Route, ...]] = (
    *repositories.ROUTES,
    *artifacts.ROUTES,
    *artifact.ROUTES,
    *contents.ROUTES,
    *promotions.ROUTES,
    *jobs.ROUTES,
    *scans.ROUTES,
    *violations.ROUTES,
    *admission.ROUTES,
    *verification.ROUTES,
)
