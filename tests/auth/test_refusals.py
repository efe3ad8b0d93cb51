"""Logins that are refused are recorded, so many and no more, and how many more there were is told."""

from __future__ import annotations

import json

import asyncpg

from registry.auth.refusals import OF_A_NETWORK, OF_ALL, Refusals
from registry.core.access import Caller
from registry.core.audit import Action, Event, Outcome, actor_of
from registry.db.pool import Database
from tests.core.test_limits import Clock


def refused(network: str) -> Event:
    actor = actor_of(Caller(None, "somebody"), address=network, request_id="r")
    return Event(actor, Action.TOKEN_GIVE, "token", Outcome.DENIED, {"reason": "CredentialsWrong"})


async def recorded(sql: asyncpg.Connection) -> list[tuple[str, int]]:
    rows = await sql.fetch("SELECT address, detail FROM audit_inbox ORDER BY id")
    return [(row["address"], json.loads(row["detail"]).get("left_out", 0)) for row in rows]


async def test_one_network_leaves_so_many_and_others_are_heard_beside_it(
    database: Database, sql: asyncpg.Connection
) -> None:
    clock = Clock()
    refusals = Refusals(database, clock=clock)
    for _ in range(OF_A_NETWORK + 40):
        await refusals.note(refused("192.0.2.1"))
    assert await recorded(sql) == [("192.0.2.1", 0)] * OF_A_NETWORK
    await refusals.note(refused("192.0.2.2"))
    await refusals.note(refused("192.0.2.2"))
    assert (await recorded(sql))[OF_A_NETWORK:] == [("192.0.2.2", 40), ("192.0.2.2", 0)]
    clock.now += 60
    await refusals.note(refused("192.0.2.1"))
    assert (await recorded(sql))[-1] == ("192.0.2.1", 0)


async def test_many_networks_together_leave_no_more_than_all_may(database: Database, sql: asyncpg.Connection) -> None:
    refusals = Refusals(database, clock=Clock())
    for number in range(OF_ALL + 50):
        await refusals.note(refused(f"198.51.100.{number}"))
    assert len(await recorded(sql)) == OF_ALL
