"""What is not for the anonymous: metrics and details are at an address of their own, in whichever worker answers there."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.http.client import Client, refusal, wait_until
from tests.http.server import Registry, serving
from tests.setups import SERVERS, share

DETAILS = {"status": "ok", "database": "ok", "schema": "ok", "storage": "ok"}


def admin_of(registry: Registry) -> str:
    """Return the URL that the log names."""
    ready = next(
        line for text in registry.log.read_text().splitlines() if (line := json.loads(text))["event"] == "ready"
    )
    return f"http://{ready['admin']}"


@pytest.fixture(scope="module", params=share(SERVERS, __name__))
def running(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    directory = tmp_path_factory.mktemp(f"admin-{request.param}")
    with serving(directory, auth="token", server=request.param, workers=2) as registry:
        yield registry


@pytest.fixture
def client(running: Registry) -> Iterator[Client]:
    found = Client(running)
    with found.session:
        yield found


def test_clients_are_told_the_status_and_nothing_more(client: Client) -> None:
    refusal(client.get("/metrics"), 404, "UNSUPPORTED")
    for path in ("/health", "/ready"):
        answer = client.get(path)
        assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


def test_whoever_runs_it_is_told_all_of_it(running: Registry) -> None:
    admin = admin_of(running)
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+", admin)
    assert requests.get(f"{admin}/ready", timeout=20).json() == DETAILS
    assert requests.get(f"{admin}/health", timeout=20).json() == {"status": "ok"}
    answer = requests.get(f"{admin}/metrics", timeout=20)
    assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    assert "blacklake_database_connections" in answer.text


def test_the_metrics_are_those_of_all_workers_whichever_answers(running: Registry, client: Client) -> None:
    admin, asked = admin_of(running), 40

    def counted() -> set[str]:
        """Return what new connections, which any worker may accept, are told of the pings."""
        texts = [requests.get(f"{admin}/metrics", timeout=20).text for _ in range(10)]
        return {
            str(re.findall(r'^blacklake_requests_total\{endpoint="end-1".*} (\S+)', text, re.MULTILINE))
            for text in texts
        }

    for _ in range(asked):
        assert requests.get(f"{running.url}/v2/", timeout=20).status_code == 401
    wait_until(lambda: counted() == {f"['{asked}.0']"})


@pytest.mark.parametrize("path", ["/v2/", "/auth/token", "/", "//metrics", "/metrics/"])
def test_there_is_nothing_else_at_that_address(running: Registry, path: str) -> None:
    answer = requests.get(f"{admin_of(running)}{path}", timeout=20)
    refusal(answer, 404, "UNSUPPORTED")
    assert requests.post(f"{admin_of(running)}/metrics", timeout=20).status_code == 405


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example", "Accept-Language": "en"},
        {"Origin": "http://evil.example"},
        {"Sec-Fetch-Site": "cross-site"},
    ],
)
def test_no_web_page_reads_metrics(running: Registry, headers: dict[str, str]) -> None:
    answer = requests.get(f"{admin_of(running)}/metrics", headers=headers, timeout=20)
    refusal(answer, 403, "DENIED")


def test_an_open_registry_has_them_at_its_port_and_where_it_is_told_to(tmp_path: Path) -> None:
    with serving(tmp_path, admin_listen="127.0.0.1:0") as registry:
        for base in (registry.url, admin_of(registry)):
            assert requests.get(f"{base}/ready", timeout=20).json() == DETAILS
            assert requests.get(f"{base}/metrics", timeout=20).status_code == 200
