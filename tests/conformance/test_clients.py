"""The client matrix's own promises; what the clients do is shown by the matrix itself."""

from __future__ import annotations

from dataclasses import astuple
from itertools import combinations, product
from pathlib import Path

import pytest

from conformance.clients.client import Client
from conformance.clients.command import complaints, pairwise
from conformance.clients.matrix import CLIENTS, Outcome
from conformance.clients.scenarios import AFTERWARDS, SCENARIOS
from conformance.server import NEWEST_PYTHON, THIS_PYTHON


@pytest.mark.skipif(
    THIS_PYTHON == NEWEST_PYTHON, reason="there is only one Python to choose where the newest runs this"
)
def test_every_two_choices_of_a_setup_meet() -> None:
    setups = [astuple(setup) for setup in pairwise()]
    choices = [{setup[column] for setup in setups} for column in range(4)]
    assert [len(values) for values in choices] == [2, 2, 2, 2]
    for a, b in combinations(range(4), 2):
        assert {(setup[a], setup[b]) for setup in setups} == set(product(choices[a], choices[b]))


@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.name)
def test_a_client_does_a_scenario_or_says_why_not(client: type[Client]) -> None:
    reasons = [client.reason_against(need) for scenario in SCENARIOS + AFTERWARDS for need in scenario.needs]
    assert None in reasons
    assert "" not in reasons


def test_an_error_in_a_servers_log_is_a_failure(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text('{"level":"info","event":"request","status":404}\n')
    assert complaints(log) == []
    for line in ('{"level":"error","event":"storage failed"}', '{"level":"info","status":503}', "Traceback (most"):
        log.write_text(f"fine\n{line}\n")
        assert [outcome.reason for outcome in complaints(log)] == [line]


def test_a_missing_client_fails_in_ci_only(monkeypatch: pytest.MonkeyPatch) -> None:
    outcome = Outcome("oras", "", "missing", "oras is missing")
    monkeypatch.delenv("CI", raising=False)
    assert not outcome.bad
    monkeypatch.setenv("CI", "true")
    assert outcome.bad
