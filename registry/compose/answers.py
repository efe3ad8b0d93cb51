"""What answers requests: the router, the pages, the admin API, and what limits them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from mediatypes.endpoints import Resource
from registry.auth.browser_sessions import BrowserSessions
from registry.auth.exchange import Exchange
from registry.auth.form_tokens import FormTokens
from registry.auth.open_access import OpenAccess
from registry.auth.request_limits import RequestClass, RequestLimits
from registry.auth.token_service import TokenService
from registry.compose.doors import Doors, create_audit_key
from registry.config import Redirect, Settings
from registry.core.api_keys import ApiKeys
from registry.core.audit_buffer import EventBuffer
from registry.core.audit_log import AuditLog
from registry.core.audit_retention import Retention
from registry.core.audit_verification import Verification
from registry.core.directory import Directory
from registry.core.explanations import Explanations
from registry.core.identities import Identities
from registry.core.limits import Counter, MemoryCounter, RateLimit
from registry.core.roles import Roles
from registry.core.service_keys import ServiceKeys
from registry.core.services import Services
from registry.core.teams import Teams
from registry.datadir import forget_first_password
from registry.db.pool import Database
from registry.http.admin import AdminListener
from registry.http.app import create_admin_app
from registry.http.challenges import Challenges
from registry.http.journal import Journal
from registry.http.lane import App
from registry.http.limits import Limits, Networks
from registry.http.links import Links
from registry.http.redirects import Redirects
from registry.http.routes import Router
from registry.http.tokens import TokenEndpoint

if TYPE_CHECKING:
    from registry.http.pages.router import Pages


def create_router(
    settings: Settings,
    db: Database,
    services: Services,
    links: Links,
    limits: Limits,
    doors: Doors | None,
    events: EventBuffer | None,
) -> Router:
    """Return what answers requests: to anybody, or to who is known."""
    if events is None or doors is None:
        return Router(services, create_open_access(settings), links, limits)
    from registry.auth.linked import LinkedUsers
    from registry.http.device import DeviceEndpoint
    from registry.http.revocation import RevocationEndpoint

    service = create_token_service(settings, db, services, doors)
    endpoint = TokenEndpoint(service, doors.keyring, doors.networks, doors.proxied, audience=settings.token_service)
    device = DeviceEndpoint(doors.issuers, doors.by_issuer, LinkedUsers(db), service, doors.networks)
    return Router(
        services,
        doors.gate,
        links,
        limits,
        challenges=Challenges(
            settings.external_url,
            settings.token_service,
            realm=settings.external_token_realm,
            is_secure=settings.tls_cert_file is not None,
        ),
        own={
            (Resource.TOKEN, "GET"): endpoint.get,
            (Resource.TOKEN, "POST"): endpoint.post,
            (Resource.JWKS, "GET"): endpoint.keys,
            (Resource.DEVICE, "POST"): device.begin,
            (Resource.DEVICE_TOKEN, "POST"): device.token,
            (Resource.REVOKE, "POST"): RevocationEndpoint(doors.sessions, doors.networks).revoke,
        },
        journal=Journal(events, doors.networks),
    )


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


def create_token_service(settings: Settings, db: Database, services: Services, doors: Doors) -> TokenService:
    """Return what gives out tokens."""
    return TokenService(
        db,
        doors.tokens,
        services.access,
        doors.identification,
        doors.throttle,
        doors.sessions,
        Exchange(db, doors.issuers, service=settings.token_service),
    )


def create_pages(settings: Settings, db: Database, doors: Doors, limits: Limits) -> Pages:
    """Return the pages of people."""
    from registry.auth.browser_login import BrowserLogin
    from registry.http.pages.account import AccountPages
    from registry.http.pages.login import LoginPages
    from registry.http.pages.rendering import Rendering
    from registry.http.pages.router import Pages
    from registry.http.pages.site import Site

    site = Site(settings.external_url, is_secure=settings.tls_cert_file is not None)
    rendering = Rendering(site)
    sessions = BrowserSessions(db, doors.secret, service=settings.token_service)
    browsers = BrowserLogin(db, doors.identification, doors.throttle, doors.by_issuer, sessions)
    login = LoginPages(site, rendering, browsers, doors.issuers, doors.by_issuer)
    account = AccountPages(
        site,
        rendering,
        ApiKeys(db),
        Identities(db),
        browsers,
        doors.sessions,
        doors.passwords,
        on_password_change(settings),
    )
    handlers = {**login.handlers, **account.handlers}
    return Pages(site, rendering, sessions, FormTokens(doors.secret), doors.networks, limits, handlers)


def on_password_change(settings: Settings) -> Callable[[str], None]:
    """Return what is told whose password is another one now."""
    return lambda user: forget_first_password(settings.data_dir, user)


def add_admin_api(
    app: App, settings: Settings, db: Database, router: Router, services: Services, doors: Doors, limits: Limits
) -> App:
    """Return an application with the admin API beside it."""
    from registry.auth.request_signatures import RequestSignatures
    from registry.auth.trusted import Trusted
    from registry.http.api.app import Beside, create_api  # what validates and documents takes its time and memory
    from registry.http.api.callers import Callers
    from registry.http.api.services import AdminServices

    audit_key = create_audit_key(settings)
    callers = Callers(
        doors.gate,
        RequestSignatures(db),
        services.access,
        doors.networks,
        limits,
        external_url=settings.external_url,
        is_secure=settings.tls_cert_file is not None,
    )
    admin = AdminServices(
        api_keys=ApiKeys(db),
        audit_log=AuditLog(db),
        directory=Directory(db),
        explanations=Explanations(db),
        identification=doors.identification,
        identities=Identities(db),
        keyring=doors.keyring,
        passwords=doors.passwords,
        retention=Retention(db, audit_key.sign, audit_key.verify),
        roles=Roles(db),
        secret_key=doors.secret,
        service_keys=ServiceKeys(db),
        sessions=doors.sessions,
        teams=Teams(db),
        throttle=doors.throttle,
        trusted=Trusted(db),
        verification=Verification(db, audit_key.verify),
        on_password_change=on_password_change(settings),
    )
    return Beside(create_api(router, callers, admin), app)


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
