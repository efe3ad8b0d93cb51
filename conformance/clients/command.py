"""`python -m conformance clients`: the matrix against servers of its own, or against one that runs."""

from __future__ import annotations

import argparse
import os
import re
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, get_args

from conformance.clients.matrix import CLIENTS, Outcome, run, table
from conformance.server import (
    NEWEST_PYTHON,
    THIS_PYTHON,
    Door,
    HttpServer,
    PythonMissing,
    Setup,
    Storage,
    program_of,
    serving,
)

_COMPLAINT: Final = re.compile(r'"level":"(?:error|critical)"|"status":5\d\d|^Traceback ')

_PAIRWISE: Final = ((0, 0, 0, 0), (0, 1, 1, 1), (1, 0, 1, 1), (1, 1, 0, 1), (1, 1, 1, 0))
"""Five rows in which every two columns hold every two values."""


def main(arguments: list[str]) -> int:
    """Run the matrix; return 1 when an outcome is bad."""
    parser = argparse.ArgumentParser(prog="python -m conformance clients", description=__doc__)
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--serve", action="store_true", help="start Blacklake in five setups, one after the other")
    where.add_argument("--setup", action="append", type=_setup, help="start it as DOOR,SERVER,PYTHON,STORAGE instead")
    where.add_argument("--url", metavar="HOST:PORT", help="take a registry that runs there and speaks plain HTTP")
    names = [client.name for client in CLIENTS]
    parser.add_argument("--only", action="append", choices=names, default=[], help="take this client; may be repeated")
    chosen = parser.parse_args(arguments)
    if chosen.url:
        return _end([(chosen.url, _against(chosen.url, chosen.url, chosen.only))])
    results, missing = [], False
    for setup in chosen.setup or pairwise():
        try:
            program_of(setup.python)
        except PythonMissing as error:
            print(f"{setup}: left out, {error}")
            missing = True
            continue
        with serving(setup) as server:
            outcomes = _against(str(setup), server.host, chosen.only)
            results.append((str(setup), [*outcomes, *complaints(server.log)]))
    code = _end(results)
    return 1 if missing and os.environ.get("CI") == "true" else code


def pairwise() -> list[Setup]:
    """Return setups in which every door meets every server, Python and storage, and so on for all pairs."""
    doors, servers, storages = get_args(Door), get_args(HttpServer), get_args(Storage)
    pythons = (THIS_PYTHON, NEWEST_PYTHON)
    return list(dict.fromkeys(Setup(doors[a], servers[b], pythons[c], storages[d]) for a, b, c, d in _PAIRWISE))


def complaints(log: Path) -> list[Outcome]:
    """Return a failure when a server's log holds an error, a traceback or an answer of 500 or more."""
    lines = log.read_text(errors="replace").splitlines()
    found = [line for line in lines if _COMPLAINT.search(line)]
    return [Outcome("server", "its log", "failed", "\n".join(found[:20]))] if found else []


def _setup(text: str) -> Setup:
    try:
        door, server, python, storage = text.split(",")
    except ValueError:
        raise argparse.ArgumentTypeError("it takes four values, as in lane,granian,3.11,file") from None
    return Setup(_one_of(Door, door), _one_of(HttpServer, server), python, _one_of(Storage, storage))


def _one_of(kind: object, text: str) -> Any:
    """Return the text; raise ArgumentTypeError unless the literal type has it."""
    if text not in get_args(kind):
        raise argparse.ArgumentTypeError(f"{text} is none of {', '.join(get_args(kind))}")
    return text


def _against(name: str, host: str, only: Sequence[str]) -> list[Outcome]:
    print(f"\n== {name}", flush=True)
    begun = time.monotonic()
    outcomes = run(host, only, lambda told: print(told, flush=True))
    print(f"-- {time.monotonic() - begun:.0f} s", flush=True)
    return outcomes


def _end(results: Sequence[tuple[str, Sequence[Outcome]]]) -> int:
    """Print the tables and what is bad, and return the exit code."""
    for name, outcomes in results:
        print(f"\n{name}\n{table(outcomes)}")
    bad = [(name, outcome) for name, outcomes in results for outcome in outcomes if outcome.bad]
    for name, outcome in bad:
        print(f"\nFAILED: {outcome.client}, {outcome.scenario} ({name})\n{outcome.reason}")
    count = sum(outcome.verdict == "ok" for _, outcomes in results for outcome in outcomes)
    print(f"\n{count} ok, {len(bad)} failed")
    return 1 if bad or not count else 0
