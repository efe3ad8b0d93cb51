"""Events of the audit log: who did what, from where, by which credential, and what came of it (docs/audit.md).

A change records its event in its own transaction: it is in the log if and only if the change is in the database.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final

from registry.core.access import Caller, Credential, CredentialKind
from registry.db import audit
from registry.db.audit import EventRow
from registry.db.pool import Connection

DETAIL_LIMIT: Final = 4096
"""Bytes of an event's detail."""

_SHOWN: Final = 1000  # characters of a detail that has too many
_READ: Final = 16 << 10  # characters of a detail that are looked at: what clients send may be of any length
_LONGEST: Final = 512  # characters of any other text
# What a value may hold by mistake: keys and tokens of ours and of others that look alike, JWTs, what headers hold, passwords.
_SECRET: Final = re.compile(
    r"(\b[a-z]{3}_)[0-9A-Za-z_.-]{36,}"
    r"|(\beyJ)[\w-]{8,}(?:\.[\w-]*)*"
    r"|(\b(?i:basic|bearer)\s+)[\w.~+/=-]{8,}"
    r"|(://[^:/?#@\s'\"]{0,256}:)[^\s'\"]{0,256}(?=@)"  # bounded: from each `://` it is read on for an `@`
    r"|(\b(?i:password)=)[^&\s'\"]+"
    r"|(\"\w*(?i:password|secret|token)\":\s*\")(?:[^\"\\]|\\.)+",
    re.ASCII,
)
# Without `eyJ`, `://` and a member that is a text there is none of these in it: most values are such.
_PLAIN: Final = re.compile(r"[0-9A-Za-z/:@.,\"{}\[\]-]*")
_NOT_PLAIN: Final = ("eyJ", "://", '":"')
_JSON: Final = json.JSONEncoder(separators=(",", ":"), sort_keys=True)


class Action(StrEnum):
    """What is done."""

    USER_ADD = "user.add"
    ROBOT_ADD = "robot.add"
    PRINCIPAL_DISABLE = "principal.disable"
    PRINCIPAL_ENABLE = "principal.enable"
    PRINCIPAL_DELETE = "principal.delete"
    PASSWORD_CHANGE = "password.change"  # noqa: S105 - an action, not a password
    SERVICE_ADD = "service.add"
    KEY_ADD = "key.add"
    KEY_REVOKE = "key.revoke"
    TEAM_ADD = "team.add"
    TEAM_DELETE = "team.delete"
    MEMBER_ADD = "member.add"
    MEMBER_REMOVE = "member.remove"
    ROLE_ADD = "role.add"
    ROLE_DELETE = "role.delete"
    ORGANISATION_ADD = "organisation.add"
    GRANT_ADD = "grant.add"
    GRANT_REMOVE = "grant.remove"
    SCHEMA_ADD = "schema.add"
    SCHEMA_REMOVE = "schema.remove"
    SCHEMA_BIND = "schema.bind"
    SCHEMA_UNBIND = "schema.unbind"
    POLICY_SET = "policy.set"
    POLICY_REMOVE = "policy.remove"
    TRUST_ROOT_SET = "trust-root.set"
    TRUST_ROOT_REMOVE = "trust-root.remove"
    TAG_RULE_PUT = "tag-rule.put"
    TAG_RULE_REMOVE = "tag-rule.remove"
    STAGES_SET = "stages.set"
    STAGES_REMOVE = "stages.remove"
    STAGE_PROMOTE = "stage.promote"
    STAGE_ROLLBACK = "stage.rollback"
    STAGE_ROLL_FORWARD = "stage.roll-forward"
    PUBLICATION_DECIDE = "publication.decide"
    DIGESTS_DECIDE = "digests.decide"
    SCANS_DECIDE = "scans.decide"
    SCANS_ASK = "scans.ask"
    REPORTS_DECIDE = "reports.decide"
    QUARANTINE_DECIDE = "quarantine.decide"
    QUARANTINE_RELEASE = "quarantine.release"
    SCAN_KEY_ADD = "scan-key.add"
    LOGIN = "login"
    LOGOUT = "logout"
    TOKEN_GIVE = "token.give"  # noqa: S105 - an action, not a token
    SESSION_REUSE = "session.reuse"
    SESSION_START = "session.start"
    SESSION_REVOKE = "session.revoke"
    SIGNING_KEY_ADD = "signing-key.add"
    ISSUER_ADD = "issuer.add"
    ISSUER_REMOVE = "issuer.remove"
    TRUST_ADD = "trust.add"
    TRUST_REMOVE = "trust.remove"
    LINK_ADD = "link.add"
    LINK_REMOVE = "link.remove"
    MANIFEST_PUSH = "manifest.push"
    MANIFEST_DELETE = "manifest.delete"
    TAG_MOVE = "tag.move"
    TAG_DELETE = "tag.delete"
    BLOB_PUSH = "blob.push"
    BLOB_MOUNT = "blob.mount"
    BLOB_DELETE = "blob.delete"
    PULL = "pull"
    ACCESS = "access"
    ADMIN_READ = "admin.read"
    AUDIT_EXPORT = "audit.export"
    AUDIT_VERIFY = "audit.verify"
    AUDIT_PRUNE = "audit.prune"
    AUDIT_DROP = "audit.drop"


class Outcome(StrEnum):
    """What came of it."""

    DONE = "done"
    DENIED = "denied"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts, and from where. `principal_id` is None for who is no principal, such as `local:root`.

    `credential_id` is what names the credential, a key's number or a token's `jti`; never the credential itself.
    """

    principal_id: int | None
    principal: str
    credential_kind: CredentialKind
    credential_id: str | None = None
    address: str | None = None
    request_id: str | None = None


@dataclass(frozen=True, slots=True)
class Event:
    """What somebody did to a target. `detail` is JSON.

    What is too long is cut, what looks like a secret is masked, and what PostgreSQL can't hold is spelled out.
    """

    actor: Actor
    action: Action
    target: str
    outcome: Outcome = Outcome.DONE
    detail: Mapping[str, Any] = field(default_factory=dict)
    at: datetime = field(default_factory=lambda: datetime.now(UTC))


def actor_of(caller: Caller, *, address: str, request_id: str) -> Actor:
    """Return a caller as who acts, from an address, in a request."""
    kind, credential_id = caller.credential or Credential(CredentialKind.NONE)
    return Actor(caller.principal_id, caller.name or "anonymous", kind, credential_id, address, request_id)


REGISTRY: Final = Actor(None, "registry", CredentialKind.NONE)
"""The registry itself."""

SYSTEM: Final = Actor(None, "system:blacklake", CredentialKind.NONE)
"""The registry itself where it pushes what it has found out."""


def target_of(name: str, reference: object) -> str:
    """Return how events name what is in a repository: NAME:TAG or NAME@DIGEST."""
    text = str(reference)
    return f"{name}{'@' if ':' in text else ':'}{text}"


async def record(conn: Connection, *events: Event) -> None:
    """Record events in the transaction of `conn`: they wait for nobody, and are sealed when that has committed."""
    await audit.add(conn, [row_of(event) for event in events])


def row_of(event: Event) -> EventRow:
    """Return what is kept of an event: at most some 10 KiB."""
    actor = event.actor
    return EventRow(
        at=event.at,
        principal_id=actor.principal_id,
        principal=_kept(actor.principal),
        credential_kind=actor.credential_kind,
        credential_id=_kept(actor.credential_id) if actor.credential_id is not None else None,
        address=_kept(actor.address) if actor.address is not None else None,
        request_id=_kept(actor.request_id) if actor.request_id is not None else None,
        action=event.action,
        target=_kept(event.target),
        outcome=event.outcome,
        detail=_detail(event.detail),
    )


def _kept(text: str) -> str:
    if len(text) > _LONGEST:  # cut before it is looked at: a client may have sent megabytes
        text = text[:_LONGEST] + "…"
    return _without_secrets(text).encode(errors="backslashreplace").decode().replace("\0", "\\x00")


def _detail(detail: Mapping[str, Any]) -> str:
    whole = _JSON.encode(detail) if detail else "{}"
    text = _without_secrets(whole[:_READ])
    if len(whole) <= _READ and len(text) <= DETAIL_LIMIT:  # bytes: it is ASCII
        return text
    return _JSON.encode({"begins": text[:_SHOWN], "bytes": len(whole)})


def _without_secrets(text: str) -> str:
    if _PLAIN.fullmatch(text) and not any(part in text for part in _NOT_PLAIN):
        return text
    return _SECRET.sub(lambda found: f"{found[found.lastindex or 0]}***", text)
