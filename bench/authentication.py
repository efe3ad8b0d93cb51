"""What it costs to ask who it is: Blacklake with tokens beside Blacklake that lets everybody in, in one run."""

import base64
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from statistics import median
from urllib.parse import quote

from bench import kinds, wrk
from bench.administration import admin
from bench.payload import digest
from bench.report import table
from bench.servers import Server, running
from bench.wire import Connection
from bench.work import seed

REPOSITORY = "bench/read"
ROUNDS = 5
BOUND = 0.85


def authentication(seconds: int, directory: Path) -> tuple[str, bool]:
    """Return what manifest GETs by tag cost with a token in every request, and whether that is within the bound.

    Both servers are up; they are measured in turns of `seconds`, ROUNDS times, and a different one is the first.
    """
    open_kind = kinds.ours()
    asking = replace(open_kind, environment={"BLACKLAKE_AUTH": "token"})
    rates: dict[str, list[float]] = {"open": [], "token": []}
    with running(open_kind, directory) as everybody, running(asking, directory) as guarded:
        admin(guarded, ["org", "add", REPOSITORY.partition("/")[0]])
        content, _ = seed(everybody.port, REPOSITORY)
        seed(guarded.port, REPOSITORY, _authorization(guarded, "pull,push"))
        for number in range(ROUNDS):
            turns: list[tuple[str, Server, Mapping[str, str]]] = [
                ("open", everybody, {}),
                ("token", guarded, _authorization(guarded, "pull")),
            ]
            for name, server, headers in turns[:: -1 if number % 2 else 1]:
                target = f"/v2/{REPOSITORY}/manifests/v1"
                rates[name].append(wrk.rate(server.port, target, digest(content), len(content), seconds, headers))
                print(f"    {name:16} {rates[name][-1]:10,.1f}", flush=True)
    return _text(rates["open"], rates["token"])


def _text(everybody: list[float], guarded: list[float]) -> tuple[str, bool]:
    ratios = [with_token / without for with_token, without in zip(guarded, everybody, strict=True)]
    ratio = median(ratios)
    spread = f"{ratio:.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
    title = "manifest GET by tag, requests/s"
    rows = table(
        ["", "open", "token", "token relative to open"],
        [[title, f"{median(everybody):,.0f}", f"{median(guarded):,.0f}", spread]],
    )
    how = (
        f"Both servers are up and idle but for wrk, which takes them in turns, {ROUNDS} times each; every request carries an "
        f"access token. Medians; that of the ratios of each round (the least to the greatest) is to be at least {BOUND}."
    )
    return f"{how}\n\n{rows}", ratio >= BOUND


def _authorization(server: Server, actions: str) -> Mapping[str, str]:
    """Return the header of the first user, with a token for the repository."""
    password = (server.home / "data" / "initial-admin-password").read_text().strip()
    basic = base64.b64encode(f"admin:{password}".encode()).decode()
    target = f"/auth/token?service=blacklake&scope={quote(f'repository:{REPOSITORY}:{actions}')}"
    with Connection(server.port) as connection:
        answer = connection.request("GET", target, expect=200, headers={"Authorization": f"Basic {basic}"})
    return {"Authorization": f"Bearer {json.loads(answer.body)['token']}"}
