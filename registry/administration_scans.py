"""Scans and quarantine, looked after in process: beside a running server, or alone. Targets are as for grants."""

from __future__ import annotations

import dataclasses
from collections.abc import Awaitable, Callable
from typing import Any

from registry.auth.scan_keys import ScanKeys
from registry.compose.doors import create_secret_key
from registry.compose.verbs import create_scanners
from registry.config import Settings
from registry.core.anchors import Anchors
from registry.core.quarantine import Quarantine
from registry.core.rescans import ScanRequests
from registry.core.scan_rules import ScanRules
from registry.core.subjects import parse_target
from registry.core.switches import Switches
from registry.core.target_pages import Counted
from registry.db.pool import Database
from registry.http.api.scan_models import AnchorFound, RuleFound
from registry.http.api.scans import told
from registry.http.parse import digest_of, name_of
from registry.in_process import local_actor, run

Rows = list[dict[str, Any]]

_PAGE = 1000


def decide_scans(settings: Settings, rule: str, target: str, *, is_on: bool) -> int:
    """Switch scans, or their publication, on or off; return how many artifacts will be scanned. Raise UpkeepFailed."""
    return run(
        settings,
        lambda db: _all(
            lambda after: _rules(settings, db).decide(rule, target, is_on=is_on, actor=local_actor(), after=after)
        ),
    )


def decide_quarantine(settings: Settings, target: str, level: str | None) -> int:
    """Decide from which severity on, None: never; return of how many artifacts that changes anything. Raise UpkeepFailed."""
    return run(
        settings,
        lambda db: _all(
            lambda after: _rules(settings, db).decide_level(target, level, actor=local_actor(), after=after)
        ),
    )


def scan_rules(settings: Settings) -> Rows:
    """Return what was decided of scans and of quarantine. Raise UpkeepFailed."""
    found = run(settings, lambda db: _rules(settings, db).listed())
    return [RuleFound.model_validate(one._asdict()).model_dump(mode="json") for one in found]


def ask_for_scans(settings: Settings, target: str, digest: str | None) -> int:
    """Have artifacts scanned again; return how many. Raise UpkeepFailed."""

    async def act(db: Database) -> int:
        wanted = digest_of(digest) if digest is not None else None
        return await _all(lambda after: _requests(settings, db).ask(parse_target(target), wanted, after=after))

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


async def _all(page: Callable[[str | None], Awaitable[Counted]]) -> int:
    """Go through all pages, and return the number of artifacts."""
    total, after = 0, None
    while True:
        found = await page(after)
        total, after = total + found.artifacts, found.next_after
        if after is None:
            return total


def _rules(settings: Settings, db: Database) -> ScanRules:
    return ScanRules(Switches(db), Quarantine(db), _requests(settings, db))


def _requests(settings: Settings, db: Database) -> ScanRequests:
    return ScanRequests(db, [one.name for one in create_scanners(settings)])
