"""What answers those who say who they are: the router, the token service, the pages and the admin API.

It takes its time and memory: an open registry imports nothing of it.
"""

from __future__ import annotations

from collections.abc import Callable

from mediatypes.endpoints import Resource
from registry.auth.browser_login import BrowserLogin
from registry.auth.browser_sessions import BrowserSessions
from registry.auth.exchange import Exchange
from registry.auth.form_tokens import FormTokens
from registry.auth.linked import LinkedUsers
from registry.auth.request_signatures import RequestSignatures
from registry.auth.scan_keys import ScanKeys
from registry.auth.token_service import TokenService
from registry.auth.trusted import Trusted
from registry.compose.doors import Doors, create_audit_key
from registry.compose.verbs import create_scanners
from registry.compose.webhooks import create_webhooks
from registry.config import Settings
from registry.core.api_keys import ApiKeys
from registry.core.audit_buffer import EventBuffer
from registry.core.audit_log import AuditLog
from registry.core.audit_retention import Retention
from registry.core.audit_verification import Verification
from registry.core.directory import Directory
from registry.core.explanations import Explanations
from registry.core.identities import Identities
from registry.core.policies import Policies
from registry.core.rescans import ScanRequests
from registry.core.roles import Roles
from registry.core.scan_rules import ScanRules
from registry.core.schemas import Schemas
from registry.core.service_keys import ServiceKeys
from registry.core.services import Services
from registry.core.stages import Stages
from registry.core.switches import Switches
from registry.core.tag_rules import TagRules
from registry.core.teams import Teams
from registry.core.trials import Trials
from registry.core.trust_roots import TrustRoots
from registry.datadir import forget_first_password
from registry.db.pool import Database
from registry.http.api.app import create_api
from registry.http.api.beside import Beside
from registry.http.api.callers import Callers
from registry.http.api.reader_services import readers
from registry.http.api.routes import ROUTES
from registry.http.api.services import AdminServices
from registry.http.challenges import Challenges
from registry.http.device import DeviceEndpoint
from registry.http.journal import Journal
from registry.http.lane import App
from registry.http.limits import Limits
from registry.http.links import Links
from registry.http.pages.account import AccountPages
from registry.http.pages.login import LoginPages
from registry.http.pages.rendering import Rendering
from registry.http.pages.router import Pages
from registry.http.pages.site import Site
from registry.http.redirects import Redirects
from registry.http.revocation import RevocationEndpoint
from registry.http.routes import Router
from registry.http.tokens import TokenEndpoint


def create_router(
    settings: Settings,
    db: Database,
    services: Services,
    links: Links,
    limits: Limits,
    doors: Doors,
    events: EventBuffer,
) -> Router:
    """Return what answers each as who he is."""
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
            **create_webhooks(settings, services, doors.gate),
        },
        journal=Journal(events, doors.networks),
    )


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
    app: App,
    settings: Settings,
    db: Database,
    router: Router,
    services: Services,
    doors: Doors,
    limits: Limits,
    redirects: Redirects | None,
) -> App:
    """Return an application with the admin API beside it."""
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
    requests = ScanRequests(db, [one.name for one in create_scanners(settings)])
    admin = AdminServices(
        **readers(services, redirects),
        api_keys=ApiKeys(db),
        audit_log=AuditLog(db),
        conformance=services.conformance,
        directory=Directory(db),
        explanations=Explanations(db),
        identification=doors.identification,
        identities=Identities(db),
        keyring=doors.keyring,
        passwords=doors.passwords,
        policies=Policies(db, services.asked),
        retention=Retention(db, audit_key.sign, audit_key.verify),
        roles=Roles(db),
        scan_keys=ScanKeys(db, doors.secret),
        scan_requests=requests,
        scan_rules=ScanRules(Switches(db), services.quarantine, requests),
        schemas=Schemas(db),
        secret_key=doors.secret,
        service_keys=ServiceKeys(db),
        sessions=doors.sessions,
        stages=Stages(db),
        tag_rules=TagRules(db),
        switches=Switches(db),
        teams=Teams(db),
        throttle=doors.throttle,
        trials=Trials(db, services.gathering, services.asked),
        trust_roots=TrustRoots(db, services.asked),
        trusted=Trusted(db),
        verification=Verification(db, audit_key.verify),
        on_password_change=on_password_change(settings),
    )
    return Beside(create_api(router, callers, admin, ROUTES, admin.audit_log.note), app)
