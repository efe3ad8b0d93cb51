"""Rounds of the fault plan: traffic on two nodes while something between or below them fails, and a check of everything."""

from __future__ import annotations

import contextlib
import datetime
import itertools
import random
import shutil
import time
import traceback
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple

from tests.faults.checker import Checker
from tests.faults.disk import DiskUnavailable
from tests.faults.installation import Installation, Storage, installed
from tests.faults.kinds import KINDS, Kind
from tests.faults.ledger import Ledger
from tests.faults.recovery import LIMIT, recovered
from tests.faults.traffic import Traffic

ROUNDS_PER_INSTALLATION: Final = 25
UPLOAD_TTL: Final = 60  # seconds, the least there is

_NODES: Final[tuple[dict[str, object], ...]] = (
    {"server": "granian", "fast_lane": "true", "workers": 1, "redirect": "auto"},
    {"server": "hypercorn", "fast_lane": "false", "workers": 2, "redirect": "never"},
    {"server": "granian", "fast_lane": "false", "workers": 2, "redirect": "never"},
    {"server": "hypercorn", "fast_lane": "true", "workers": 1, "redirect": "auto"},
)
_SHOWN: Final = 10  # violations of a round
_WIDTH: Final = 1000  # characters of one
_AFTER: Final = 0.3  # seconds of traffic after everything works again


class Plan(NamedTuple):
    """One round: what fails, after how many seconds of traffic, and for how many."""

    number: int
    seed: str
    kinds: tuple[Kind, ...]
    delay: float
    duration: float

    @property
    def of(self) -> Storage:
        """The storage that the round needs."""
        return "disk" if any(kind.of == "disk" for kind in self.kinds) else "bucket"

    @property
    def refusals(self) -> bool:
        """Say whether clients may be told 503."""
        return any(kind.refusals for kind in self.kinds)

    @property
    def breaks(self) -> bool:
        """Say whether clients may see connections end."""
        return any(kind.breaks for kind in self.kinds)

    def __str__(self) -> str:
        return f"{' and '.join(kind.name for kind in self.kinds)} for {self.duration:.1f} s"


def plan(number: int, seed: str, *, brief: bool) -> Plan:
    """Return the plan of a round. As many rounds as there are kinds meet each; `brief` ones are short, with one fault each."""
    chosen = f"{seed}/{number}"
    rng = random.Random(chosen)
    every = list(KINDS.values())
    kinds = [every[number % len(every)]]
    if brief:
        return Plan(number, chosen, (kinds[0],), rng.uniform(0.1, 0.4), rng.uniform(0.4, 0.8))
    if rng.random() < 0.25 and kinds[0].of != "disk":
        kinds.append(rng.choice([kind for kind in every if kind.of != "disk" and kind is not kinds[0]]))
    duration = rng.uniform(0.5, 3) if rng.random() < 0.8 else rng.uniform(5, 20)
    return Plan(number, chosen, tuple(kinds), rng.uniform(0.2, 1), duration)


@dataclass
class Outcome:
    """What a run came to. `recoveries` are in seconds, by kind; `missing` says why a storage's rounds could not be played."""

    seed: str
    rounds: int = 0
    installations: int = 0
    acknowledged: int = 0
    unavailable: int = 0
    broken: int = 0
    seconds: float = 0.0
    recoveries: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    violations: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)


def play(place: Path, plans: Sequence[Plan], seed: str, say: Callable[[str], None], **settings: object) -> Outcome:
    """Play the rounds below `place`, where all nodes have `settings` beside their own; `say` gets a line for each.

    An installation in which nothing was wrong is removed.
    """
    outcome, begun = Outcome(seed), time.monotonic()
    for number, group in enumerate(_grouped(plans)):
        nodes = [{**_NODES[(2 * number + which) % len(_NODES)], **settings} for which in range(2)]
        party = _Party(place / f"i{number}", nodes, outcome, say)
        try:
            party.play(group)
        except DiskUnavailable as error:
            outcome.missing.append(f"{len(group)} rounds with a full disk: {error}")
        except Exception:  # noqa: BLE001 - what does not start or heal is an outcome, too, and the others still count
            party.ledger.violate(traceback.format_exc())
            say(f"    {party.ledger.violations[-1]}")
        finally:
            outcome.seconds = time.monotonic() - begun
            party.account()
        if not party.ledger.violations:
            shutil.rmtree(party.place)
    return outcome


def _grouped(plans: Sequence[Plan]) -> Iterable[list[Plan]]:
    for storage in ("bucket", "disk"):
        yield from _batches([plan for plan in plans if plan.of == storage])


def _batches(plans: list[Plan]) -> Iterable[list[Plan]]:
    return (plans[first:][:ROUNDS_PER_INSTALLATION] for first in range(0, len(plans), ROUNDS_PER_INSTALLATION))


def _is_surprising(line: dict[str, object]) -> bool:
    return "exception" in line or line["event"] == "an upload was given up: the storage has lost bytes of it"


class _Party:
    """An installation and its history."""

    def __init__(
        self, place: Path, nodes: Sequence[dict[str, object]], outcome: Outcome, say: Callable[[str], None]
    ) -> None:
        self.place = place
        self.ledger = Ledger()
        self._nodes = [{**node, "upload_ttl": UPLOAD_TTL, "log_level": "warning", "drain_timeout": 5} for node in nodes]
        self._outcome = outcome
        self._say = say

    def play(self, plans: Sequence[Plan]) -> None:
        """Play the rounds, then clean up and compare everything."""
        with installed(self.place, plans[0].of, self._nodes) as at:
            self._outcome.installations += 1
            for planned in plans:
                self._round(at, planned)
            self._finish(at)
            self._stop(at)
            self._read_logs(at)

    def account(self) -> None:
        """Enter what the ledger counted into the outcome."""
        self._outcome.acknowledged += self.ledger.acknowledged
        self._outcome.unavailable += self.ledger.unavailable
        self._outcome.broken += self.ledger.broken
        self._outcome.violations += self.ledger.violations

    def _round(self, at: Installation, planned: Plan) -> None:
        ledger, begun, known = self.ledger, time.monotonic(), len(self.ledger.violations)
        started = datetime.datetime.now(datetime.UTC)
        before = ledger.acknowledged, ledger.unavailable, ledger.broken
        with Traffic(ledger, at.ports, planned.seed, large=planned.of == "bucket"):
            time.sleep(planned.delay)
            ended = self._fail(at, planned)
            recovery = recovered(at, ledger, ended)
            time.sleep(_AFTER)
            over = time.monotonic()
        waited = time.monotonic() - over
        if waited > LIMIT:
            ledger.violate(f"{planned}: afterwards a client waited {waited:.1f} s for an answer")
        counted = ledger.acknowledged - before[0], ledger.unavailable - before[1], ledger.broken - before[2]
        if counted[1] and not planned.refusals:
            ledger.violate(f"{planned}: clients were told 503 {counted[1]} times: {self._reasons(at, started)}")
        if counted[2] and not planned.breaks:
            ledger.violate(f"{planned}: clients saw {counted[2]} connections end")
        with self._checker(at) as checker:
            checker.check(everything=False)
        self._outcome.rounds += 1
        for kind in planned.kinds:
            self._outcome.recoveries[kind.name].append(recovery)
        self._say(
            f"round {planned.number + 1} [{planned.seed}] {planned}: {counted[0]} acknowledged, {counted[1]} times 503,"
            f" {counted[2]} cut off, works again after {recovery:.1f} s, last answer after {waited:.1f} s,"
            f" {len(ledger.uploads)} uploads open, {time.monotonic() - begun:.1f} s, " + self._verdict(known)
        )

    def _fail(self, at: Installation, planned: Plan) -> float:
        """Let fail what is planned; return when that begins to end."""
        rng = random.Random(planned.seed)
        with contextlib.ExitStack() as stack:
            # Nodes are started last: they look for the others.
            for kind in sorted(planned.kinds, key=lambda kind: "node" not in kind.name):
                stack.enter_context(kind.begin(at, rng))
            time.sleep(planned.duration)
            return time.monotonic()

    def _finish(self, at: Installation) -> None:
        """Finish what was interrupted; then time passes, a start cleans up, and only blobs may be left."""
        known = len(self.ledger.violations)
        with self._checker(at) as checker:
            checker.finish_uploads()
            checker.check(everything=True)
            checker.age()
        self._stop(at)
        at.start_nodes()
        with self._checker(at) as checker:
            checker.compare_cleaned()
            checker.check(everything=False)
        self._say(f"{self.place.name}: {len(self.ledger.everything())} things read again, " + self._verdict(known))

    def _stop(self, at: Installation) -> None:
        codes = at.stop_nodes()
        if any(codes):
            self.ledger.violate(f"a stop ended with codes {codes}")

    def _read_logs(self, at: Installation) -> None:
        """Each line is JSON, and none tells of something that nobody expected."""
        for node in at.nodes:
            surprises = [line for line in node.log() if line["level"] != "warning" and _is_surprising(line)]
            for event, lines in itertools.groupby(surprises, key=lambda line: line["event"]):
                self.ledger.violate(f"{node.data.name} logged “{event}”: {str(next(lines))[:3000]}")

    def _reasons(self, at: Installation, since: datetime.datetime) -> list[dict[str, object]]:
        """Return what the nodes logged since then."""
        lines = [line for node in at.nodes for line in node.log()]
        return [line for line in lines if datetime.datetime.fromisoformat(line["timestamp"]) >= since]

    def _verdict(self, known: int) -> str:
        """Return what was found beyond the first `known` violations, in words."""
        found = self.ledger.violations[known:]
        if not found:
            return "all is well"
        return "\n    ".join([f"{len(found)} VIOLATIONS", *(violation[:_WIDTH] for violation in found[:_SHOWN])])

    def _checker(self, at: Installation) -> Checker:
        return Checker(self.ledger, at.ports, at.place, at.postgres.url, at.storage.stored)
