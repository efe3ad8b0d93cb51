"""The command that runs the official suite: what counts as run, and what ends it with an error."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from conformance import suite, tools
from conformance.administration import Administration
from conformance.cluster import ClusterSetup
from conformance.matrix import setups
from conformance.results import Results
from conformance.server import Server, Setup
from conformance.suite import Profile
from conformance.tools import ToolMissing

PASSED = Results(2000, 0, 0, (), (), (), (), suite.recorded_checks())


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[tuple[object, str]]:
    """Return the setups and profiles that are run, of which one node passes and a cluster can't be started."""
    tried: list[tuple[object, str]] = []

    @contextmanager
    def started(setup: Setup | ClusterSetup, **settings: str) -> Iterator[Server]:
        if isinstance(setup, ClusterSetup):
            tried.append((setup, settings["sparse"]))
            raise ToolMissing("nginx is missing")
        yield Server("127.0.0.1:1", tmp_path, tmp_path / "log")

    def run(host: str, profile: Profile, directory: Path, *_: Administration | None) -> Results:
        tried.append((host, profile.name))
        return PASSED

    monkeypatch.setattr(suite, "started", started)
    monkeypatch.setattr(suite, "run", run)
    monkeypatch.setattr(suite, "program_of", Path)
    monkeypatch.setattr(tools, "build", lambda tool: tool.path)
    return tried


@pytest.mark.parametrize(("ci", "code"), [("true", 1), ("", 0)])
def test_what_cannot_run_here_fails_in_ci_only(
    ci: str,
    code: int,
    runs: list[tuple[object, str]],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("CI", ci)
    assert suite.main(["--matrix", "--profile", "all"]) == code
    said = capsys.readouterr().out
    assert said.count("not run: nginx is missing") == 6
    assert said.endswith(f"{len(setups())} runs, 0 not as they must be, 6 could not run here\n")


def test_clusters_alone_are_run_where_that_is_asked_for(runs: list[tuple[object, str]]) -> None:
    assert suite.main(["--cluster"]) == 1
    assert [(type(setup), sparse) for setup, sparse in runs] == [(ClusterSetup, "allow")] * 6


def test_without_the_matrix_there_are_two_setups_of_one_node_and_no_cluster(runs: list[tuple[object, str]]) -> None:
    assert suite.main(["--profile", "all"]) == 0
    assert runs == [("127.0.0.1:1", "all")] * 2


@pytest.mark.parametrize("options", [[], ["--matrix"]])
def test_the_report_names_the_setups_that_enforce_schemas_one_open_and_one_with_tokens(
    options: list[str], runs: list[tuple[object, str]], capsys: pytest.CaptureFixture[str]
) -> None:
    suite.main([*options, "--profile", "all"])
    enforcing = [line for line in capsys.readouterr().out.splitlines() if "schemas elsewhere" in line]
    assert len([line for line in enforcing if "open, schemas" in line]) == 1
    assert len([line for line in enforcing if "token, schemas" in line]) == 1
    assert len(enforcing) == 2
