"""Organisations. Whatever changes rights in one first locks it and raises its epoch: such changes come one after the other."""

from __future__ import annotations

from typing import Final

from registry.db.pool import Connection

_ADD: Final = "INSERT INTO organisations (name) VALUES ($1) ON CONFLICT (name) DO NOTHING RETURNING id"
_FIND: Final = "SELECT id FROM organisations WHERE name = $1"
_CHANGE: Final = "UPDATE organisations SET rights_epoch = nextval('rights_epochs') WHERE name = $1 RETURNING id"


async def add(conn: Connection, name: str) -> int | None:
    """Record an organisation and return its id; None where there is one of this name."""
    found: int | None = await conn.fetchval(_ADD, name)
    return found


async def find(conn: Connection, name: str) -> int | None:
    """Return an organisation's id; None where there is none such."""
    found: int | None = await conn.fetchval(_FIND, name)
    return found


async def change(conn: Connection, name: str) -> int | None:
    """Lock an organisation, raise its epoch and return its id; None where there is none such."""
    found: int | None = await conn.fetchval(_CHANGE, name)
    return found
