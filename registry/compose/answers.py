"""What answers the requests of anybody, what limits requests, and where they are sent."""

from __future__ import annotations

from registry.auth.open_access import OpenAccess
from registry.auth.request_limits import RequestClass, RequestLimits
from registry.compose.webhooks import create_webhooks
from registry.config import Redirect, Settings
from registry.core.limits import Counter, MemoryCounter, RateLimit
from registry.core.services import Services
from registry.http.admin import AdminListener
from registry.http.app import create_admin_app
from registry.http.limits import Limits, Networks
from registry.http.links import Links
from registry.http.redirects import Redirects
from registry.http.routes import Router


def create_open_router(settings: Settings, services: Services, links: Links, limits: Limits) -> Router:
    """Return what answers everybody alike."""
    gate = create_open_access(settings)
    return Router(services, gate, links, limits, own=create_webhooks(settings, services, gate))


def create_open_access(settings: Settings) -> OpenAccess:
    """Return what keeps web pages away."""
    return OpenAccess(external_url=settings.external_url, any_host=settings.insecure_open)


def create_admin_listener(settings: Settings, services: Services) -> AdminListener | None:
    """Return what answers at a second address; None where there is none."""
    if settings.admin_address is None:
        return None
    # Whoever reaches the address is let in, but no web page of a name that leads to it.
    app = create_admin_app(services, OpenAccess(external_url=settings.external_url, any_host=True))
    return AdminListener(app, *settings.admin_address)


def create_limits(settings: Settings, counter: Counter | None) -> Limits:
    """Return what counts requests."""
    of_network = RateLimit(settings.rate_limit, MemoryCounter(), counter) if settings.rate_limit else None
    limits = {
        RequestClass.READ: settings.rate_limit_read,
        RequestClass.WRITE: settings.rate_limit_write,
        RequestClass.LOGIN: settings.rate_limit_login,
        RequestClass.ADMIN: settings.rate_limit_admin,
    }
    return Limits(Networks(settings.trusted_proxies), of_network, RequestLimits(limits, MemoryCounter(), counter))


def create_redirects(settings: Settings) -> Redirects | None:
    """Return who is sent to the storage; None where nobody is."""
    if settings.redirect is Redirect.NEVER:
        return None
    return Redirects(
        always=settings.redirect is Redirect.ALWAYS,
        spared=[agent.strip() for agent in settings.redirect_except.split(",") if agent.strip()],
        secure=settings.tls_cert_file is not None or (settings.external_url or "").startswith("https://"),
    )
