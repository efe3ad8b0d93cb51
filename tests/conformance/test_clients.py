"""The client matrix's own promises; what the clients do is shown by the matrix itself."""

from __future__ import annotations

from dataclasses import astuple
from itertools import combinations, product
from pathlib import Path

import pytest
import requests

from conformance.clients.client import Client
from conformance.clients.command import clusters, complaints, pairwise
from conformance.clients.matrix import CLIENTS, Outcome
from conformance.clients.oras_py import digest_in
from conformance.clients.scenarios import AFTERWARDS, SCENARIOS, STAGES
from conformance.cluster import Cluster, ClusterSetup
from conformance.server import NEWEST_PYTHON, THIS_PYTHON, Server


@pytest.mark.skipif(
    THIS_PYTHON == NEWEST_PYTHON, reason="there is only one Python to choose where the newest runs this"
)
def test_every_two_choices_of_a_setup_meet() -> None:
    setups = [astuple(setup) for setup in pairwise()]
    choices = [{setup[column] for setup in setups} for column in range(5)]
    assert [len(values) for values in choices] == [2, 2, 2, 2, 2]
    for a, b in combinations(range(5), 2):
        assert {(setup[a], setup[b]) for setup in setups} == set(product(choices[a], choices[b]))


@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.name)
def test_a_client_does_a_scenario_or_says_why_not(client: type[Client]) -> None:
    guarded = tuple(stage.scenario for stage in STAGES)
    scenarios = SCENARIOS + AFTERWARDS + guarded
    reasons = [client.reason_against(need) for scenario in scenarios for need in scenario.needs]
    assert None in reasons
    assert "" not in reasons


def test_an_error_in_a_servers_log_is_a_failure(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text('{"level":"info","event":"request","status":404}\n')
    server = Server("127.0.0.1:1", tmp_path, log)
    assert complaints(server) == []
    for line in ('{"level":"error","event":"storage failed"}', '{"level":"info","status":503}', "Traceback (most"):
        log.write_text(f"fine\n{line}\n")
        assert [outcome.reason for outcome in complaints(server)] == [line]


def test_both_clusters_share_no_choice() -> None:
    one, other = (astuple(setup) for setup in clusters())
    assert not set(one) & set(other) - {NEWEST_PYTHON}


def test_an_error_of_either_node_and_of_their_turns_is_a_failure(tmp_path: Path) -> None:
    nodes = Server("127.0.0.1:1", tmp_path, tmp_path / "one"), Server("127.0.0.1:2", tmp_path, tmp_path / "two")
    for node in nodes:
        node.log.write_text("fine\n")
    (tmp_path / "nginx").mkdir()
    access = tmp_path / "nginx" / "access.log"
    access.write_text("127.0.0.1:1\t200\tGET /v2/ HTTP/1.1\n127.0.0.1:2\t200\tGET /v2/ HTTP/1.1\n")
    cluster = Cluster(ClusterSetup(redirect="never"), "127.0.0.1:3", tmp_path, nodes)
    assert complaints(cluster) == []
    nodes[1].log.write_text("Traceback (most\n")
    access.write_text("127.0.0.1:1\t200\tGET /v2/ HTTP/1.1\n")
    assert [outcome.reason for outcome in complaints(cluster)] == [
        "Traceback (most",
        "the node at 127.0.0.1:2 took no request",
    ]


def test_the_digest_of_a_blob_is_the_registry_s_word_wherever_the_bytes_come_from() -> None:
    redirect, answer = requests.Response(), requests.Response()
    redirect.status_code, redirect.headers["Docker-Content-Digest"] = 307, "sha256:registry"
    answer.status_code, answer.history = 200, [redirect]
    assert digest_in(answer) == "sha256:registry"
    answer.history, answer.headers["Docker-Content-Digest"] = [], "sha256:direct"
    assert digest_in(answer) == "sha256:direct"


def test_a_missing_client_fails_in_ci_only(monkeypatch: pytest.MonkeyPatch) -> None:
    outcome = Outcome("oras", "", "missing", "oras is missing")
    monkeypatch.delenv("CI", raising=False)
    assert not outcome.bad
    monkeypatch.setenv("CI", "true")
    assert outcome.bad
