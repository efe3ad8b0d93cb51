"""Switches: what a repository's operator asks for beyond what is done of itself. All of them are off until somebody says so."""

from __future__ import annotations

from enum import StrEnum
from typing import Final, NamedTuple

from registry.core.audit import Action, Actor, Event, record
from registry.db import switches
from registry.db.pool import Connection, Database


class Switch(StrEnum):
    """What can be asked for."""

    PUBLISH = "publish"
    """Derived data is published as referrers (registry.core.publication)."""
    DIGESTS = "digests"
    """The bytes of tensors are digested (registry.core.digests)."""


_ACTIONS: Final = {Switch.PUBLISH: Action.PUBLICATION_DECIDE, Switch.DIGESTS: Action.DIGESTS_DECIDE}


class SwitchTarget(NamedTuple):
    """For what is decided: the repository of this name, or all whose names begin so."""

    text: str
    is_prefix: bool

    def __str__(self) -> str:
        return f"{self.text}*" if self.is_prefix else self.text


class Switches:
    """The verb that decides. The most specific decision for a repository holds."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def decide(self, switch: Switch, target: SwitchTarget, *, is_on: bool, actor: Actor) -> None:
        """Switch on or off for what is described from now on."""

        async def write(conn: Connection) -> None:
            await switches.decide(conn, switch, target.text, is_prefix=target.is_prefix, is_on=is_on)
            await record(conn, Event(actor, _ACTIONS[switch], str(target), detail={"on": is_on}))

        await self._db.transaction("decide_switch", write)
