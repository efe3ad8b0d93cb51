"""What the API does for whoever may pull, in one place; an open registry has no more."""

from __future__ import annotations

from dataclasses import dataclass

from registry.core.jobs import Jobs
from registry.core.search import Search
from registry.core.violations import Violations


@dataclass(frozen=True, slots=True, kw_only=True)
class ReaderServices:
    """One object per noun."""

    jobs: Jobs
    search: Search
    violations: Violations
