"""Rounds of kill -9 in the middle of mixed pushes, each followed by a check of everything that was acknowledged."""

from __future__ import annotations

import itertools
import random
import shutil
import time
import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple

import psutil

from tests.faults.checker import Checker
from tests.faults.ledger import Ledger
from tests.faults.traffic import Traffic
from tests.lifecycle.serving import Registry

ROUNDS_PER_DIRECTORY: Final = 25
UPLOAD_TTL: Final = 60  # seconds, the least there is

VICTIMS: Final = ("everything", "the supervisor", "the HTTP main process", "a worker", "the postmaster", "a backend")
_SETTINGS: Final = tuple(itertools.product(("granian", "hypercorn"), (True, False), (1, 2)))
_SHOWN: Final = 10  # violations of a round
_WIDTH: Final = 1000  # characters of one
_AFTER: Final = 0.3  # seconds of traffic after the service has healed


class Plan(NamedTuple):
    """One round: how the registry runs, who is killed, and after how many seconds of traffic."""

    number: int
    seed: str
    server: str
    fast_lane: bool
    workers: int
    victim: str
    delay: float

    @property
    def settings(self) -> dict[str, object]:
        return {"server": self.server, "fast_lane": str(self.fast_lane).lower(), "workers": self.workers}

    def __str__(self) -> str:
        door = "fast lane" if self.fast_lane else "Quart"
        return f"{self.server}, {door}, workers {self.workers}, kill -9 of {self.victim} after {self.delay:.2f} s"


def plan(number: int, seed: str) -> Plan:
    """Return the plan of a round. 48 rounds meet every victim in every setting, 6 every victim."""
    chosen = f"{seed}/{number}"
    settings = _SETTINGS[(number + number // 24) % len(_SETTINGS)]
    return Plan(number, chosen, *settings, VICTIMS[number % len(VICTIMS)], random.Random(chosen).uniform(0.2, 1.8))


@dataclass
class Outcome:
    """What a run came to."""

    seed: str
    rounds: int = 0
    directories: int = 0
    acknowledged: int = 0
    unavailable: int = 0
    broken: int = 0
    seconds: float = 0.0
    kills: Counter[str] = field(default_factory=Counter)
    violations: list[str] = field(default_factory=list)


def soak(place: Path, rounds: int, seed: str, say: Callable[[str], None]) -> Outcome:
    """Run so many rounds below `place`; `say` gets a line for each. A directory in which nothing was wrong is removed."""
    outcome, begun = Outcome(seed), time.monotonic()
    for first in range(0, rounds, ROUNDS_PER_DIRECTORY):
        plans = [plan(number, seed) for number in range(first, min(first + ROUNDS_PER_DIRECTORY, rounds))]
        directory = _Directory(place / f"d{first // ROUNDS_PER_DIRECTORY}", outcome, say)
        try:
            directory.run(plans)
        except Exception:  # noqa: BLE001 - a start that fails is an outcome, too, and the other directories still count
            directory.ledger.violate(traceback.format_exc())
            say(f"    {directory.ledger.violations[-1]}")
        finally:
            outcome.directories += 1
            outcome.seconds = time.monotonic() - begun
            directory.account()
        if not directory.ledger.violations:
            shutil.rmtree(directory.data)
    return outcome


class _Directory:
    """A data directory and its history."""

    def __init__(self, data: Path, outcome: Outcome, say: Callable[[str], None]) -> None:
        self.data = data
        self.ledger = Ledger()
        self._outcome = outcome
        self._say = say
        self._registry = Registry(data, upload_ttl=UPLOAD_TTL, log_level="warning", drain_timeout=5)

    def run(self, plans: list[Plan]) -> None:
        """Play the rounds, then clean up and compare everything."""
        with self._registry:
            for planned, following in itertools.zip_longest(plans, plans[1:]):
                self._round(planned, following)
            self._finish()
            self._stop()

    def account(self) -> None:
        """Enter what the ledger counted into the outcome."""
        self._outcome.acknowledged += self.ledger.acknowledged
        self._outcome.unavailable += self.ledger.unavailable
        self._outcome.broken += self.ledger.broken
        self._outcome.violations += self.ledger.violations

    def _round(self, planned: Plan, following: Plan | None) -> None:
        registry, ledger, begun = self._registry, self.ledger, time.monotonic()
        known, acknowledged = len(ledger.violations), ledger.acknowledged
        unavailable, broken = ledger.unavailable, ledger.broken
        if registry.is_running and registry.settings != registry.settings | planned.settings:
            self._stop()
        if not registry.is_running:
            registry.configure(**planned.settings).start()
        with Traffic(ledger, registry.port, planned.seed):
            time.sleep(planned.delay)
            self._kill(planned)
        if not registry.is_running:  # The next round's settings: that saves a start.
            registry.configure(**(following or planned).settings).start()
        with self._checker() as checker:
            checker.check(everything=False)
        self._outcome.rounds += 1
        self._outcome.kills[planned.victim] += 1
        self._say(
            f"round {planned.number + 1} [{planned.seed}] {planned}: {ledger.acknowledged - acknowledged} acknowledged,"
            f" {ledger.unavailable - unavailable} times 503, {ledger.broken - broken} cut off,"
            f" {len(ledger.uploads)} uploads open, {time.monotonic() - begun:.1f} s, " + self._verdict(known)
        )

    def _kill(self, planned: Plan) -> None:
        registry = self._registry
        if planned.victim == "everything":
            registry.kill_everything()
        elif planned.victim == "the supervisor":
            registry.process.kill()
            registry.ended()
        else:
            victim = self._one(planned)
            victim.kill()
            registry.heal(victim, planned.workers)
            time.sleep(_AFTER)

    def _one(self, planned: Plan) -> psutil.Process:
        registry = self._registry
        main, postmaster = registry.http(), registry.postmaster()
        assert main is not None
        assert postmaster is not None
        choices: dict[str, list[psutil.Process]] = {
            "the HTTP main process": [main],
            "a worker": registry.workers(),
            "the postmaster": [postmaster],
            "a backend": registry.backends(),
        }
        return random.Random(planned.seed).choice(choices[planned.victim])

    def _finish(self) -> None:
        """Finish what was interrupted; then time passes, a start cleans up, and only blobs may be left."""
        registry, known = self._registry, len(self.ledger.violations)
        with self._checker() as checker:
            checker.finish_uploads()
            checker.check(everything=True)
            checker.age()
        self._stop()
        registry.start()
        with self._checker() as checker:
            checker.compare_cleaned()
            checker.check(everything=False)
        self._say(f"{self.data.name}: {len(self.ledger.everything())} things read again, " + self._verdict(known))

    def _verdict(self, known: int) -> str:
        """Return what was found beyond the first `known` violations, in words."""
        found = self.ledger.violations[known:]
        if not found:
            return "all is well"
        return "\n    ".join([f"{len(found)} VIOLATIONS", *(violation[:_WIDTH] for violation in found[:_SHOWN])])

    def _stop(self) -> None:
        if (code := self._registry.stop()) != 0:
            self.ledger.violate(f"a stop ended with code {code}:\n{self._registry.log_text()[-3000:]}")

    def _checker(self) -> Checker:
        return Checker(self.ledger, self._registry.port, self.data)
