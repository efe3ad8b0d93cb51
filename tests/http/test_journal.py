"""One principal's denials crowd out nobody else's events."""

from __future__ import annotations

import json

import asyncpg

from mediatypes.endpoints import locate
from registry.core.access import Caller
from registry.core.audit_buffer import EventBuffer
from registry.db.pool import Database
from registry.errors import AccessMissing
from registry.http.call import Call
from registry.http.journal import DENIALS, Journal
from registry.http.limits import Networks

PATH = "/v2/team/model/manifests/v1"


async def nothing() -> dict[str, object]:
    return {"type": "http.disconnect"}


async def test_a_flood_of_denials_of_one_principal_is_counted_and_those_of_others_are_kept(
    database: Database, sql: asyncpg.Connection
) -> None:
    buffer = EventBuffer(database)
    journal = Journal(buffer, Networks(()))

    async def deny(caller: Caller) -> None:
        call = Call("GET", PATH, b"", [], nothing, "192.0.2.1")
        call.caller = caller
        call.actor = journal.actor_of(call)
        await journal.deny(call, locate(PATH), AccessMissing("team/model", ("pull",)))

    for _ in range(2 * DENIALS):
        await deny(Caller(7, "mallory"))
    await deny(Caller(8, "alice"))
    await deny(Caller(None, "of another token server"))
    await buffer.flush()
    rows = await sql.fetch("SELECT principal, action, detail FROM audit_inbox")
    kept = sum(row["principal"] == "mallory" for row in rows)
    (dropped,) = (json.loads(row["detail"])["dropped"] for row in rows if row["action"] == "audit.drop")
    assert kept + dropped == 2 * DENIALS
    assert kept >= DENIALS
    assert dropped > 0
    assert [row["principal"] for row in rows if row["action"] == "pull"][kept:] == ["alice", "of another token server"]
