"""/health, /ready and /metrics: what the registry tells those who run it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.http.client import Client, Wire, digest_of, image_of, refusal, wait_until
from tests.http.conftest import fresh
from tests.http.server import serving
from tests.setups import SERVERS, share

Series = dict[tuple[str, tuple[tuple[str, str], ...]], float]
BACKGROUND = ("blacklake_transaction_", "blacklake_job")
LINE = re.compile(r"(\w+)(?:\{(.*)\})? (\S+)")


def scraped(client: Client) -> Series:
    """Return the metrics by name and labels."""
    answer = client.get("/metrics")
    assert answer.status_code == 200
    found: Series = {}
    for line in answer.text.splitlines():
        if not line.startswith("#"):
            match = LINE.fullmatch(line)
            assert match is not None, line
            labels = tuple(sorted(re.findall(r'(\w+)="([^"]*)"', match[2] or "")))
            assert (match[1], labels) not in found, line
            found[match[1], labels] = float(match[3])
    return found


def requests_of(series: Series, endpoint: str, method: str, status: int) -> float:
    labels = (("endpoint", endpoint), ("method", method), ("status", str(status)))
    return series.get(("blacklake_requests_total", labels), 0)


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("path", ["/health", "/ready"])
def test_a_registry_that_works_says_so(client: Client, path: str, method: str) -> None:
    answer = client.request(method, path)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/json"
    assert method == "HEAD" or answer.json()["status"] == "ok"


def test_readiness_is_told_for_each_thing_it_needs(client: Client) -> None:
    assert client.get("/ready").json() == {"status": "ok", "database": "ok", "schema": "ok", "storage": "ok"}


def test_asking_leaves_nothing_in_the_storage(client: Client) -> None:
    before = set(client.registry.stored())
    client.get("/ready")
    assert set(client.registry.stored()) <= before


@pytest.mark.parametrize(
    "path", ["//metrics", "/%2Fmetrics", "//ready", "/metrics/", "/metrics%2F", "/v2/..%2fmetrics"]
)
def test_another_spelling_of_a_path_is_another_path(raw: Wire, path: str) -> None:
    refusal(raw.request("GET", path, [("Host", "localhost")]), 404, "UNSUPPORTED")


def test_metrics_are_in_the_text_format_of_prometheus(client: Client) -> None:
    answer = client.get("/metrics")
    assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    for name in (
        "blacklake_requests_total",
        "blacklake_request_duration_seconds_bucket",
        "blacklake_received_bytes_total",
        "blacklake_sent_bytes_total",
        "blacklake_transaction_duration_seconds_count",
        "blacklake_uploads_open",
        "blacklake_database_connections",
    ):
        assert re.search(rf"^{name}\b", answer.text, re.MULTILINE), name


def walk(client: Client, repo: str) -> None:
    """Do something at every endpoint, some of it wrong."""
    client.push_blob(repo, b"{}")
    client.expect(b"twelve bytes")
    location = client.start(repo)
    client.patch(location, data=b"twelve bytes")
    client.get(location)
    client.finish(location, digest_of(b"twelve bytes"))
    client.delete(client.start(repo))
    client.push_manifest(repo, image_of(), "v1")
    for path in (
        "manifests/v1",
        "tags/list",
        f"referrers/{digest_of(b'')}",
        f"blobs/{digest_of(b'{}')}",
        "manifests/x",
    ):
        client.get(f"/v2/{repo}/{path}")
    client.get("/v2/")
    client.get("/v2/_catalog")
    client.delete(f"/v2/{repo}/blobs/{digest_of(b'{}')}")
    client.delete(f"/v2/{repo}/manifests/v1")
    client.get(f"/v2/{repo}/nothing")
    client.get("/nothing")


COUNTED = [
    ("end-1", "GET", 200),
    ("end-2", "GET", 200),
    ("end-3", "GET", 200),
    ("end-3", "GET", 404),
    ("end-4", "POST", 201),
    ("end-4", "POST", 202),
    ("end-5", "PATCH", 202),
    ("end-6", "PUT", 201),
    ("end-7", "PUT", 201),
    ("end-8", "GET", 200),
    ("end-9", "DELETE", 202),
    ("end-10", "DELETE", 403),
    ("end-12", "GET", 200),
    ("end-13", "GET", 204),
    ("end-14", "DELETE", 204),
    ("catalog", "GET", 200),
    ("unknown", "GET", 404),
]


def test_requests_are_counted_by_endpoint_method_and_status(client: Client, repo: str) -> None:
    before = scraped(client)
    walk(client, repo)

    def all_counted() -> bool:
        after = scraped(client)
        return all(requests_of(after, *labels) > requests_of(before, *labels) for labels in COUNTED)

    wait_until(all_counted)


def test_bytes_in_and_out_are_counted(client: Client, repo: str) -> None:
    content = os.urandom(300_000)
    client.expect(content)

    def total(name: str, endpoint: str) -> float:
        return scraped(client).get((name, (("endpoint", endpoint),)), 0)

    received, sent = total("blacklake_received_bytes_total", "end-6"), total("blacklake_sent_bytes_total", "end-2")
    client.finish(client.start(repo), digest_of(content), content)
    client.get(f"/v2/{repo}/blobs/{digest_of(content)}")
    wait_until(lambda: total("blacklake_received_bytes_total", "end-6") == received + len(content))
    wait_until(lambda: total("blacklake_sent_bytes_total", "end-2") == sent + len(content))


def test_no_label_holds_anything_that_a_client_named(client: Client, raw: Wire, repo: str) -> None:
    walk(client, repo)
    raw.request("PROPFIND", f"/v2/{repo}/tags/list")
    raw.request("GET", f"/v2/{repo}/unheard/of?{repo}", [("X-Request-ID", repo)])
    text = client.get("/metrics").text
    assert repo not in text
    assert repo.split("/")[1] not in text
    assert "PROPFIND" not in text
    assert digest_of(b"{}") not in text


def test_the_number_of_series_does_not_grow_with_what_clients_name(client: Client, raw: Wire) -> None:
    def strange(text: str) -> None:
        raw.request(text, f"/v2/{text.lower()}/tags/list")
        raw.request(text, f"/{text}")
        raw.request("GET", f"/v2/{text.lower()}/manifests/{text}", [("X-Request-ID", text), ("User-Agent", text)])
        walk(client, fresh())

    strange("FIRST")
    before = scraped(client).keys()
    for number in range(10):
        strange(f"M{chr(ord('A') + number)}")
    # Histograms have series for each status and outcome that came up, which a first round may not have met; what works in the
    # background begins when it does.
    later = [series for series in scraped(client).keys() - before if not series[0].startswith(BACKGROUND)]
    assert len(later) < 20
    assert not [series for series in scraped(client) if re.search(r"FIRST|\bM[A-J]\b", str(series), re.IGNORECASE)]


# Over several workers


@pytest.fixture(scope="module", params=share(SERVERS, __name__))
def two_workers(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    with serving(tmp_path_factory.mktemp("two"), workers=2, server=request.param) as registry:
        yield Client(registry)


def test_every_worker_is_in_the_count(two_workers: Client) -> None:
    # A connection stays with the worker that accepted it: many of them reach both.
    def ask(_: int) -> int:
        mine = Client(two_workers.registry)
        with mine.session:
            return mine.get("/v2/").status_code

    metrics_directory = Path((two_workers.registry.directory / "run" / "metrics-directory").read_text())

    def both_have_answered() -> bool:
        assert set(pool.map(ask, range(50))) == {200}
        return len({path.name.rpartition("_")[2] for path in metrics_directory.glob("counter_*.db")}) == 2

    with ThreadPoolExecutor(8) as pool:
        wait_until(both_have_answered)  # the registry is ready when the first of them is
        before = requests_of(scraped(two_workers), "end-1", "GET", 200)
        assert set(pool.map(ask, range(200))) == {200}
    wait_until(lambda: requests_of(scraped(two_workers), "end-1", "GET", 200) == before + 200)


def test_an_upload_goes_on_at_whichever_worker_comes_next(two_workers: Client) -> None:
    repo, content = fresh(), os.urandom(200_000)
    location = two_workers.start(repo)
    for first in range(0, len(content), 10_000):
        mine = Client(two_workers.registry)
        with mine.session:
            assert mine.chunk(location, content[first : first + 10_000], first).status_code == 202
    assert two_workers.finish(location, digest_of(content)).status_code == 201
    for _ in range(8):
        mine = Client(two_workers.registry)
        with mine.session:
            assert mine.get(f"/v2/{repo}/blobs/{digest_of(content)}").content == content


def test_a_pull_at_any_worker_sees_the_push_before_it(two_workers: Client) -> None:
    repo = fresh()
    two_workers.push_blob(repo, b"{}")
    for number in range(20):
        content = image_of(annotations={"n": str(number)})
        two_workers.push_manifest(repo, content, "latest")
        mine = Client(two_workers.registry)
        with mine.session:
            assert mine.get(f"/v2/{repo}/manifests/latest").content == content
