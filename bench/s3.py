"""Blacklake and distribution v3 with their blobs in S3: by turns on one process of an S3 server, a bucket for each."""

import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from statistics import median
from urllib.parse import urlsplit

from bench import kinds, report
from bench.compare import Outcome
from bench.crowd import together
from bench.errors import BenchmarkError
from bench.payload import Payload, large
from bench.registry_client import check, stream_blob
from bench.servers import Kind, Server, running
from bench.uploads_memory import STREAMS, UploadsMemory, uploads_memory
from bench.wire import Connection
from bench.work import CLIENTS, LIMIT, MB, MIB, PULLS, Measure, Payloads, Scale, artifacts, pull, pull_one, push, take
from conformance.s3 import REGION, S3Failed, S3Server
from conformance.s3 import running as s3_running
from conformance.tools import ToolMissing, go_tool

ROUNDS = {"versitygw": 3, "minio": 1}  # of each S3 server
REDIRECTED = 15  # pulls, since those differ most
ARTIFACTS = 2  # of the whole benchmark's artifacts one in so many: each costs distribution dozens of requests to S3
UPLOAD = 512 * MIB  # bytes of each of the uploads during which memory is measured
_SENT = re.compile(r'^blacklake_sent_bytes_total\{endpoint="end-2"\} (\S+)$', re.MULTILINE)


def measures(scale: Scale) -> dict[str, Measure]:
    """Return the rows in their order, by the keys that a round yields."""
    big = f"{scale.big // MIB} MiB"
    return {
        "push": Measure(f"push of {big}, one request", "MB/s"),
        "stream": Measure(f"push of {big}, streamed", "MB/s"),
        "push-streams": Measure(f"push of {big} in {scale.streams} streams", "MB/s"),
        "pull": Measure(f"pull of {big} through the registry", "MB/s"),
        "redirect": Measure(f"pull of {big} by redirect", "MB/s"),
        "node": Measure("bytes of blobs sent by the registry for it", "bytes", more_is_better=False),
        "artifacts": Measure(
            f"push of {scale.artifacts // ARTIFACTS} artifacts, three blobs each, {CLIENTS} clients", "artifacts/s"
        ),
    }


def section(scale: Scale, directory: Path) -> tuple[str, bool]:
    """Measure, and return the section of the report and whether all of Blacklake's work was done in bounded memory."""
    parts = [_method()]
    is_good = True
    for name, most in ROUNDS.items():
        version, rounds = go_tool(name).version, min(most, scale.rounds)
        try:
            outcome = _on(name, rounds, scale, directory)
            memory = uploads_memory_on(name, directory, size=min(UPLOAD, scale.upload), streams=STREAMS)
        except (ToolMissing, S3Failed, BenchmarkError, OSError) as error:
            parts.append(f"Not measured on {name} {version}: {error}")
            is_good = False
            continue
        of = "one round" if rounds == 1 else f"median of {rounds} rounds (least-most)"
        parts += [
            f"### {name} {version}, {of}",
            report.figures(outcome),
            f"Relative to {kinds.BASE}; more than 1 is better:",
        ]
        parts += [report.ratios(outcome), *report.notes(outcome), memory.markdown()]
        is_good = is_good and memory.bounded and not any(note.startswith(kinds.OURS) for note in outcome.notes)
    return "\n\n".join(parts), is_good


def _method() -> str:
    return (
        "Blobs lie in S3, all else where each registry keeps it: Blacklake in PostgreSQL, distribution in S3 too. Both use "
        "the same process of an S3 server, which shares cores and disk with them, and a bucket of their own, emptied after "
        "their turn; who begins changes from round to round. A push in one request is a POST and a PUT with Content-Length; "
        "a streamed one a POST, a PATCH in chunks and a PUT. What was pushed is read back and its digest checked. The large "
        f"blob is pulled {PULLS} times with redirects off in both, then {REDIRECTED} times with redirects on, and the median "
        "counts: the client gets the bytes from S3 itself then; what the registry sent meanwhile is Blacklake's own count "
        "in `/metrics`."
    )


def uploads_memory_on(name: str, directory: Path, *, size: int, streams: int) -> UploadsMemory:
    """Upload that many blobs of a size in bytes at once into Blacklake on an S3 server."""
    with _bucket_owner(name, directory) as (s3, _), tempfile.TemporaryDirectory(dir=directory) as home:
        kind, _ = _ours(s3, s3.create_bucket(), Path(home))
        return uploads_memory(kind, directory, size=size, streams=streams)


@contextmanager
def _bucket_owner(name: str, directory: Path) -> Iterator[tuple[S3Server, Path]]:
    """Run an S3 server; yield it and the directory in which its buckets lie."""
    with tempfile.TemporaryDirectory(prefix="s3-", dir=directory) as home:
        buckets = Path(home, "buckets")
        buckets.mkdir()
        with s3_running(name, buckets) as s3:
            yield s3, buckets


def _on(name: str, rounds: int, scale: Scale, directory: Path) -> Outcome:
    whole, streamed = large(directory, scale.big, 2)
    payloads = Payloads(whole=whole, parts=large(directory, scale.big // scale.streams, scale.streams))
    outcome = Outcome([kinds.ours(), kinds.distribution_on("", "", redirects=False)], measures(scale))
    with _bucket_owner(name, directory) as (s3, buckets):
        for number in range(rounds):
            for turn in (_ours, _distribution)[:: -1 if number % 2 else 1]:
                bucket = s3.create_bucket()
                with tempfile.TemporaryDirectory(dir=directory) as home:
                    proxying, redirecting = turn(s3, bucket, Path(home))
                    print(f"{name}, round {number + 1} of {rounds}: {proxying.name} {proxying.version}", flush=True)
                    try:
                        with running(proxying, directory) as server:
                            outcome.keep(proxying, _proxied(server, scale, payloads, streamed, outcome.note))
                        with running(redirecting, directory) as server:
                            outcome.keep(redirecting, _redirected(server, scale, whole, outcome.note))
                    except (BenchmarkError, OSError) as error:
                        outcome.note(f"{proxying.name}: {error}")
                shutil.rmtree(buckets / bucket)
    return outcome


def _ours(s3: S3Server, bucket: str, home: Path) -> tuple[Kind, Kind]:
    """Return Blacklake without and with redirects, on the same data."""
    how = f"endpoint={s3.endpoint}&region={REGION}&path_style=true"
    proxying, redirecting = (kinds.ours_on(f"s3://{bucket}/?{how}", home, redirects=on) for on in (False, True))
    return proxying, redirecting


def _distribution(s3: S3Server, bucket: str, _: Path) -> tuple[Kind, Kind]:
    proxying, redirecting = (kinds.distribution_on(s3.endpoint, bucket, redirects=on) for on in (False, True))
    return proxying, redirecting


def _proxied(
    server: Server, scale: Scale, payloads: Payloads, streamed: Payload, note: Callable[[str], None]
) -> Iterator[tuple[str, float]]:
    steps: dict[str, Callable[[], float]] = {
        "push": partial(push, server, [payloads.whole]),
        "stream": partial(_stream, server, streamed),
        "push-streams": partial(push, server, payloads.parts),
        "pull": partial(pull, server, payloads.whole),
        "artifacts": partial(artifacts, server, scale.artifacts // ARTIFACTS),
    }
    yield from take(server, steps, measures(scale), note)


def stream_one(port: int, payload: Payload) -> None:
    """Stream one large blob: the work of one client."""
    with Connection(port) as connection:
        stream_blob(connection, "bench/large", payload)


def _stream(server: Server, payload: Payload) -> float:
    seconds = together(stream_one, [(server.port, payload)], limit=LIMIT)
    with Connection(server.port) as connection:
        check(connection, f"/v2/bench/large/blobs/{payload.digest}", payload.digest, payload.size)
    return payload.size / MB / seconds


def follow_one(port: int, target: str, size: int) -> None:
    """Get a blob from where the registry says that it is: the work of one client."""
    with Connection(port) as connection:
        answer = connection.request("GET", target, expect=307)
    pull_one(urlsplit(answer.headers["location"]).port or 80, answer.target("location"), size)


def _redirected(
    server: Server, scale: Scale, payload: Payload, note: Callable[[str], None]
) -> Iterator[tuple[str, float]]:
    job = (server.port, f"/v2/bench/large/blobs/{payload.digest}", payload.size)

    def rate() -> float:
        return payload.size / MB / median(together(follow_one, [job], limit=LIMIT) for _ in range(REDIRECTED))

    for figure in take(server, {"redirect": rate}, measures(scale), note):
        yield figure
        if server.kind.name == kinds.OURS:
            yield "node", _sent(server)


def _sent(server: Server) -> float:
    """Return the bytes of blobs that Blacklake has sent since its start."""
    with Connection(server.port) as connection:
        said = connection.request("GET", "/metrics", expect=200).body.decode()
    found = _SENT.search(said)
    return float(found[1]) if found else 0.0
