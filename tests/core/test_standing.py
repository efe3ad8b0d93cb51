"""Who somebody is now, whatever his credential says."""

from __future__ import annotations

import pytest

from registry.core.access import ANONYMOUS_ID, EVERYONE, Access, Bound, Caller
from registry.core.identities import Identities
from registry.db.pool import Database
from registry.errors import AccessLost
from tests.actors import OPERATOR


async def test_who_is_no_principal_of_this_registry_has_no_standing(database: Database) -> None:
    """A token of another token server has no principal, which to the verbs is the operator: it must get no further."""
    foreign = Caller(None, "root", Bound({}, catalog=True, admin=True))
    for caller in (foreign, EVERYONE, Caller(ANONYMOUS_ID, ""), Caller(4711, "gone")):
        with pytest.raises(AccessLost):
            await Access(database).standing(caller)


async def test_standing_is_what_the_database_says_now(database: Database) -> None:
    identities, access = Identities(database), Access(database)
    for name in ("ada", "eve"):
        await identities.add_user(name, password_hash=None, is_admin=True, actor=OPERATOR)
    principal_id = await database.read(
        "find", lambda conn: conn.fetchval("SELECT id FROM principals WHERE name = 'ada'")
    )
    standing = await access.standing(Caller(principal_id, "ada"))
    assert (standing.kind, standing.name, standing.is_admin) == ("user", "ada", True)
    await identities.disable("ada", actor=OPERATOR)
    with pytest.raises(AccessLost):
        await access.standing(Caller(principal_id, "ada"))
