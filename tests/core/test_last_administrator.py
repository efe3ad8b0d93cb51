"""Somebody can always do everything: the last one who may is neither disabled nor deleted, whoever tries at the same time."""

from __future__ import annotations

import asyncio

import pytest

from registry.core.identities import Identities
from registry.core.service_keys import ServiceKeys
from registry.db.pool import Database
from registry.errors import DelegationDenied, IdentityRefused
from tests.actors import OPERATOR, acting


@pytest.fixture
async def identities(database: Database) -> Identities:
    made = Identities(database)
    for name in ("ada", "eve", "bob"):
        await made.add_user(name, password_hash=None, is_admin=name != "bob", actor=OPERATOR)
    return made


async def ids(database: Database) -> dict[str, int]:
    rows = await database.read("ids", lambda conn: conn.fetch("SELECT name, id FROM principals"))
    return dict(map(tuple, rows))


async def test_the_last_administrator_is_neither_disabled_nor_deleted(identities: Identities) -> None:
    await identities.disable("eve", actor=OPERATOR)
    for verb in (identities.disable, identities.delete):
        with pytest.raises(IdentityRefused, match="ada is the last one who may do everything"):
            await verb("ada", actor=OPERATOR)
    await identities.disable("bob", actor=OPERATOR)
    await identities.delete("bob", actor=OPERATOR)
    await identities.delete("eve", actor=OPERATOR)  # a disabled one is nobody's last
    with pytest.raises(IdentityRefused):
        await identities.delete("ada", actor=OPERATOR)
    await identities.add_user("zoe", password_hash=None, is_admin=True, actor=OPERATOR)
    await identities.delete("ada", actor=OPERATOR)


async def test_of_a_change_of_which_a_part_is_refused_nothing_is_made(
    identities: Identities, database: Database
) -> None:
    async def kept() -> list[tuple[object, ...]]:
        rows = await database.read(
            "kept",
            lambda conn: conn.fetch(
                "SELECT password_hash, disabled_at IS NOT NULL, (SELECT count(*) FROM audit_inbox) FROM principals"
                " WHERE name = 'ada'"
            ),
        )
        return [tuple(row) for row in rows]

    await identities.disable("eve", actor=OPERATOR)
    ((_, _, events),) = await kept()
    with pytest.raises(IdentityRefused, match="last one"):
        await identities.change_user("ada", password_hash="other", is_disabled=True, actor=OPERATOR)
    assert await kept() == [(None, False, events)]
    await identities.change_user("eve", password_hash=None, is_disabled=False, actor=OPERATOR)
    await identities.change_user("ada", password_hash="other", is_disabled=True, actor=OPERATOR)
    assert await kept() == [("other", True, events + 3)]


async def test_a_service_that_may_do_everything_is_another_administrator(
    identities: Identities, database: Database
) -> None:
    await ServiceKeys(database).add_service("builder", is_admin=True, actor=OPERATOR)
    await identities.delete("ada", actor=OPERATOR)
    await identities.disable("eve", actor=OPERATOR)
    with pytest.raises(IdentityRefused):
        await identities.disable("builder", actor=OPERATOR)


async def test_two_who_disable_each_other_at_once_leave_one(identities: Identities, database: Database) -> None:
    known = await ids(database)
    found = await asyncio.gather(
        identities.disable("eve", actor=acting(known["ada"])),
        identities.disable("ada", actor=acting(known["eve"])),
        identities.disable("ada", actor=OPERATOR),
        identities.disable("eve", actor=OPERATOR),
        return_exceptions=True,
    )
    assert all(one is None or isinstance(one, (IdentityRefused, DelegationDenied)) for one in found), found
    left = await database.read(
        "left", lambda conn: conn.fetchval("SELECT count(*) FROM principals WHERE is_admin AND disabled_at IS NULL")
    )
    assert left == 1
