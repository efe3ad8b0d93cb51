"""The only place where things are wired: it alone names concrete drivers."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Final, NamedTuple

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
from registry.auth.sealing import SecretKey, read_key
from registry.auth.sessions import Sessions
from registry.auth.throttle import LoginThrottle
from registry.auth.token_service import TokenService
from registry.auth.tokens import AccessTokens
from registry.config import Auth, Deletion, Redirect, Settings, Sparse, load_settings
from registry.core.access import Access
from registry.core.accounts import Accounts
from registry.core.audit_buffer import EventBuffer
from registry.core.audit_sealing import Sealer
from registry.core.blobs import Blobs
from registry.core.cleanup import Cleanup
from registry.core.contents import Contents
from registry.core.health import Health
from registry.core.identities import Identities
from registry.core.limits import Counter, MemoryCounter, RateLimit
from registry.core.manifests import Manifests
from registry.core.policy import DeletionRule, SparseRule
from registry.core.referrers import Referrers
from registry.core.repositories import Repositories
from registry.core.services import Services
from registry.core.tags import Tags
from registry.core.uploads import Uploads
from registry.datadir import forget_first_password
from registry.db.pool import Database
from registry.db.replicas import PATIENCE, Replicas
from registry.errors import Unavailable
from registry.http.app import create_app
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
    from registry.http.device import DeviceEndpoint
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
    router, pages = create_routers(settings, db, services, links, create_limits(settings, counter), counter, events)
    access = OpenAccess(external_url=settings.external_url, any_host=settings.insecure_open)
    app = create_app(services, router, access, pages)
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

    @app.after_serving
    async def stop() -> None:
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

    return Lane(router, app) if settings.fast_lane else app


def create_routers(
    settings: Settings,
    db: Database,
    services: Services,
    links: Links,
    limits: Limits | None,
    counter: Counter | None,
    events: EventBuffer | None,
) -> tuple[Router, Pages | None]:
    """Return what answers requests of programs and of people: to anybody, or to who is known. `counter` is what nodes share."""
    if events is None:
        open_access = OpenAccess(external_url=settings.external_url, any_host=settings.insecure_open)
        return Router(services, open_access, links, limits), None
    keyring = create_keyring(settings, db)
    tokens = AccessTokens(
        keyring, issuer=settings.token_service, service=settings.token_service, seconds=settings.token_seconds
    )
    networks = Networks(settings.trusted_proxies)
    logins = create_logins(settings, db, counter)
    service = create_token_service(settings, db, services, tokens, logins)
    endpoint = TokenEndpoint(service, keyring, networks, audience=settings.token_service)
    device = create_device_endpoint(db, service, networks, logins)
    router = Router(
        services,
        TokenGate(tokens, logins.identification, create_external_tokens(settings, logins.outgoing)),
        links,
        limits,
        challenges=Challenges(settings.external_url, settings.token_service, realm=settings.external_token_realm),
        own={
            (Resource.TOKEN, "GET"): endpoint.get,
            (Resource.TOKEN, "POST"): endpoint.post,
            (Resource.JWKS, "GET"): endpoint.keys,
            (Resource.DEVICE, "POST"): device.begin,
            (Resource.DEVICE_TOKEN, "POST"): device.token,
        },
        journal=Journal(events, networks),
    )
    return router, create_pages(settings, db, networks, limits, logins)


class Logins(NamedTuple):
    """What tokens and pages have in common: by what somebody proves who he is."""

    secret: SecretKey
    passwords: Passwords
    identification: Identification
    throttle: LoginThrottle
    outgoing: Outgoing
    issuers: Issuers
    by_issuer: Login


def create_logins(settings: Settings, db: Database, counter: Counter | None) -> Logins:
    """Return the ways to log in. Raise SecretKeyUnusable, OSError."""
    from registry.auth.issuers import Issuers  # httpx takes its time and memory
    from registry.auth.login import Login

    secret, passwords, outgoing = create_secret_key(settings), Passwords(), create_outgoing(settings)
    issuers = Issuers(db, outgoing)
    return Logins(
        secret,
        passwords,
        Identification(db, passwords),
        LoginThrottle(db, secret, MemoryCounter(), counter),
        outgoing,
        issuers,
        Login(issuers, outgoing, secret),
    )


def create_token_service(
    settings: Settings, db: Database, services: Services, tokens: AccessTokens, logins: Logins
) -> TokenService:
    """Return what gives out tokens."""
    return TokenService(
        db,
        tokens,
        services.access,
        logins.identification,
        logins.throttle,
        Sessions(
            db,
            logins.secret,
            service=settings.token_service,
            idle=settings.session_idle_seconds,
            longest=settings.session_seconds,
        ),
        Exchange(db, logins.issuers, service=settings.token_service),
    )


def create_device_endpoint(db: Database, service: TokenService, networks: Networks, logins: Logins) -> DeviceEndpoint:
    """Return the logins of terminals."""
    from registry.auth.linked import LinkedUsers
    from registry.http.device import DeviceEndpoint

    return DeviceEndpoint(logins.issuers, logins.by_issuer, LinkedUsers(db), service, networks)


def create_pages(settings: Settings, db: Database, networks: Networks, limits: Limits | None, logins: Logins) -> Pages:
    """Return the pages."""
    from registry.auth.browser_login import BrowserLogin
    from registry.http.pages.account import AccountPages
    from registry.http.pages.login import LoginPages
    from registry.http.pages.rendering import Rendering
    from registry.http.pages.router import Pages
    from registry.http.pages.site import Site

    site = Site(settings.external_url)
    rendering = Rendering(site)
    sessions = BrowserSessions(db, logins.secret, service=settings.token_service)
    browsers = BrowserLogin(db, logins.identification, logins.throttle, logins.by_issuer, sessions)
    login = LoginPages(site, rendering, browsers, logins.issuers, logins.by_issuer)
    account = AccountPages(
        site,
        rendering,
        Accounts(db),
        Identities(db),
        browsers,
        sessions,
        logins.passwords,
        lambda user: forget_first_password(settings.data_dir, user),
    )
    handlers = {**login.handlers, **account.handlers}
    return Pages(site, rendering, sessions, FormTokens(logins.secret), networks, limits, handlers)


def create_keyring(settings: Settings, db: Database) -> Keyring:
    """Return the keys that sign tokens. Raise SecretKeyUnusable."""
    return Keyring(db, create_secret_key(settings), algorithm=settings.token_algorithm, longest=settings.token_seconds)


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


def create_limits(settings: Settings, counter: Counter | None) -> Limits | None:
    """Return what counts requests; None where nobody does."""
    if not settings.rate_limit:
        return None
    rate = RateLimit(settings.rate_limit, MemoryCounter(), counter)
    return Limits(rate, Networks(settings.trusted_proxies))


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
        secure=(settings.external_url or "").startswith("https://"),
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
