"""Scans and quarantine, looked after in process: beside a running server, or alone. Targets are as for grants."""

from __future__ import annotations

import dataclasses
from typing import Any

from registry.auth.scan_keys import ScanKeys
from registry.compose.doors import create_secret_key
from registry.compose.verbs import create_scanners
from registry.config import Settings
from registry.core.anchors import Anchors
from registry.core.quarantine import Quarantine
from registry.core.rescans import ScanRequests
from registry.core.subjects import parse_target
from registry.core.switches import Switch, Switches
from registry.db.pool import Database
from registry.http.api.scan_models import AnchorFound
from registry.http.api.scans import told
from registry.http.parse import digest_of, name_of
from registry.in_process import local_actor, run

Rows = list[dict[str, Any]]

_SWITCHES = (Switch.SCAN, Switch.REPORTS)
_PAGE = 1000


def decide_scans(settings: Settings, rule: str, target: str, *, is_on: bool) -> int:
    """Switch scans, or their publication, on or off; return how many artifacts will be scanned. Raise UpkeepFailed."""

    async def act(db: Database) -> int:
        decided = await Switches(db).decide(Switch(rule), target, is_on=is_on, actor=local_actor())
        if Switch(rule) is not Switch.SCAN or not is_on:
            return 0
        return await _requests(settings, db).ask(decided, again=False)

    return run(settings, act)


def decide_quarantine(settings: Settings, target: str, level: str | None) -> int:
    """Decide from which severity on, None: never; return of how many artifacts that changes anything. Raise UpkeepFailed."""

    async def act(db: Database) -> int:
        return (await Quarantine(db).decide(target, level, actor=local_actor()))[1]

    return run(settings, act)


def scan_rules(settings: Settings) -> Rows:
    """Return what was decided of scans and of quarantine. Raise UpkeepFailed."""

    async def act(db: Database) -> Rows:
        found = [
            {
                "rule": one.switch,
                "target": one.target,
                "value": "on" if one.is_on else "off",
                "decided_at": one.decided_at.isoformat(),
            }
            for one in await Switches(db).listed()
            if one.switch in _SWITCHES
        ]
        found += [
            {"rule": "quarantine", "target": target, "value": level or "never", "decided_at": decided_at.isoformat()}
            for target, level, decided_at in await Quarantine(db).levels()
        ]
        return found

    return run(settings, act)


def ask_for_scans(settings: Settings, target: str, digest: str | None) -> int:
    """Have artifacts scanned again; return how many. Raise UpkeepFailed."""

    async def act(db: Database) -> int:
        wanted = digest_of(digest) if digest is not None else None
        return await _requests(settings, db).ask(parse_target(target), wanted)

    return run(settings, act)


def quarantined(settings: Settings, repository: str | None) -> Rows:
    """Return what is in quarantine, and what was released from it, the newest first. Raise UpkeepFailed."""

    async def act(db: Database) -> Rows:
        found: Rows = []
        before: int | None = None
        name = name_of(repository) if repository is not None else None
        while True:
            page = await Quarantine(db).page(before=before, limit=_PAGE, repository=name)
            found += [told(row).model_dump(mode="json") for row in page.items]
            if page.next_after is None:
                return found
            before = int(page.next_after)

    return run(settings, act)


def release(settings: Settings, repository: str, digest: str, reason: str) -> None:
    """Release an artifact from quarantine. Raise UpkeepFailed."""

    async def act(db: Database) -> None:
        await Quarantine(db).release(name_of(repository), digest_of(digest), reason, actor=local_actor())

    run(settings, act)


def scan_keys(settings: Settings) -> Rows:
    """Return the keys that sign what scanners say. Raise UpkeepFailed."""
    found = run(settings, lambda db: Anchors(db).listed())
    return [AnchorFound(**dataclasses.asdict(one)).model_dump(mode="json") for one in found]


def rotate_scan_keys(settings: Settings, *, now: bool) -> str:
    """Make a key that signs from now on, and return its id. Raise UpkeepFailed."""

    async def act(db: Database) -> str:
        return await ScanKeys(db, create_secret_key(settings)).rotate(now=now, actor=local_actor())

    return run(settings, act)


def _requests(settings: Settings, db: Database) -> ScanRequests:
    return ScanRequests(db, [one.name for one in create_scanners(settings)])
