"""The work that every server gets, and what is measured of it."""

import json
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

from bench import wrk
from bench.crowd import together
from bench.errors import BenchmarkError, Unsupported, WrongAnswer
from bench.payload import Payload, digest, small
from bench.registry_client import check, manifest, push_blob, push_manifest
from bench.servers import Server
from bench.wire import Connection

MB = 1e6
MIB = 1 << 20
CLIENTS = 8
PAGE = 100
PULLS = 5  # of a large blob, whose median counts: one takes less than half a second
BLOB = 4096  # bytes of the small blob
LIMIT = 900.0  # seconds that any one piece of work may take


@dataclass(frozen=True)
class Scale:
    """How much work there is. Sizes are in bytes; `seconds` is how long wrk runs."""

    rounds: int
    seconds: int
    big: int
    streams: int
    artifacts: int
    tags: int
    upload: int


FULL = Scale(rounds=3, seconds=4, big=1 << 30, streams=16, artifacts=200, tags=10_000, upload=2 << 30)
QUICK = Scale(rounds=1, seconds=1, big=128 << 20, streams=16, artifacts=16, tags=300, upload=128 << 20)


@dataclass(frozen=True)
class Payloads:
    """What is pushed as large blobs: one of the whole size, and one per stream that together have that size."""

    whole: Payload
    parts: list[Payload]


@dataclass(frozen=True)
class Measure:
    """A row of the report; more is better unless it is a time or a size."""

    title: str
    unit: str
    more_is_better: bool = True


def measures(scale: Scale) -> dict[str, Measure]:
    """Return the rows in their order, by the keys that `measure` yields."""
    big, tags = f"{scale.big // MIB} MiB", f"{scale.tags:,} tags"
    return {
        "tag": Measure("manifest GET by tag", "requests/s"),
        "digest": Measure("manifest GET by digest", "requests/s"),
        "blob": Measure(f"blob GET, {BLOB // 1024} KiB", "requests/s"),
        "push": Measure(f"push of {big}, one stream", "MB/s"),
        "pull": Measure(f"pull of {big}, one stream", "MB/s"),
        "push-streams": Measure(f"push of {big} in {scale.streams} streams", "MB/s"),
        "artifacts": Measure(
            f"push of {scale.artifacts} artifacts, three blobs each, {CLIENTS} clients", "artifacts/s"
        ),
        "retag": Measure(f"push of one manifest under {tags}, {CLIENTS} clients", "requests/s"),
        "list": Measure(f"list of {tags}, whole", "ms", more_is_better=False),
        "pages": Measure(f"list of {tags}, {PAGE} a page", "ms", more_is_better=False),
        "idle": Measure("memory (PSS), idle", "MB", more_is_better=False),
        "loaded": Measure("memory (PSS), after the load", "MB", more_is_better=False),
        "idle-postgres": Measure("PostgreSQL's memory (PSS) beside it, idle", "MB", more_is_better=False),
        "loaded-postgres": Measure("PostgreSQL's memory (PSS) beside it, after the load", "MB", more_is_better=False),
    }


def measure(
    server: Server, scale: Scale, payloads: Payloads, note: Callable[[str], None]
) -> Iterator[tuple[str, float]]:
    """Do all the work on a server that was just started and yield (key, figure) as they come.

    What a server can't do or does wrong is noted in one sentence, and the work goes on.
    """
    yield from _memory(server, "idle")
    steps: dict[str, Callable[[], float]] = {
        **_reads(server, scale),
        "push": partial(push, server, [payloads.whole]),
        "pull": partial(pull, server, payloads.whole),
        "push-streams": partial(push, server, payloads.parts),
        "artifacts": partial(artifacts, server, scale.artifacts),
    }
    if server.kind.registry:
        steps["retag"] = partial(_retag, server, scale.tags)
        steps["list"] = partial(_list, server, scale.tags, "")
        steps["pages"] = partial(_list, server, scale.tags, f"?n={PAGE}")
    yield from take(server, steps, measures(scale), note)
    yield from _memory(server, "loaded")


def take(
    server: Server, steps: Mapping[str, Callable[[], float]], rows: Mapping[str, Measure], note: Callable[[str], None]
) -> Iterator[tuple[str, float]]:
    """Take steps and yield (key, figure) as they come; what a server can't do or does wrong is noted."""
    for key, step in steps.items():
        try:
            yield key, step()
        except (BenchmarkError, OSError) as error:
            note(f"{server.kind.name}, {rows[key].title}: {error}")


def _memory(server: Server, when: str) -> Iterator[tuple[str, float]]:
    usage = server.memory()
    yield when, usage.server / MB
    if usage.postgres:
        yield f"{when}-postgres", usage.postgres / MB


def seed(port: int, repository: str, headers: Mapping[str, str] | None = None) -> tuple[bytes, bytes]:
    """Push an artifact tagged `v1` with a config and two layers; return its manifest and its first layer.

    `headers` go with every request.
    """
    blobs = [small("seed", size) for size in (1024, BLOB, 2 * BLOB)]
    with Connection(port, headers) as connection:
        content = manifest([push_blob(connection, repository, blob) for blob in blobs])
        for reference in (digest(content), "v1"):
            push_manifest(connection, repository, reference, content)
    return content, blobs[1]


def _reads(server: Server, scale: Scale) -> dict[str, Callable[[], float]]:
    content, blob = seed(server.port, "bench/read")
    base = "/v2/bench/read"
    targets = {
        "tag": (f"{base}/manifests/v1", content),
        "digest": (f"{base}/manifests/{digest(content)}", content),
        "blob": (f"{base}/blobs/{digest(blob)}", blob),
    }
    return {
        key: partial(wrk.rate, server.port, target, digest(body), len(body), scale.seconds)
        for key, (target, body) in targets.items()
    }


def push_one(port: int, repository: str, payload: Payload) -> None:
    """Push one large blob: the work of one client."""
    with Connection(port) as connection:
        push_blob(connection, repository, payload)


def push(server: Server, payloads: list[Payload]) -> float:
    """Return the MB/s at which payloads are pushed at once, and check what is served then."""
    seconds = together(push_one, [(server.port, "bench/large", payload) for payload in payloads], limit=LIMIT)
    with Connection(server.port) as connection:
        for payload in payloads:
            check(connection, f"/v2/bench/large/blobs/{payload.digest}", payload.digest, payload.size)
    return sum(payload.size for payload in payloads) / MB / seconds


def pull_one(port: int, target: str, size: int) -> None:
    """Get a blob and count its bytes: the work of one client. Its digest was checked after the push."""
    length = 0

    def sink(piece: memoryview) -> None:
        nonlocal length
        length += len(piece)

    with Connection(port) as connection:
        connection.request("GET", target, expect=200, sink=sink)
    if length != size:
        raise WrongAnswer(f"{target} served {length} bytes instead of {size}.")


def pull(server: Server, payload: Payload) -> float:
    """Return the MB/s at which a blob that was pushed is pulled."""
    job = (server.port, f"/v2/bench/large/blobs/{payload.digest}", payload.size)
    seconds = [together(pull_one, [job], limit=LIMIT) for _ in range(PULLS)]
    return payload.size / MB / statistics.median(seconds)


def push_artifacts(port: int, numbers: range) -> None:
    """Push artifacts with a config and two layers of 1 to 64 KiB, all of their own: the work of one client."""
    with Connection(port) as connection:
        for number in numbers:
            sizes = [1024 * (1 + (number * 3 + part) * 37 % 64) for part in range(3)]
            blobs = [small(f"{number}.{part}", size) for part, size in enumerate(sizes)]
            content = manifest([push_blob(connection, "bench/artifacts", blob) for blob in blobs])
            push_manifest(connection, "bench/artifacts", f"v{number}", content)


def artifacts(server: Server, count: int) -> float:
    """Return the artifacts pushed per second, each with a config and two layers of its own."""
    seconds = together(push_artifacts, [(server.port, range(i, count, CLIENTS)) for i in range(CLIENTS)], limit=LIMIT)
    return count / seconds


def push_tags(port: int, content: bytes, numbers: range) -> None:
    """Push one manifest under many tags: the work of one client."""
    with Connection(port) as connection:
        for number in numbers:
            push_manifest(connection, "bench/tags", f"t{number:06}", content)


def _retag(server: Server, count: int) -> float:
    content, _ = seed(server.port, "bench/tags")
    jobs = [(server.port, content, range(i, count - 1, CLIENTS)) for i in range(CLIENTS)]  # one tag is there already
    return (count - 1) / together(push_tags, jobs, limit=LIMIT)


def _list(server: Server, count: int, query: str) -> float:
    """Return the milliseconds for a list of all tags, following links; raise Unsupported when pages are ignored."""
    found: list[str] = []
    with Connection(server.port) as connection:
        target = f"/v2/bench/tags/tags/list{query}"
        start = time.monotonic()
        while target and time.monotonic() - start < LIMIT:
            answer = connection.request("GET", target, expect=200)
            page = json.loads(answer.body)["tags"]
            if query and len(page) > PAGE:
                raise Unsupported(f"a page of {PAGE} was asked for and {len(page)} tags came.")
            found += page
            target = answer.target("link")
        milliseconds = (time.monotonic() - start) * 1000
    if len(set(found)) != count:
        raise WrongAnswer(f"{len(set(found))} tags are listed, there are {count}.")
    return milliseconds
