"""All routes of the API of a registry that knows its users."""

from __future__ import annotations

from typing import Final

from registry.http.api import (
    access,
    audit,
    grants,
    issuers,
    me,
    organisations,
    policies,
    robots,
    roles,
    scanning,
    schemas,
    service_accounts,
    signing_keys,
    stages,
    tag_rules,
    teams,
    users,
)
from registry.http.api.reader_routes import READER_ROUTES
from registry.http.api.route import Route

ROUTES: Final[tuple[Route, ...]] = (
    *(
        route
        for module in (
            me,
            users,
            robots,
            service_accounts,
            organisations,
            teams,
            roles,
            grants,
            access,
            issuers,
            signing_keys,
            scanning,
            schemas,
            policies,
            tag_rules,
            stages,
            audit,
        )
        for route in module.ROUTES
    ),
    *READER_ROUTES,
)
"""All that the API's document names."""
