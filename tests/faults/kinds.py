"""Every kind of fault: it begins, lasts as long as its block, and ends; what was killed is started again then."""

from __future__ import annotations

import contextlib
import datetime
import random
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Final, NamedTuple

from tests.faults.installation import Installation, Storage

Begin = Callable[[Installation, random.Random], Iterator[None]]

MINUTE: Final = datetime.timedelta(minutes=1)


class Kind(NamedTuple):
    """One kind of fault. `refusals` says whether clients may be told 503, `breaks` whether they may see connections end."""

    name: str
    of: Storage | None
    begin: Callable[[Installation, random.Random], AbstractContextManager[None]]
    refusals: bool
    breaks: bool


KINDS: Final[dict[str, Kind]] = {}


def _kind(
    name: str, *, of: Storage | None = "bucket", refusals: bool = True, breaks: bool = True
) -> Callable[[Begin], Begin]:
    def enter(begin: Begin) -> Begin:
        KINDS[name] = Kind(name, of, contextlib.contextmanager(begin), refusals, breaks)
        return begin

    return enter


@_kind("S3 slow")
def _s3_slow(at: Installation, rng: random.Random) -> Iterator[None]:
    way, latency = at.bucket.way, rng.randint(50, 800)
    with (
        way.toxic("latency", "downstream", latency=latency, jitter=latency // 2),
        way.toxic("bandwidth", "downstream", rate=rng.choice((100, 1000, 10_000))),
    ):
        yield


@_kind("S3 silent")
def _s3_silent(at: Installation, rng: random.Random) -> Iterator[None]:
    with at.bucket.way.toxic("timeout", rng.choice(("upstream", "downstream")), timeout=0):
        yield


@_kind("S3 connections dead")
def _s3_dead(at: Installation, rng: random.Random) -> Iterator[None]:
    at.bucket.relay.freeze()
    yield


@_kind("S3 cut")
def _s3_cut(at: Installation, rng: random.Random) -> Iterator[None]:
    with at.bucket.way.toxic("reset_peer", rng.choice(("upstream", "downstream")), timeout=rng.randint(0, 200)):
        yield


@_kind("S3 connections truncated")
def _s3_limited(at: Installation, rng: random.Random) -> Iterator[None]:
    stream, limit = rng.choice(("upstream", "downstream")), rng.choice((200, 2000, 50_000, 1_000_000))
    with at.bucket.way.toxic("limit_data", stream, bytes=rng.randint(1, limit)):
        yield


@_kind("S3 answers truncated")
def _s3_truncated(at: Installation, rng: random.Random) -> Iterator[None]:
    with at.bucket.proxy.trouble("truncated", rng.choice((0.3, 0.8, 1.0)), rng):
        yield


@_kind("S3 answers 500")
def _s3_500(at: Installation, rng: random.Random) -> Iterator[None]:
    with at.bucket.proxy.trouble("500", rng.choice((0.3, 0.8, 1.0)), rng):
        yield


@_kind("S3 answers 503 SlowDown")
def _s3_503(at: Installation, rng: random.Random) -> Iterator[None]:
    with at.bucket.proxy.trouble("503", rng.choice((0.3, 0.8, 1.0)), rng):
        yield


@_kind("S3 down")
def _s3_down(at: Installation, rng: random.Random) -> Iterator[None]:
    with at.bucket.way.down():
        yield


@_kind("S3's clock 10 minutes off", refusals=False, breaks=False)
def _s3_clock_off(at: Installation, rng: random.Random) -> Iterator[None]:
    with at.bucket.proxy.clock(rng.choice((-10, 10)) * MINUTE):
        yield


@_kind("S3's clock an hour off")
def _s3_clock_far_off(at: Installation, rng: random.Random) -> Iterator[None]:
    with at.bucket.proxy.clock(rng.choice((-60, 60)) * MINUTE):
        yield


@_kind("PostgreSQL slow", of=None)
def _postgres_slow(at: Installation, rng: random.Random) -> Iterator[None]:
    latency = rng.randint(20, 400)
    with at.database_way.toxic("latency", "downstream", latency=latency, jitter=latency // 2):
        yield


@_kind("PostgreSQL silent", of=None)
def _postgres_silent(at: Installation, rng: random.Random) -> Iterator[None]:
    with at.database_way.toxic("timeout", rng.choice(("upstream", "downstream")), timeout=0):
        yield


@_kind("PostgreSQL connections dead", of=None)
def _postgres_dead(at: Installation, rng: random.Random) -> Iterator[None]:
    at.database_relay.freeze()
    yield


@_kind("PostgreSQL cut", of=None)
def _postgres_cut(at: Installation, rng: random.Random) -> Iterator[None]:
    with at.database_way.toxic("limit_data", rng.choice(("upstream", "downstream")), bytes=rng.randint(1, 20_000)):
        yield


@_kind("PostgreSQL down", of=None)
def _postgres_down(at: Installation, rng: random.Random) -> Iterator[None]:
    with at.database_way.down():
        yield


@_kind("`kill -9` of a node", of=None, refusals=False)
def _node_killed(at: Installation, rng: random.Random) -> Iterator[None]:
    node = rng.choice(at.nodes)
    node.kill_everything()
    try:
        yield
    finally:
        at.start_nodes([node])


@_kind("`kill -9` of both nodes", of=None)
def _nodes_killed(at: Installation, rng: random.Random) -> Iterator[None]:
    for node in at.nodes:
        node.kill_everything()
    try:
        yield
    finally:
        at.start_nodes()


@_kind("`kill -9` of PostgreSQL", of=None)
def _postgres_killed(at: Installation, rng: random.Random) -> Iterator[None]:
    at.kill_postgres()
    try:
        yield
    finally:
        at.postgres.start()


@_kind("`kill -9` of the S3 server")
def _s3_killed(at: Installation, rng: random.Random) -> Iterator[None]:
    at.bucket.server.kill()
    try:
        yield
    finally:
        at.bucket.server.start()


@_kind("disk full", of="disk")
def _disk_full(at: Installation, rng: random.Random) -> Iterator[None]:
    with at.disk.full(rng.choice((0, 10_000, 1_000_000))):
        yield
