"""`python -m conformance clients`: the matrix against servers of its own, or against one that runs."""

from __future__ import annotations

import argparse
import os
import re
import time
from collections.abc import Sequence
from typing import Any, Final, get_args

from conformance.administration import Administration
from conformance.clients.matrix import CLIENTS, Outcome, run, table
from conformance.cluster import MISSING, Cluster, ClusterSetup, started
from conformance.server import (
    NEWEST_PYTHON,
    THIS_PYTHON,
    Auth,
    Door,
    HttpServer,
    Server,
    Setup,
    Storage,
    program_of,
)

_COMPLAINT: Final = re.compile(r'"level":"(?:error|critical)"|"status":5\d\d|^Traceback ')

_AT_ONCE: Final = 32
"""No more requests than that are ever on their way: four pushes at once, of five layers each, are the most."""

_PAIRWISE: Final = (
    (0, 0, 0, 0, 1),
    (0, 1, 1, 1, 0),
    (1, 0, 1, 1, 0),
    (1, 1, 0, 1, 0),
    (1, 1, 1, 0, 0),
    (1, 1, 1, 1, 1),
)
"""Six rows in which every two columns hold every two values."""


def main(arguments: list[str]) -> int:
    """Run the matrix; return 1 when an outcome is bad."""
    parser = argparse.ArgumentParser(prog="python -m conformance clients", description=__doc__)
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--serve", action="store_true", help="start six nodes and two clusters, one after the other")
    where.add_argument("--cluster", action="store_true", help="start the two clusters only")
    where.add_argument("--setup", action="append", type=_setup, help="start it as DOOR,SERVER,PYTHON,STORAGE,AUTH")
    where.add_argument("--url", metavar="HOST:PORT", help="take a registry that runs there and speaks plain HTTP")
    names = [client.name for client in CLIENTS]
    parser.add_argument("--only", action="append", choices=names, default=[], help="take this client; may be repeated")
    chosen = parser.parse_args(arguments)
    if chosen.url:
        return _end([(chosen.url, _against(chosen.url, chosen.url, chosen.only, None))])
    results, missing = [], False
    for setup in chosen.setup or [*([] if chosen.cluster else pairwise()), *clusters()]:
        try:
            program_of(setup.python)
            # Clients reach it also through proxies on other ports, which only relative Locations lead back to.
            with started(setup, external_url="") as server:
                outcomes = _against(str(setup), server.host, chosen.only, server.administration)
                results.append((str(setup), [*outcomes, *complaints(server)]))
        except MISSING as error:
            print(f"{setup}: left out, {error}")
            missing = True
    code = _end(results)
    return 1 if missing and os.environ.get("CI") == "true" else code


def pairwise() -> list[Setup]:
    """Return setups in which every door meets every server, Python, storage and way to ask, and so on for all pairs."""
    doors, servers, storages, auths = get_args(Door), get_args(HttpServer), get_args(Storage), get_args(Auth)
    pythons = (THIS_PYTHON, NEWEST_PYTHON)
    rows = (Setup(doors[a], servers[b], pythons[c], storages[d], auths[e]) for a, b, c, d, e in _PAIRWISE)
    return list(dict.fromkeys(rows))


def clusters() -> list[ClusterSetup]:
    """Return two clusters that differ in everything."""
    return [
        ClusterSetup("versitygw", "auto", "lane", "granian", THIS_PYTHON, "token"),
        ClusterSetup("minio", "never", "quart", "hypercorn", NEWEST_PYTHON),
    ]


def complaints(server: Server | Cluster) -> list[Outcome]:
    """Return what is wrong by the logs: an error, a traceback or a 5xx of a node, or nodes that took no turns."""
    found = []
    for node in server.nodes:
        lines = node.log.read_text(errors="replace").splitlines()
        if bad := [line for line in lines if _COMPLAINT.search(line)]:
            found.append(Outcome("server", "its log", "failed", "\n".join(bad[:20])))
    if isinstance(server, Cluster):
        print(f"-- {server.traffic()}", flush=True)
        if untrue := list(server.problems(_AT_ONCE)):
            found.append(Outcome("nginx", "its log", "failed", "\n".join(untrue)))
    return found


def _setup(text: str) -> Setup:
    try:
        door, server, python, storage, auth = text.split(",")
    except ValueError:
        raise argparse.ArgumentTypeError("it takes five values, as in lane,granian,3.11,file,token") from None
    return Setup(
        _one_of(Door, door), _one_of(HttpServer, server), python, _one_of(Storage, storage), _one_of(Auth, auth)
    )


def _one_of(kind: object, text: str) -> Any:
    """Return the text; raise ArgumentTypeError unless the literal type has it."""
    if text not in get_args(kind):
        raise argparse.ArgumentTypeError(f"{text} is none of {', '.join(get_args(kind))}")
    return text


def _against(name: str, host: str, only: Sequence[str], administration: Administration | None) -> list[Outcome]:
    print(f"\n== {name}", flush=True)
    begun = time.monotonic()
    outcomes = run(host, only, lambda told: print(told, flush=True), administration)
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
