"""What it costs to ask who it is: Blacklake with tokens beside Blacklake that lets everybody in, in one run."""

from dataclasses import replace
from pathlib import Path

from bench import kinds
from bench.administration import admin
from bench.pairs import REPOSITORY, Side, authorization, rates, relative
from bench.servers import running
from bench.work import seed

BOUND = 0.85


def authentication(seconds: int, directory: Path) -> tuple[str, bool]:
    """Return what manifest GETs by tag cost with a token in every request, and whether that is within the bound."""
    open_kind = kinds.ours()
    asking = replace(open_kind, environment={"BLACKLAKE_AUTH": "token"})
    with running(open_kind, directory) as everybody, running(asking, directory) as guarded:
        admin(guarded, ["org", "add", REPOSITORY.partition("/")[0]])
        content, _ = seed(everybody.port, REPOSITORY)
        seed(guarded.port, REPOSITORY, authorization(guarded, "pull,push"))
        sides = [Side("open", everybody, dict), Side("token", guarded, lambda: authorization(guarded, "pull"))]
        found = rates(sides, content, seconds)
    return relative(found, "open", "token", "every request carries an access token.", BOUND)
