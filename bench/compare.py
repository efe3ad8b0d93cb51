"""The comparison: every server does the same work, in rounds that take turns, so that noise hits all alike."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from bench.errors import BenchmarkError
from bench.payload import large
from bench.servers import Kind, running
from bench.work import Measure, Payloads, Scale, measure, measures


@dataclass
class Outcome:
    """What came out: the figures of all rounds by server's name and measure's key, and what went wrong.

    `measures` are the rows of the report, in their order.
    """

    kinds: list[Kind]
    measures: dict[str, Measure]
    figures: dict[str, dict[str, list[float]]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(list)))
    notes: list[str] = field(default_factory=list)

    def keep(self, kind: Kind, figures: Iterable[tuple[str, float]]) -> None:
        """Keep figures as they come."""
        for key, figure in figures:
            self.figures[kind.name][key].append(figure)
            print(f"    {key:16} {figure:10,.1f}", flush=True)

    def note(self, sentence: str) -> None:
        """Keep a sentence about what could not be measured, once however many rounds say it."""
        if sentence not in self.notes:
            self.notes.append(sentence)
            print(f"    {sentence}", flush=True)


def compare(kinds: list[Kind], scale: Scale, directory: Path) -> Outcome:
    """Run all rounds; each server starts fresh in every round, and a different one is the first."""
    outcome = Outcome(kinds, measures(scale))
    payloads = Payloads(
        whole=large(directory, scale.big, 1)[0],
        parts=large(directory, scale.big // scale.streams, scale.streams),
    )
    for number in range(scale.rounds):
        turn = number % len(kinds)
        for kind in kinds[turn:] + kinds[:turn]:
            print(f"round {number + 1} of {scale.rounds}: {kind.name} {kind.version}", flush=True)
            try:
                with running(kind, directory) as server:
                    outcome.keep(kind, measure(server, scale, payloads, outcome.note))
            except (BenchmarkError, OSError) as error:
                outcome.note(f"{kind.name}: {error}")
    return outcome
