"""`kill -9` of anything: what is left ends, what can heals by itself, and clients are never told anything wrong."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from tests.faults.checker import Checker
from tests.faults.ledger import Ledger
from tests.faults.traffic import Traffic
from tests.lifecycle.artifact import assert_served, push
from tests.lifecycle.conftest import assert_clean_log
from tests.lifecycle.serving import Registry, all_gone, lives
from tests.prepared import clone
from tests.setups import SERVERS, share

WORKERS = 2
UNDER_LOAD = 0.5
"""Seconds of traffic before a kill, and after the service has healed."""

VICTIMS: dict[str, Callable[[Registry], psutil.Process | None]] = {
    "HTTP main process": lambda registry: registry.http(),
    "worker": lambda registry: registry.workers()[0],
    "postmaster": lambda registry: registry.postmaster(),
    "backend": lambda registry: registry.backends()[0],
}


@pytest.fixture(scope="module", params=share(SERVERS, __name__))
def serving(
    made: Path, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[tuple[Registry, Ledger]]:
    """Return a registry that serves with two workers through all tests that kill a part of it, and what it must hold."""
    data = clone(made, tmp_path_factory.mktemp("serving") / "data")
    with Registry(data, server=request.param, workers=WORKERS) as registry:
        registry.start()
        yield registry, Ledger()
        assert registry.stop() == 0
    assert_clean_log(registry)


@pytest.mark.parametrize("name", VICTIMS)
def test_the_service_heals_under_load_from_the_kill_of_a(name: str, serving: tuple[Registry, Ledger]) -> None:
    registry, ledger = serving
    broken, acknowledged = ledger.broken, ledger.acknowledged
    with Traffic(ledger, registry.port, secrets.token_hex(4)):
        time.sleep(UNDER_LOAD)
        victim = VICTIMS[name](registry)
        assert victim is not None
        below = victim.children(recursive=True)
        victim.kill()
        registry.heal(victim, WORKERS)
        assert not any(map(lives, below))
        time.sleep(UNDER_LOAD)
    with Checker(ledger, registry.port, registry.data) as checker:
        checker.check(everything=True)
    assert ledger.violations == []
    assert ledger.acknowledged > acknowledged
    if name in ("postmaster", "backend"):
        assert ledger.broken == broken  # that PostgreSQL is away is said in words


def test_when_the_supervisor_is_killed_all_ends_and_a_new_start_serves_what_was_acknowledged(
    registry: Registry,
) -> None:
    registry.start()
    pushed = push(registry.url)
    family = registry.family()
    assert len(family) > 8
    registry.process.kill()
    registry.process.wait()
    all_gone(family)
    registry.start()
    assert_served(registry.url, pushed)
    assert registry.stop() == 0
