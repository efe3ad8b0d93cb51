"""The only place where things are wired: it alone names concrete drivers."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from mediatypes.endpoints import Resource
from registry import metrics
from registry.auth.audit_key import AuditKey
from registry.auth.browser_sessions import BrowserSessions
from registry.auth.exchange import Exchange
from registry.auth.form_tokens import FormTokens
from registry.auth.gate import TokenGate
from registry.auth.identification import Identification
from registry.auth.keyring import Keyring
from registry.auth.open_access import OpenAccess
from registry.auth.passwords import Passwords
from registry.auth.proxied import ProxiedIdentities
from registry.auth.request_limits import RequestClass, RequestLimits
from registry.auth.sealing import SecretKey, read_key
from registry.auth.sessions import Sessions
from registry.auth.throttle import LoginThrottle
from registry.auth.token_service import TokenService
from registry.auth.tokens import AccessTokens
from registry.config import Auth, Deletion, Redirect, Settings, Sparse, load_settings
from registry.core.access import Access
from registry.core.api_keys import ApiKeys
from registry.core.audit_buffer import EventBuffer
from registry.core.audit_log import AuditLog
from registry.core.audit_retention import Retention
from registry.core.audit_sealing import Sealer
from registry.core.audit_verification import Verification
from registry.core.blobs import Blobs
from registry.core.cleanup import Cleanup
from registry.core.contents import Contents
from registry.core.directory import Directory
from registry.core.explanations import Explanations
from registry.core.health import Health
from registry.core.identities import Identities
from registry.core.limits import Counter, MemoryCounter, RateLimit
from registry.core.manifests import Manifests
from registry.core.policy import DeletionRule, SparseRule
from registry.core.referrers import Referrers
from registry.core.repositories import Repositories
from registry.core.roles import Roles
from registry.core.service_keys import ServiceKeys
from registry.core.services import Services
from registry.core.tags import Tags
from registry.core.teams import Teams
from registry.core.uploads import Uploads
from registry.datadir import forget_first_password
from registry.db.pool import Database
from registry.db.replicas import PATIENCE, Replicas
from registry.errors import Unavailable
from registry.http.admin import AdminListener
from registry.http.app import create_admin_app, create_app
from registry.http.challenges import Challenges
from registry.http.journal import Journal
from registry.http.lane import App, Lane
from registry.http.limits import Limits, Networks
from registry.http.links import Links
from registry.http.redirects import Redirects
from registry.http.routes import Router
from registry.http.tokens import TokenEndpoint
from registry.jobs.cleaning import clean_forever
from registry.jobs.sealing import Put, seal_forever, write_forever
from registry.jobs.watching import watch_forever
from registry.logs import configure_logging
from registry.storage.base import BlobStore
from registry.storage.filesystem import FilesystemStore
from registry.storage.memory import MemoryStore
from registry.storage_url import (
    AzureLocation,
    FileLocation,
    GoogleLocation,
    MemoryLocation,
    S3Location,
)

if TYPE_CHECKING:
    from registry.auth.external_tokens import ExternalTokens
    from registry.auth.issuers import Issuers
    from registry.auth.login import Login
    from registry.auth.outgoing import Outgoing
    from registry.db.redis import Redis
    from registry.http.pages.router import Pages

_REPLICA_CONNECTIONS: Final = 4  # of each worker to each replica


def create_asgi() -> App:
    """Return the ASGI application of one worker, by the settings in its environment."""
    settings = load_settings()
    configure_logging(settings.log_level)
    return create_server(settings)


def create_server(settings: Settings) -> App:
    """Return the ASGI application: Quart, and before it the lane for plain reads unless that is switched off."""
    assert settings.database_url is not None  # the supervisor sets it when PostgreSQL is embedded
    db = Database(
        settings.database_url,
        size=settings.database_pool_size,
        timeout=settings.database_timeout,
        pooled=settings.database_direct_url is not None,
    )
    store = create_store(settings)
    replicas = create_replicas(settings, db)
    redis = create_redis(settings)
    services = create_services(settings, db, store, replicas, redis)
    links = Links(settings.external_url, create_redirects(settings))
    counter = create_counter(redis)
    events = EventBuffer(db) if settings.auth is Auth.TOKEN else None
    doors = create_doors(settings, db, counter) if events is not None else None
    limits = create_limits(settings, counter)
    router = create_router(settings, db, services, links, limits, doors, events)
    pages = create_pages(settings, db, doors, limits).answer if doors is not None else None
    app = create_app(services, router, create_open_access(settings) if settings.auth is Auth.OPEN else None, pages)
    admin = create_admin_listener(settings, services)
    whole: App = app
    if doors is not None:
        whole = add_admin_api(whole, settings, db, router, services, doors, limits)
    tasks: list[asyncio.Task[None]] = []

    @app.before_serving
    async def start() -> None:
        await db.open()
        await replicas.open()
        metrics.watch_pool(lambda: db.usage)
        # Not one of Quart's background tasks: those are waited for, and this one never ends by itself.
        tasks.append(asyncio.create_task(clean_forever(services.cleanup)))
        if settings.database_replica_urls:
            tasks.append(asyncio.create_task(watch_forever(replicas)))
        if events is not None:
            tasks.append(asyncio.create_task(write_forever(events)))
            tasks.append(asyncio.create_task(seal_forever(create_sealer(settings, db), heads_of(store))))
        if admin is not None:
            await admin.start()

    @app.after_serving
    async def stop() -> None:
        if admin is not None:
            await admin.stop()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if events is not None:
            with contextlib.suppress(Unavailable):
                await events.flush()
        if redis is not None:
            await redis.close()
        await replicas.close()
        await db.close()
        await store.close()

    return Lane(router, whole) if settings.fast_lane else whole


@dataclass(frozen=True, slots=True)
class Doors:
    """What says who somebody is, of which there is one of each: what is counted by one is counted by all."""

    gate: TokenGate
    by_issuer: Login
    identification: Identification
    issuers: Issuers
    keyring: Keyring
    networks: Networks
    outgoing: Outgoing
    passwords: Passwords
    proxied: ProxiedIdentities | None
    secret: SecretKey
    sessions: Sessions
    throttle: LoginThrottle
    tokens: AccessTokens


def create_doors(settings: Settings, db: Database, counter: Counter | None) -> Doors:
    """Return what says who somebody is. `counter` is what nodes share. Raise SecretKeyUnusable, OSError."""
    from registry.auth.issuers import Issuers  # httpx takes its time and memory
    from registry.auth.login import Login

    secret, keyring, outgoing = create_secret_key(settings), create_keyring(settings, db), create_outgoing(settings)
    passwords, proxied = Passwords(), create_proxied(settings, db)
    identification = Identification(db, passwords)
    tokens = AccessTokens(
        keyring, issuer=settings.token_service, service=settings.token_service, seconds=settings.token_seconds
    )
    issuers = Issuers(db, outgoing)
    return Doors(
        gate=TokenGate(tokens, identification, create_external_tokens(settings, outgoing), proxied),
        by_issuer=Login(issuers, outgoing, secret),
        identification=identification,
        issuers=issuers,
        keyring=keyring,
        networks=Networks(settings.trusted_proxies),
        outgoing=outgoing,
        passwords=passwords,
        proxied=proxied,
        secret=secret,
        sessions=create_sessions(settings, db),
        throttle=LoginThrottle(db, secret, MemoryCounter(), counter),
        tokens=tokens,
    )


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

    site = Site(settings.external_url)
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


def create_keyring(settings: Settings, db: Database) -> Keyring:
    """Return the keys that sign tokens. Raise SecretKeyUnusable."""
    return Keyring(db, create_secret_key(settings), algorithm=settings.token_algorithm, longest=settings.token_seconds)


def create_sessions(settings: Settings, db: Database) -> Sessions:
    """Return the sessions of those who have logged in. Raise SecretKeyUnusable."""
    return Sessions(
        db,
        create_secret_key(settings),
        service=settings.token_service,
        idle=settings.session_idle_seconds,
        longest=settings.session_seconds,
    )


def create_secret_key(settings: Settings) -> SecretKey:
    """Return the installation's secret key. Raise SecretKeyUnusable."""
    return read_key(settings.secret_key_file or settings.data_dir / "secret-key")


def create_outgoing(settings: Settings) -> Outgoing:
    """Return what calls others. Raise OSError where `outgoing_ca_file` can't be read."""
    from registry.auth.addresses import Allowed
    from registry.auth.outgoing import Outgoing  # httpx takes its time and memory: only who calls others imports it

    return Outgoing(Allowed(settings.outgoing_allow), ca_file=settings.outgoing_ca_file)


def create_external_tokens(settings: Settings, outgoing: Outgoing) -> ExternalTokens | None:
    """Return what verifies the tokens of another token server; None where there is no such."""
    if settings.external_token_issuer is None:
        return None
    from registry.auth.external_tokens import ExternalTokens

    assert settings.external_token_keys_url is not None
    return ExternalTokens(
        outgoing,
        issuer=settings.external_token_issuer,
        service=settings.token_service,
        keys_url=settings.external_token_keys_url,
        kids=settings.external_token_kids,
    )


def create_proxied(settings: Settings, db: Database) -> ProxiedIdentities | None:
    """Return what knows whom trusted proxies name; None where there are no such."""
    if settings.trusted_identity_header is None:
        return None
    return ProxiedIdentities(db, header=settings.trusted_identity_header, proxies=settings.identity_proxies)


def create_sealer(settings: Settings, db: Database) -> Sealer:
    """Return what seals the audit log. Raise SecretKeyUnusable."""
    return Sealer(db, create_audit_key(settings).sign)


def heads_of(store: BlobStore) -> Put | None:
    """Return where heads of the audit log are put beside the blobs; None where the storage has no such place."""
    heads = getattr(store, "heads", None)
    return heads.put if heads is not None else None


def create_audit_key(settings: Settings) -> AuditKey:
    """Return what signs the audit log. Raise SecretKeyUnusable."""
    return AuditKey(create_secret_key(settings))


def create_replicas(settings: Settings, db: Database) -> Replicas:
    """Return the replicas of `db`. Each is tried once and for a second at most: the primary is the second attempt."""
    return Replicas(
        db,
        [
            Database(
                url,
                size=_REPLICA_CONNECTIONS,
                timeout=min(settings.database_timeout, PATIENCE),
                pooled=settings.database_direct_url is not None,
                attempts=1,
                what=f"replica {number} of the database",
                server="any",
            )
            for number, url in enumerate(settings.database_replica_urls, 1)
        ],
    )


def create_redis(settings: Settings) -> Redis | None:
    """Return the way to Redis; None where nothing is shared by it."""
    if settings.redis_url is None:
        return None
    from registry.db.redis import Redis  # its client takes its time and memory: only who needs it imports it

    return Redis(settings.redis_url)


def create_counter(redis: Redis | None) -> Counter | None:
    """Return what counts for all nodes; None where each counts for itself."""
    if redis is None:
        return None
    from registry.db.redis import RedisCounter

    return RedisCounter(redis)


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


def create_services(
    settings: Settings, db: Database, store: BlobStore, replicas: Replicas | None = None, redis: Redis | None = None
) -> Services:
    """Return the verbs over `db`, its `replicas` and Redis if there are any, and `store`."""
    replicas = replicas if replicas is not None else Replicas(db)
    shared = None
    if redis is not None:
        from registry.db.redis import RedisContents

        shared = RedisContents(redis)
    contents = Contents(replicas, cache_bytes=settings.cache_bytes, shared=shared)
    deletion = DeletionRule(
        enabled=settings.delete is not Deletion.OFF, asks_for_users=settings.delete is Deletion.REFUSE
    )
    sparse = SparseRule(children=settings.sparse is not Sparse.REFUSE, blobs=settings.sparse is Sparse.ALLOW)
    access = Access(db)
    return Services(
        access=access,
        blobs=Blobs(db, store, access, deletion),
        cleanup=Cleanup(db, store, upload_ttl=settings.upload_ttl),
        health=Health(db, store),
        manifests=Manifests(db, contents, access, sparse=sparse, deletion=deletion),
        referrers=Referrers(db),
        repositories=Repositories(db, replicas),
        tags=Tags(db, deletion),
        uploads=Uploads(db, store),
    )


def create_redirects(settings: Settings) -> Redirects | None:
    """Return who is sent to the storage; None where nobody is."""
    if settings.redirect is Redirect.NEVER:
        return None
    return Redirects(
        always=settings.redirect is Redirect.ALWAYS,
        spared=[agent.strip() for agent in settings.redirect_except.split(",") if agent.strip()],
        secure=settings.tls_cert_file is not None or (settings.external_url or "").startswith("https://"),
    )


def create_store(settings: Settings) -> BlobStore:
    """Return the driver that BLACKLAKE_STORAGE names."""
    match settings.storage_location:
        case MemoryLocation():
            return MemoryStore()
        case FileLocation(root):
            return FilesystemStore(root)
        case S3Location() as location:
            from registry.storage.s3 import S3Store  # boto3 takes its time and memory: only who needs it imports it

            return S3Store(location)
        case AzureLocation() | GoogleLocation() as location:
            from registry.storage.cloud import CloudStore  # likewise

            return CloudStore(location)
