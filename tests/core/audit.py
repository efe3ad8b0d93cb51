"""An audit log with something in it, for tests of what becomes of it."""

from __future__ import annotations

from typing import Final

from registry.auth.audit_key import AuditKey
from registry.auth.sealing import SecretKey
from registry.core.access import CredentialKind
from registry.core.audit import Action, Actor, Event, Outcome, record
from registry.core.audit_sealing import Sealed, Sealer
from registry.core.audit_verification import Finding, Verification, Verified
from registry.db.pool import Connection, Database

KEY: Final = AuditKey(SecretKey(b"k" * 32))
OTHER_KEY: Final = AuditKey(SecretKey(b"o" * 32))
ALICE: Final = Actor(7, "alice", CredentialKind.KEY, "42", "192.0.2.1", "request-1")
BOB: Final = Actor(8, "bob", CredentialKind.PASSWORD, None, "2001:db8::1", "request-2")


def pull(target: str = "team/model:v1", *, actor: Actor = ALICE, outcome: Outcome = Outcome.DONE) -> Event:
    return Event(actor, Action.PULL, target, outcome)


async def happen(db: Database, *events: Event) -> None:
    """Record events, in one transaction."""

    async def act(conn: Connection) -> None:
        for event in events:
            await record(conn, event)

    await db.transaction("happen", act)


async def seal(db: Database, key: AuditKey = KEY) -> list[Sealed]:
    """Seal all that waits."""
    sealer, found = Sealer(db, key.sign), []
    while (sealed := await sealer.seal()) is not None:
        found.append(sealed)
    return found


async def sealed_batches(db: Database, *sizes: int) -> list[Sealed]:
    """Seal batches of so many events each: `team/model:1`, `:2` and so on."""
    number, found = 0, []
    for size in sizes:
        await happen(db, *(pull(f"team/model:{number + one}") for one in range(1, size + 1)))
        number += size
        found += await seal(db)
    return found


async def verified(db: Database, key: AuditKey = KEY) -> tuple[list[Finding], Verified]:
    findings: list[Finding] = []
    done = await Verification(db, key.verify).verify(findings.append)
    return findings, done
