"""How long it takes to find artifacts: every query of docs/search.md, over a hundred thousand of them, by HTTP.

Who may see all asks, who may pull from a few repositories, and who is nobody, in turns, so that noise hits all alike. Of the
slowest queries PostgreSQL's plan is shown, of the very statements that the registry sent.
"""

import asyncio
import json
import re
import time
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median, quantiles
from urllib.parse import quote

import asyncpg

from bench import artifacts, kinds
from bench.administration import admin
from bench.errors import BenchmarkError
from bench.report import table
from bench.servers import Server, running
from bench.wire import Connection

BOUND = 50.0  # milliseconds, at the 95th percentile of each query
ROUNDS = 20
SHOWN = 2  # plans
PAGE = Path(__file__).parents[1] / "docs" / "search.md"
_TABLE = re.compile(r"^\| Query \|.*\n\|[-|]+\n((?:\|.*\n)+)", re.MULTILINE)
_SENT = re.compile(
    r"LOG:  duration: ([0-9.]+) ms  execute [^:]*: (.*?)(?=^[^\s].*? (?:LOG|DETAIL):  )", re.MULTILINE | re.DOTALL
)
_GIVEN = re.compile(r"DETAIL:  [Pp]arameters: (.*?)(?=^\d{4}-|\Z)", re.MULTILINE | re.DOTALL)
_PARAMETER = re.compile(r"\$\d+ = (NULL|'(?:[^']|'')*')")
_ASKED = re.compile(r"WITH asked AS \((.*?)\), counted AS", re.DOTALL)  # a query that ts_stat is given as a text
PATHS = {"items": "/api/v1/artifacts?limit=20&q=", "facets": "/api/v1/artifacts/facets?q="}


@dataclass(frozen=True)
class Asked:
    """What was asked, of what, by whom."""

    what: str
    query: str
    who: str


def search(rounds: int, number: int, directory: Path) -> tuple[str, bool]:
    """Return how long queries took over `number` artifacts, asked `rounds` times each, and whether that is within BOUND."""
    kind = replace(kinds.ours(), environment={"BLACKLAKE_AUTH": "token"})
    with running(kind, directory) as server:
        url = _database(server)
        headers = _readers(server)
        begun = time.monotonic()
        asyncio.run(artifacts.fill(url, number))
        filled = time.monotonic() - begun
        print(f"    {number:,} artifacts written in {filled:.0f} s", flush=True)
        _require_found(server, headers)
        times = _times(server, headers, rounds)
        slowest = sorted(times, key=lambda asked: _high(times[asked]), reverse=True)[:SHOWN]
        plans = [_plan(server, url, asked, headers[asked.who]) for asked in slowest]
    return _text(times, slowest, plans, number, filled)


def queries() -> list[str]:
    """Return the queries of the documentation, and that which asks for nothing."""
    return ["", *(row.split("`")[1] for rows in _TABLE.findall(PAGE.read_text()) for row in rows.splitlines())]


def _require_found(server: Server, headers: Mapping[str, Mapping[str, str]]) -> None:
    """Raise BenchmarkError unless each reader finds something: it would be quick to find nothing."""
    with Connection(server.port) as connection:
        for who, own in headers.items():
            answer = connection.request("GET", PATHS["items"], expect=200, headers=own)
            if not json.loads(answer.body)["items"]:
                raise BenchmarkError(f"{who} finds no artifact")


def _times(server: Server, headers: Mapping[str, Mapping[str, str]], rounds: int) -> dict[Asked, list[float]]:
    """Return the milliseconds of each request; the first of each is not counted, which reads from disk what others don't."""
    times: dict[Asked, list[float]] = defaultdict(list)
    with Connection(server.port) as connection:
        for turn in range(rounds + 1):
            for query in queries():
                for what, path in PATHS.items():
                    for who, own in headers.items():
                        begun = time.perf_counter()
                        connection.request("GET", path + quote(query), expect=200, headers=own)
                        taken = (time.perf_counter() - begun) * 1000
                        if turn:
                            times[Asked(what, query, who)].append(taken)
    return times


def _text(
    times: dict[Asked, list[float]], slowest: list[Asked], plans: list[str], number: int, filled: float
) -> tuple[str, bool]:
    rows = []
    for what in PATHS:
        for who in dict.fromkeys(asked.who for asked in times):
            own = {asked.query: found for asked, found in times.items() if (asked.what, asked.who) == (what, who)}
            together = [taken for found in own.values() for taken in found]
            worst = max(own, key=lambda query: _high(own[query]))
            figures = (median(together), _high(together), _high(own[worst]))
            rows.append([what, who, *(f"{figure:.1f}" for figure in figures), f"`{worst}`"])
    head = ["", "asked by", "median, ms", "95th percentile, ms", "of the slowest query, ms", "which is"]
    count = len(next(iter(times.values())))
    how = (
        f"{number:,} artifacts in {artifacts.REPOSITORIES} repositories of {artifacts.ORGANISATIONS} organisations, written"
        f" in {filled:.0f} s. Every query of [Search](search.md), {count} times each by HTTP, in turns by an administrator,"
        f" by a user who may pull from {artifacts.READABLE} repositories, and by nobody, to whom as many are open. The 95th"
        f" percentile of each query is to be below {BOUND:.0f} ms."
    )
    shown = [
        f"`{asked.query}` ({asked.what}, {asked.who}): {_high(times[asked]):.1f} ms\n\n```text\n{plan}\n```"
        for asked, plan in zip(slowest, plans, strict=True)
    ]
    is_good = all(_high(found) < BOUND for found in times.values())
    return "\n\n".join([how, table(head, rows), "The plans of the slowest:", *shown]), is_good


def _high(times: list[float]) -> float:
    return quantiles(times, n=20, method="inclusive")[-1] if len(times) > 1 else times[0]


def _readers(server: Server) -> dict[str, Mapping[str, str]]:
    """Return the headers by which each asks."""
    owners = ("admin", artifacts.READER)
    creations = [["apikey", "create", who, "--name", "bench"] for who in owners]
    _, *keys = admin(server, ["user", "add", artifacts.READER], *creations)
    found: dict[str, Mapping[str, str]] = {
        who: {"Authorization": f"Bearer {key}"} for who, key in zip(owners, keys, strict=True)
    }
    return found | {"anonymous": {}}


def _postgres(server: Server) -> Path:
    return server.home / "data" / "postgres"


def _database(server: Server) -> str:
    """Return the URL of the server's own PostgreSQL, as its pid file tells where it listens."""
    lines = (_postgres(server) / "postmaster.pid").read_text().splitlines()
    return f"postgresql://blacklake@/blacklake?host={quote(lines[4], safe='')}&port={lines[3]}"


def _plan(server: Server, url: str, asked: Asked, headers: Mapping[str, str]) -> str:
    """Return how PostgreSQL carries out the longest statement of a request, which it is let tell."""
    log = _postgres(server) / "postgres.log"
    asyncio.run(_execute(url, "ALTER SYSTEM SET log_min_duration_statement = 0", "SELECT pg_reload_conf()"))
    time.sleep(1)  # until all sessions have heard of it
    begin = log.stat().st_size
    with Connection(server.port) as connection:
        connection.request("GET", PATHS[asked.what] + quote(asked.query), expect=200, headers=headers)
    asyncio.run(_execute(url, "ALTER SYSTEM RESET log_min_duration_statement", "SELECT pg_reload_conf()"))
    said = log.read_bytes()[begin:].decode(errors="replace")
    statements = [
        (float(match[1]), match[2], match.end()) for match in _SENT.finditer(said) if "artifacts a" in match[2]
    ]
    if not statements:
        raise BenchmarkError("PostgreSQL has told no statement of a search")
    _, statement, end = max(statements)
    given = _GIVEN.search(said, end)
    return asyncio.run(_explained(url, statement, _PARAMETER.findall(given[1]) if given is not None else []))


async def _execute(url: str, *statements: str) -> None:
    conn = await asyncpg.connect(url)
    for statement in statements:
        await conn.execute(statement)
    await conn.close()


async def _explained(url: str, statement: str, parameters: list[str]) -> str:
    conn = await asyncpg.connect(url)
    plans = [await _explain(conn, statement, parameters)]
    if asked := _ASKED.search(statement):
        # EXPLAIN doesn't look into ts_stat: here is the text that it got, by the parameters that stand in it.
        count = len(re.findall(r"\$\d+::", asked[1]))
        await conn.execute(f"PREPARE asked AS {asked[1]}")
        query = await conn.fetchval(f"EXECUTE asked{_arguments(parameters[:count])}")
        plans += ["What ts_stat reads:", await _explain(conn, query, [])]
    await conn.close()
    return "\n\n".join(plans)


async def _explain(conn: "asyncpg.Connection[asyncpg.Record]", statement: str, parameters: list[str]) -> str:
    await conn.execute(f"PREPARE search AS {statement}")
    rows = await conn.fetch(f"EXPLAIN (ANALYZE, BUFFERS) EXECUTE search{_arguments(parameters)}")
    await conn.execute("DEALLOCATE search")
    return "\n".join(row[0] for row in rows)


def _arguments(parameters: list[str]) -> str:
    return f"({', '.join(parameters)})" if parameters else ""
