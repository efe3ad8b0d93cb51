"""Who somebody is: keys, tokens, sessions, identities, and what signs the audit log."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from registry.auth.audit_key import AuditKey
from registry.auth.gate import TokenGate
from registry.auth.identification import Identification
from registry.auth.keyring import Keyring
from registry.auth.passwords import Passwords
from registry.auth.proxied import ProxiedIdentities
from registry.auth.sealing import SecretKey, read_key
from registry.auth.sessions import Sessions
from registry.auth.throttle import LoginThrottle
from registry.auth.tokens import AccessTokens
from registry.config import Settings
from registry.core.audit_sealing import Sealer
from registry.core.limits import Counter, MemoryCounter
from registry.db.pool import Database
from registry.http.limits import Networks
from registry.jobs.sealing import Put
from registry.storage.base import BlobStore

if TYPE_CHECKING:
    from registry.auth.external_tokens import ExternalTokens
    from registry.auth.issuers import Issuers
    from registry.auth.login import Login
    from registry.auth.outgoing import Outgoing


@dataclass(frozen=True, slots=True)
class Doors:
    """What says who somebody is, of which there is one of each: what is counted by one is counted by all."""

    gate: TokenGate
    by_issuer: Login
    identification: Identification
    issuers: Issuers
    keyring: Keyring
    networks: Networks
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
        by_issuer=Login(issuers, outgoing, secret, MemoryCounter(), counter),
        identification=identification,
        issuers=issuers,
        keyring=keyring,
        networks=Networks(settings.trusted_proxies),
        passwords=passwords,
        proxied=proxied,
        secret=secret,
        sessions=create_sessions(settings, db),
        throttle=LoginThrottle(db, secret, MemoryCounter(), counter),
        tokens=tokens,
    )


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
