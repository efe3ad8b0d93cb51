"""What a runner has started ends with it, also when it is killed."""

from __future__ import annotations

import shutil
import subprocess
import sys

import psutil
import pytest

from conformance import tether
from conformance.tether import tied
from tests.lifecycle.serving import eventually, lives

RUNNER = """
import subprocess
from conformance.tether import tied
print(subprocess.Popen(tied(["sleep", "600"])).pid, flush=True)
input()
"""


@pytest.mark.skipif(shutil.which("setpriv") is None, reason="setpriv is not here: apt-get install util-linux")
def test_a_program_ends_when_its_runner_is_killed() -> None:
    with subprocess.Popen([sys.executable, "-c", RUNNER], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as runner:
        assert runner.stdout is not None
        program = psutil.Process(int(runner.stdout.readline()))
        eventually(lambda: program.name() == "sleep", "the program runs")
        runner.kill()
    eventually(lambda: not lives(program), "the program has ended")


def test_without_the_means_a_command_stays_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tether.shutil, "which", lambda name: None)
    assert tied(["sleep", "600"]) == ["sleep", "600"]
