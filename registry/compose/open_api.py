"""The API of an open registry: what may be asked by whoever may pull."""

from __future__ import annotations

from typing import TYPE_CHECKING

from registry.auth.open_access import OpenAccess
from registry.config import Settings
from registry.core.services import Services
from registry.http.api.beside import Beside, Lazily
from registry.http.lane import App
from registry.http.limits import Limits, Networks
from registry.http.routes import Router

if TYPE_CHECKING:
    from quart import Quart


def add_open_api(
    app: App, settings: Settings, router: Router, services: Services, access: OpenAccess, limits: Limits
) -> App:
    """Return an application with the API beside it, which is made when somebody asks for it."""

    def make() -> Quart:
        from registry.http.api.app import create_api  # it takes its time and memory
        from registry.http.api.open_callers import OpenCallers
        from registry.http.api.reader_routes import READER_ROUTES
        from registry.http.api.reader_services import ReaderServices

        callers = OpenCallers(access, Networks(settings.trusted_proxies), limits)
        readers = ReaderServices(jobs=services.jobs, search=services.search, violations=services.violations)
        return create_api(router, callers, readers, READER_ROUTES)

    return Beside(Lazily(make), app)
