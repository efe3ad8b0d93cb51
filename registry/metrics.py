"""Metrics of all workers together, for Prometheus.

Each worker adds to files of its own in PROMETHEUS_MULTIPROC_DIR, and whichever answers the scrape sums them up. Labels
hold `end-N`, method and status, never names: their number is bounded whatever clients send.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

_METHODS: Final = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))
_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60, 600)
_registry: Final = CollectorRegistry()

_requests = Counter("blacklake_requests", "Requests answered.", ("endpoint", "method", "status"), registry=_registry)
_durations = Histogram(
    "blacklake_request_duration_seconds",
    "From a request's head to the end of its answer.",
    ("endpoint", "method"),
    buckets=_SECONDS,
    registry=_registry,
)
_received = Counter("blacklake_received_bytes", "Bytes of request bodies.", ("endpoint",), registry=_registry)
_sent = Counter("blacklake_sent_bytes", "Bytes of response bodies.", ("endpoint",), registry=_registry)
_in_flight = Gauge(
    "blacklake_in_flight_bytes",
    "Bytes of the bodies, where their sizes are known, of all requests that run.",
    registry=_registry,
    multiprocess_mode="livesum",
)
_transactions = Histogram(
    "blacklake_transaction_duration_seconds",
    "Named units of work on the database, with the wait for a connection.",
    ("name", "outcome"),
    buckets=_SECONDS,
    registry=_registry,
)
_uploads_open = Gauge(
    "blacklake_uploads_open", "Uploads not finished yet.", registry=_registry, multiprocess_mode="mostrecent"
)
_connections = Gauge(
    "blacklake_database_connections",
    "Connections to the database, by whether they are in use.",
    ("state",),
    registry=_registry,
    multiprocess_mode="livesum",
)
_replica_reads = Counter(
    "blacklake_replica_reads",
    "Reads that a replica of the database may answer, by who did; fallback: the primary, after a replica that could not.",
    ("answered_by",),
    registry=_registry,
)
_replica_lag = Gauge(
    "blacklake_replica_lag_seconds",
    "How old what a replica knows may be.",
    ("replica",),
    registry=_registry,
    multiprocess_mode="mostrecent",
)
_redis_operations = Counter(
    "blacklake_redis_operations",
    "What Redis was asked; skipped: it was not, since it does not answer.",
    ("operation", "outcome"),
    registry=_registry,
)
_audit_dropped = Counter(
    "blacklake_audit_dropped",
    "Events that the audit log lacks: the buffer was full, or they were too many denials.",
    registry=_registry,
)
_admissions = Counter(
    "blacklake_admissions",
    "What policies have decided where there are any, by what was asked for: pull (a manifest), blob, tag (a move).",
    ("gate", "decision"),
    registry=_registry,
)
_jobs = Histogram(
    "blacklake_job_duration_seconds",
    "Attempts at jobs, by kind and outcome: done, failed, again (it is tried again), back (the worker ended).",
    ("kind", "outcome"),
    buckets=_SECONDS,
    registry=_registry,
)
_scanner_up = Gauge(
    "blacklake_scanner_up",
    "Whether a scanner could be asked at the last look.",
    ("scanner",),
    registry=_registry,
    multiprocess_mode="mostrecent",
)
_jobs_unfinished = Gauge(
    "blacklake_jobs_unfinished",
    "Jobs that are queued or running, by kind.",
    ("kind", "state"),
    registry=_registry,
    multiprocess_mode="mostrecent",
)


class _Request(NamedTuple):
    """The time series that one kind of request adds to, looked up once."""

    request: Callable[[], None]
    duration: Callable[[float], None]
    received: Callable[[float], None]
    sent: Callable[[float], None]


_request_series: Final[dict[tuple[str, str, int], _Request]] = {}
_transaction_series: Final[dict[tuple[str, str], Callable[[float], None]]] = {}


class _Pool:
    """The connections of this process: told when their number changes."""

    def __init__(self) -> None:
        self.usage: Callable[[], tuple[int, int]] = lambda: (0, 0)
        self._told = (0, 0)
        self._used, self._idle = _connections.labels("used"), _connections.labels("idle")

    def tell(self) -> None:
        usage = self.usage()
        if usage != self._told:
            self._told = in_use, opened = usage
            self._used.set(in_use)
            self._idle.set(opened - in_use)


_pool: Final = _Pool()


def observe_request(endpoint: str, method: str, status: int, seconds: float, received: int, sent: int) -> None:
    """Count a request; `received` and `sent` are the bytes of the bodies."""
    series = _request_series.get((endpoint, method, status)) or _series_of_request(endpoint, method, status)
    series.request()
    series.duration(seconds)
    if received:
        series.received(received)
    if sent:
        series.sent(sent)


def add_in_flight(size: int) -> None:
    """Count the bytes of a body that will be transferred; negative when it was, or was given up."""
    if size:
        _in_flight.inc(size)


def observe_transaction(name: str, outcome: str, seconds: float) -> None:
    """Count a unit of work on the database."""
    observe = _transaction_series.get((name, outcome))
    if observe is None:
        observe = _transaction_series[name, outcome] = _transactions.labels(name, outcome).observe
    observe(seconds)
    _pool.tell()


def count_replica_read(answered_by: str) -> None:
    """Count a read that a replica may answer: `replica`, `fallback` or `primary` did."""
    _replica_reads.labels(answered_by).inc()


def set_replica_lag(replica: int, seconds: float) -> None:
    """Tell how old what a replica knows may be; infinity where nobody knows."""
    _replica_lag.labels(str(replica)).set(seconds)


def count_redis_operation(operation: str, outcome: str) -> None:
    """Count a question to Redis: `done`, `nothing` (found), `failed`, or `skipped`."""
    _redis_operations.labels(operation, outcome).inc()


def count_audit_dropped() -> None:
    """Count an event that the audit log will lack."""
    _audit_dropped.inc()


def count_admission(gate: str, decision: str) -> None:
    """Count a decision of policies: admitted, observed, warned, denied, spared (who may push), or undecided."""
    _admissions.labels(gate, decision).inc()


def set_uploads_open(count: int) -> None:
    """Tell the number of open uploads of the whole registry, as the database counts them."""
    _uploads_open.set(count)


def observe_job(kind: str, outcome: str, seconds: float) -> None:
    """Count an attempt at a job."""
    _jobs.labels(kind, outcome).observe(seconds)


def set_jobs_unfinished(kind: str, state: str, count: int) -> None:
    """Tell the number of jobs of the whole registry that are queued or running, as the database counts them."""
    _jobs_unfinished.labels(kind, state).set(count)


def set_scanner_up(scanner: str, *, is_up: bool) -> None:
    """Tell whether a scanner could be asked at the last look."""
    _scanner_up.labels(scanner).set(is_up)


def watch_pool(usage: Callable[[], tuple[int, int]]) -> None:
    """Tell the connections of this process from now on; `usage` returns those in use and those open."""
    _pool.usage = usage


def exposition() -> bytes:
    """Return the metrics of all workers, in the text format that CONTENT_TYPE names."""
    _pool.tell()
    directory = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
    if directory is None:
        return generate_latest(_registry)
    _forget_dead_workers(Path(directory))
    everyone = CollectorRegistry()
    MultiProcessCollector(everyone, directory)  # type: ignore[no-untyped-call]
    return generate_latest(everyone)


def _series_of_request(endpoint: str, method: str, status: int) -> _Request:
    known = method if method in _METHODS else "other"
    series = _Request(
        _requests.labels(endpoint, known, str(status)).inc,
        _durations.labels(endpoint, known).observe,
        _received.labels(endpoint).inc,
        _sent.labels(endpoint).inc,
    )
    if known == method:
        _request_series[endpoint, method, status] = series
    return series


def _forget_dead_workers(directory: Path) -> None:
    """Take a worker's connections out of the sum when it has ended without a word; what it counted stays."""
    for file in directory.glob("gauge_live*.db"):
        pid = int(file.stem.rpartition("_")[2])
        if not Path("/proc", str(pid)).exists():
            mark_process_dead(pid, str(directory))  # type: ignore[no-untyped-call]
