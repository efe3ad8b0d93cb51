"""Two servers that stand side by side, and what one costs relative to the other: GETs of a manifest, in turns."""

import base64
import json
from collections.abc import Callable, Mapping, Sequence
from statistics import median
from typing import NamedTuple
from urllib.parse import quote

from bench import wrk
from bench.payload import digest
from bench.report import table
from bench.servers import Server
from bench.wire import Connection

REPOSITORY = "bench/read"
ROUNDS = 5


class Side(NamedTuple):
    """A server by its name in the report, and the headers of its requests, made anew for each round."""

    name: str
    server: Server
    headers: Callable[[], Mapping[str, str]]


def rates(sides: Sequence[Side], content: bytes, seconds: int) -> dict[str, list[float]]:
    """Return GETs per second of `content` by its tag; the sides are taken in turns of `seconds`, and another is the first."""
    found: dict[str, list[float]] = {side.name: [] for side in sides}
    target = f"/v2/{REPOSITORY}/manifests/v1"
    for number in range(ROUNDS):
        turns = [(side, side.headers()) for side in sides]
        for side, headers in turns[:: -1 if number % 2 else 1]:
            found[side.name].append(wrk.rate(side.server.port, target, digest(content), len(content), seconds, headers))
            print(f"    {side.name:16} {found[side.name][-1]:10,.1f}", flush=True)
    return found


def relative(found: Mapping[str, Sequence[float]], base: str, other: str, how: str, bound: float) -> tuple[str, bool]:
    """Return a section on what `other` costs relative to `base`, and whether that is within the bound."""
    ratios = [ours / theirs for ours, theirs in zip(found[other], found[base], strict=True)]
    ratio = median(ratios)
    spread = f"{ratio:.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
    rows = table(
        ["", base, other, f"{other} relative to {base}"],
        [["manifest GET by tag, requests/s", f"{median(found[base]):,.0f}", f"{median(found[other]):,.0f}", spread]],
    )
    text = (
        f"Both servers are up and idle but for wrk, which takes them in turns, {ROUNDS} times each; {how} "
        f"Medians; that of the ratios of each round (the least to the greatest) is to be at least {bound}."
    )
    return f"{text}\n\n{rows}", ratio >= bound


def password(server: Server) -> str:
    """Return the first user's."""
    return (server.home / "data" / "initial-admin-password").read_text().strip()


def authorization(server: Server, actions: str) -> Mapping[str, str]:
    """Return the header of the first user, with a token for the repository."""
    basic = base64.b64encode(f"admin:{password(server)}".encode()).decode()
    target = f"/auth/token?service=blacklake&scope={quote(f'repository:{REPOSITORY}:{actions}')}"
    with Connection(server.port) as connection:
        answer = connection.request("GET", target, expect=200, headers={"Authorization": f"Basic {basic}"})
    return {"Authorization": f"Bearer {json.loads(answer.body)['token']}"}
