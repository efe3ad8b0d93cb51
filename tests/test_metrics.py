"""Metrics are those of all workers together, and their labels are bounded whatever clients send."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from registry import metrics

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def samples(text: str) -> Samples:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def own() -> Samples:
    return samples(metrics.exposition().decode())


def increase(before: Samples, name: str, /, **labels: str) -> float:
    key = name, frozenset(labels.items())
    return own().get(key, 0) - before.get(key, 0)


@pytest.fixture(autouse=True)
def pool() -> Iterator[None]:
    """Leave no pool watched."""
    kept = metrics._pool.usage
    yield
    metrics._pool.usage = kept


def test_a_request_is_counted_with_its_bytes_and_its_duration() -> None:
    before = own()
    for _ in range(2):
        metrics.observe_request("end-4", "POST", 201, 0.25, 1000, 10)
    assert increase(before, "blacklake_requests_total", endpoint="end-4", method="POST", status="201") == 2
    assert increase(before, "blacklake_received_bytes_total", endpoint="end-4") == 2000
    assert increase(before, "blacklake_sent_bytes_total", endpoint="end-4") == 20
    assert increase(before, "blacklake_request_duration_seconds_sum", endpoint="end-4", method="POST") == 0.5
    assert (
        increase(before, "blacklake_request_duration_seconds_bucket", endpoint="end-4", method="POST", le="0.25") == 2
    )
    assert increase(before, "blacklake_request_duration_seconds_bucket", endpoint="end-4", method="POST", le="0.1") == 0


def test_bytes_are_in_flight_until_they_have_arrived_or_were_given_up() -> None:
    before = own()
    metrics.add_in_flight(1000)
    metrics.add_in_flight(0)
    assert increase(before, "blacklake_in_flight_bytes") == 1000
    metrics.add_in_flight(-1000)
    assert increase(before, "blacklake_in_flight_bytes") == 0


def test_methods_that_clients_invent_share_one_label_and_no_memory() -> None:
    before, held = own(), len(metrics._request_series)
    for number in range(50):
        metrics.observe_request("end-1", f"INVENTED{number}", 405, 0, 0, 0)
    assert increase(before, "blacklake_requests_total", endpoint="end-1", method="other", status="405") == 50
    assert len(metrics._request_series) == held
    assert "INVENTED" not in metrics.exposition().decode()


def test_a_transaction_is_counted_by_its_name_and_outcome() -> None:
    before = own()
    metrics.observe_transaction("finish_upload", "done", 0.002)
    metrics.observe_transaction("finish_upload", "timeout", 10)
    name = "blacklake_transaction_duration_seconds_count"
    assert increase(before, name, name="finish_upload", outcome="done") == 1
    assert increase(before, name, name="finish_upload", outcome="timeout") == 1


def test_gauges_tell_what_is_now() -> None:
    metrics.set_uploads_open(7)
    metrics.watch_pool(lambda: (3, 10))
    found = own()
    assert found["blacklake_uploads_open", frozenset()] == 7
    assert found["blacklake_database_connections", frozenset({("state", "used")})] == 3
    assert found["blacklake_database_connections", frozenset({("state", "idle")})] == 7


def test_only_one_pool_of_a_process_is_told() -> None:
    metrics.watch_pool(lambda: (1, 1))
    metrics.watch_pool(lambda: (2, 5))
    assert own()["blacklake_database_connections", frozenset({("state", "used")})] == 2


WORKER = """
import sys
from registry import metrics
metrics.observe_request("end-2", "GET", 200, 0.5, 0, 100)
metrics.set_uploads_open(int(sys.argv[1]))
metrics.watch_pool(lambda: (1, 4))
print(metrics.exposition().decode(), flush=True)
sys.stdin.readline()
"""


def test_whichever_worker_answers_tells_the_sum_of_all_and_forgets_the_dead(tmp_path: Path) -> None:
    environment = os.environ | {"PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}
    workers: list[subprocess.Popen[str]] = []

    def start(number: int) -> Samples:
        worker = subprocess.Popen(
            [sys.executable, "-c", WORKER, str(number)],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        workers.append(worker)
        assert worker.stdout is not None
        lines: list[str] = []
        while line := worker.stdout.readline().strip():
            lines.append(line)
        return samples("\n".join([*lines, ""]))

    requests = "blacklake_requests_total", frozenset({("endpoint", "end-2"), ("method", "GET"), ("status", "200")})
    used = "blacklake_database_connections", frozenset({("state", "used")})
    idle = "blacklake_database_connections", frozenset({("state", "idle")})
    sent = "blacklake_sent_bytes_total", frozenset({("endpoint", "end-2")})
    uploads = "blacklake_uploads_open", frozenset[tuple[str, str]]()
    try:
        first, second = start(5), start(6)
        assert (first[requests], second[requests]) == (1, 2)
        assert (second[sent], second[used], second[idle]) == (200, 2, 6)
        assert second[uploads] == 6  # the database's count, told by whoever asked last: no sum
        workers[0].kill()
        workers[0].wait()
        third = start(4)
        assert third[requests] == 3  # what the dead one counted stays
        assert (third[used], third[idle]) == (2, 6)  # its connections don't
        assert third[uploads] == 4
    finally:
        for worker in workers:
            with worker:
                worker.kill()
