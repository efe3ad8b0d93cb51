"""What is decided of scans, of their publication and of quarantine, for the registry's administrators.

A decision holds from then on. For what is there already, its verbs go over a page of artifacts at each call: the first call
decides, those with `after` go on with that.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final, NamedTuple

from registry.core.audit import Actor
from registry.core.quarantine import Quarantine
from registry.core.rescans import ScanRequests
from registry.core.subjects import parse_target
from registry.core.switches import Switch, Switches
from registry.core.target_pages import Counted

_SWITCHES: Final = (Switch.SCAN, Switch.REPORTS)


class ScanRule(NamedTuple):
    """What was decided: `value` is `on` or `off`, of the rule `quarantine` a severity or `never`."""

    rule: str
    target: str
    value: str
    decided_at: datetime


class ScanRules:
    """The verbs of who decides."""

    def __init__(self, switches: Switches, quarantine: Quarantine, requests: ScanRequests) -> None:
        self._switches = switches
        self._quarantine = quarantine
        self._requests = requests

    async def listed(self) -> list[ScanRule]:
        """Return all that was decided, by rule and target."""
        found = [
            ScanRule(one.switch, one.target, "on" if one.is_on else "off", one.decided_at)
            for one in await self._switches.listed()
            if one.switch in _SWITCHES
        ]
        levels = await self._quarantine.levels()
        return found + [ScanRule("quarantine", target, level or "never", at) for target, level, at in levels]

    async def decide(self, rule: str, text: str, *, is_on: bool, actor: Actor, after: str | None = None) -> Counted:
        """Switch scans (`scan`), or their publication (`reports`), on or off.

        Where scans are on then, they are asked for of what is there, and of how many artifacts is returned.
        Raise IdentityRefused, PageInvalid.
        """
        target = parse_target(text)
        if after is None:
            await self._switches.decide(Switch(rule), text, is_on=is_on, actor=actor)
        if Switch(rule) is not Switch.SCAN or not is_on:
            return Counted(0, None)
        return await self._requests.ask(target, again=False, after=after)

    async def decide_level(self, text: str, level: str | None, *, actor: Actor, after: str | None = None) -> Counted:
        """Decide from which severity on artifacts are put into quarantine, and judge those that were scanned.

        Return for how many that changes anything. Raise IdentityRefused, PageInvalid.
        """
        target = parse_target(text)
        if after is None:
            await self._quarantine.decide(text, level, actor=actor)
        return await self._quarantine.judge(target, after)
