"""Switches: what a repository's operator asks for beyond what is done of itself. All of them are off until somebody says so."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Final, NamedTuple

from registry.core.audit import Action, Actor, Event, record
from registry.core.subjects import Target, parse_target, target_at
from registry.db import switches
from registry.db.pool import Connection, Database


class Switch(StrEnum):
    """What can be asked for."""

    PUBLISH = "publish"
    """Derived data is published as referrers (registry.core.publication)."""
    DIGESTS = "digests"
    """The bytes of tensors are digested (registry.core.digests)."""
    SCAN = "scan"
    """Artifacts are scanned (registry.core.scanning)."""
    REPORTS = "reports"
    """What scanners say is published as signed referrers (registry.core.reports)."""


_ACTIONS: Final = {
    Switch.PUBLISH: Action.PUBLICATION_DECIDE,
    Switch.DIGESTS: Action.DIGESTS_DECIDE,
    Switch.SCAN: Action.SCANS_DECIDE,
    Switch.REPORTS: Action.REPORTS_DECIDE,
}


class Decision(NamedTuple):
    """What was decided for a target, and when."""

    switch: str
    target: str
    is_on: bool
    decided_at: datetime


class Switches:
    """The verbs of who decides. Targets are as for grants, and the most specific decision for a repository holds."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def decide(self, switch: Switch, text: str, *, is_on: bool, actor: Actor) -> Target:
        """Switch on or off for what is described from now on, and return for what that is. Raise IdentityRefused."""
        target = parse_target(text)

        async def write(conn: Connection) -> None:
            await switches.decide(conn, switch, target.path, is_prefix=target.is_prefix, is_on=is_on)
            await record(conn, Event(actor, _ACTIONS[switch], str(target), detail={"on": is_on}))

        await self._db.transaction("decide_switch", write)
        return target

    async def listed(self) -> list[Decision]:
        """Return all that was decided, by switch and target."""
        rows = await self._db.read("list_switches", switches.listed)
        return [
            Decision(row.switch, str(target_at(row.target, is_prefix=row.is_prefix)), row.is_on, row.decided_at)
            for row in rows
        ]
