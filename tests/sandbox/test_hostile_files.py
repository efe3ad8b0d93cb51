"""Files that are made to harm, read as the server reads them: each is read or refused with a reason, and nothing else happens.

`python -m pytest tests/sandbox/test_hostile_files.py --soak -s` reads 2,000 of them, and says how that went.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import statistics
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest

from mediatypes.files.readers import READERS, reader_of
from mediatypes.files.reading import HEAD
from mediatypes.record import is_plain
from registry.core import layer_readings
from registry.sandbox import Refused, Sandbox
from tests.lifecycle.serving import eventually
from tests.sandbox.hostile_files import Hostile, hostile_files

SEED = 20261129
SHORT, LONG = 250, 2000
LIMITED = re.compile(r"more than|times as l|deeper|at most|too (?:deeply|long|many|much)|larger")
OVER_LIMITS = ("keeps its reader busy", "was not read within", "ended its reader")


@dataclass
class Outcome:
    """What came of all files."""

    kinds: Counter[str] = field(default_factory=Counter)
    seconds: list[tuple[float, str]] = field(default_factory=list)
    reasons: Counter[str] = field(default_factory=Counter)
    harmed: list[str] = field(default_factory=list)
    """Those that were answered as none should be."""
    memory: int = 0
    """Bytes that a process had at most, as far as was seen."""

    def figures(self) -> str:
        """Return the outcome as a table of one line each."""
        longest, which = max(self.seconds)
        middle = statistics.median(seconds for seconds, _ in self.seconds)
        lines = [f"{count:6} {kind}" for kind, count in sorted(self.kinds.items())]
        lines += [f"median {middle * 1000:.0f} ms, longest {longest * 1000:.0f} ms ({which})"]
        lines += [f"largest process {self.memory >> 20} MiB"]
        return "\n".join([*lines, *(f"{count:6} … {reason}" for reason, count in self.reasons.most_common(20))])


def budget_of(hostile: Hostile) -> int:
    """Return how many bytes of a blob the server lets its reader have."""
    is_compressed = hostile.packing in ("tar+gzip", "tar+zstd")
    return 2 * len(hostile.content) + (1 << 20) if is_compressed else layer_readings._HEADERS


async def read(sandbox: Sandbox, hostile: Hostile, outcome: Outcome) -> None:
    """Read a file, and note what came of it."""

    async def fetch(start: int, stop: int) -> bytes:
        return hostile.content[start:stop]

    name = f"{hostile.kind}: {hostile.packing} {hostile.path}, {len(hostile.content)} bytes"
    began = time.monotonic()
    try:
        found = await sandbox.run(
            {"packing": hostile.packing, "path": hostile.path},
            fetch,
            size=len(hostile.content),
            budget=budget_of(hostile),
        )
    except Refused as refusal:
        outcome.kinds["refused by the sandbox"] += 1
        outcome.reasons[str(refusal)[:60]] += 1
        if not refusal.is_final or str(refusal).startswith(OVER_LIMITS) or "fails at" in str(refusal):
            outcome.harmed.append(f"{name}: {refusal}")
        return
    finally:
        outcome.seconds.append((time.monotonic() - began, name))
    problems = [text for text in (found["problem"], *(file.get("problem") for file in found["files"])) if text]
    is_over = any(LIMITED.search(problem) for problem in problems)
    is_read = any(file.get("format") for file in found["files"])
    well = "read" if is_read else "listed, as no reader knows it"
    outcome.kinds[well if not problems else "refused as over a limit" if is_over else "refused as malformed"] += 1
    outcome.reasons.update(" ".join(problem.split()[:5]) for problem in problems)
    outcome.harmed += [f"{name}: {problem}" for problem in problems if "fails at" in problem]
    outcome.harmed += [f"{name}: {file['path']!r}" for file in found["files"] if not is_storable(file)]


def is_storable(file: dict[str, Any]) -> bool:
    """Say whether what is told of a file can be kept, and its path leads nowhere else."""
    told = [[fact[1], fact[3]] for fact in file.get("facts", ())]
    leads = file.get("problem") is None and (file["path"].startswith("/") or ".." in file["path"].split("/"))
    return not leads and is_plain(file.get("raw", {})) and all(is_plain(item) for pair in told for item in pair)


async def watch(outcome: Outcome) -> None:
    """Note the largest process of the sandbox."""
    while True:
        for process in psutil.Process().children(recursive=True):
            with contextlib.suppress(psutil.Error):
                if "registry.sandboxed" in process.cmdline():
                    outcome.memory = max(outcome.memory, process.memory_info().rss)
        await asyncio.sleep(0.05)


async def read_all(sandbox: Sandbox, files: list[Hostile]) -> Outcome:
    outcome = Outcome()
    watching = asyncio.create_task(watch(outcome))
    free = asyncio.Semaphore(2)  # as many as the sandbox takes at once, so that no time is waited for another file

    async def read_one(hostile: Hostile) -> None:
        async with free:
            await read(sandbox, hostile, outcome)

    await asyncio.gather(*map(read_one, files))
    watching.cancel()
    return outcome


async def test_whatever_files_do_they_are_read_or_refused_and_nothing_else_happens(
    tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    count = LONG if pytestconfig.getoption("--soak") else SHORT
    place = tmp_path / "around"
    place.mkdir()
    files = list(hostile_files(SEED, count, place / "canary"))
    sandbox = Sandbox("registry.reading:answer")
    try:
        outcome = await read_all(sandbox, files)
        templates = [one for one in psutil.Process().children() if "registry.sandboxed" in one.cmdline()]
        assert len(templates) == 1, "none has ended the process that begins those that read"
        await asyncio.to_thread(eventually, lambda: not templates[0].children(recursive=True), "the end of the readers")
    finally:
        await sandbox.close()
    sys.stdout.write(f"\n{count} files\n{outcome.figures()}\n")
    assert outcome.harmed == []
    assert len(outcome.seconds) == sum(outcome.kinds.values()) == count
    assert outcome.kinds["read"]
    assert outcome.kinds["refused as malformed"]
    assert outcome.kinds["refused as over a limit"]
    assert list(place.iterdir()) == [], "a file has made another one"
    assert not templates[0].is_running()


def test_every_reader_is_given_hostile_files(tmp_path: Path) -> None:
    files = [found for found in hostile_files(SEED, LONG, tmp_path / "canary") if found.packing == "raw"]
    readers = [reader_of(found.path, found.content[:HEAD]) for found in files]
    assert {reader.name for reader in readers if reader is not None} == {reader.name for reader in READERS}


def test_the_files_that_act_would_act_if_they_were_loaded(tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    files = [
        found for found in hostile_files(SEED, LONG, canary) if found.kind == "acting" and found.path == "model.pkl"
    ]
    load = "import pickle, sys; pickle.loads(sys.stdin.buffer.read())"
    assert files
    for hostile in files[:5]:
        subprocess.run([sys.executable, "-c", load], input=hostile.content, capture_output=True, check=False)
        assert canary.exists()
        canary.unlink()
