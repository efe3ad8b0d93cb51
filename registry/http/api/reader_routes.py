"""The routes that show whoever may pull what there is; an open registry has no others."""

from __future__ import annotations

from typing import Final

from registry.http.api import artifacts, jobs, violations
from registry.http.api.route import Route

READER_ROUTES: Final[tuple[Route, ...]] = (*artifacts.ROUTES, *jobs.ROUTES, *violations.ROUTES)
