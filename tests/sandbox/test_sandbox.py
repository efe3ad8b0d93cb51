"""The sandbox: whatever a reader does there, the server learns a reason and nothing else happens."""

from __future__ import annotations

import asyncio
import ctypes
import errno
import gc
import os
import resource
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import uvloop

from registry.errors import Unavailable
from registry.sandbox import Refused, Sandbox, _reason
from tests.lifecycle.serving import eventually

CONTENT = bytes(range(256)) * 4096  # a mebibyte
LANDLOCK = ctypes.CDLL(None).syscall(444, None, ctypes.c_size_t(0), 1)  # the version that this kernel has
TARGET = "tests.sandbox.hostile:read"


class Blob:
    """Bytes that are fetched, and how many that were."""

    def __init__(self) -> None:
        self.fetched = 0
        self.questions = 0

    async def fetch(self, start: int, stop: int) -> bytes:
        self.fetched += stop - start
        self.questions += 1
        return CONTENT[start:stop]


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    made = Sandbox(TARGET, seconds=2, memory=256 << 20)
    yield made
    await made.close()


async def acted(sandbox: Sandbox, act: str, *, budget: int = 1 << 30, blob: Blob | None = None, **task: Any) -> Any:
    return await sandbox.run({"act": act, **task}, (blob or Blob()).fetch, size=len(CONTENT), budget=budget)


async def test_a_reader_gets_the_ranges_that_it_asks_for_and_answers(sandbox: Sandbox) -> None:
    assert await acted(sandbox, "sum_of_bytes", start=1000, stop=900_000) == sum(CONTENT[1000:900_000])


async def test_what_is_read_in_order_takes_few_questions(sandbox: Sandbox) -> None:
    blob = Blob()
    assert set(await acted(sandbox, "in_order", blob=blob)) == {100}
    assert blob.questions < 10
    assert blob.fetched < 2 * len(CONTENT)


async def test_tasks_run_side_by_side(sandbox: Sandbox) -> None:
    spans = [(number * 1000, number * 5000) for number in range(20)]
    found = await asyncio.gather(*(acted(sandbox, "sum_of_bytes", start=start, stop=stop) for start, stop in spans))
    assert found == [sum(CONTENT[start:stop]) for start, stop in spans]


@pytest.mark.parametrize(
    ("act", "reason"),
    [
        ("malformed", "has a bad magic number"),
        ("beyond", "ends at byte 1048576, where byte 1048577 should be"),
        ("defect", r"is one that its reader fails at \(KeyError: 'missing'\)"),
        ("recursion", "is nested too deeply"),
        ("loop", "keeps its reader busy for more than 2 s|was not read within 4 s|ended its reader .SIGKILL."),
        ("sleep", "was not read within 4 s"),
        ("allocate", "needs more memory than a reader gets"),
        ("crash", r"ended its reader \(SIGSEGV\)"),
        ("leave", r"ended its reader \(code 0\)"),
        ("nonsense", "made its reader say what makes no sense"),
        ("nested", "made its reader say what makes no sense"),
        ("huge_frame", "made its reader say too much"),
        ("long_answer", "has more to say than 16777216 bytes"),
        ("foreign_range", "made its reader say what makes no sense"),
    ],
)
async def test_a_reader_that(act: str, reason: str, sandbox: Sandbox) -> None:
    with pytest.raises(Refused, match=f"^(?:{reason})$"):
        await acted(sandbox, act)
    assert await acted(sandbox, "sum_of_bytes", start=0, stop=10) == 45  # the next one isn't concerned


async def test_what_a_reader_says_is_taken_in_without_collections_of_garbage(sandbox: Sandbox) -> None:
    collected: list[str] = []
    gc.collect()
    gc.callbacks.append(lambda phase, _: collected.append(phase))
    try:
        found = await acted(sandbox, "many_lists")
    finally:
        gc.callbacks.pop()
    assert len(found) == 100_000
    assert len(collected) < 50  # of which there would be hundreds
    assert gc.isenabled()


async def test_no_more_bytes_are_read_than_are_paid_for(sandbox: Sandbox) -> None:
    blob = Blob()
    with pytest.raises(Refused, match="needs more of its bytes read than a reader gets"):
        await acted(sandbox, "in_order", budget=300_000, blob=blob)
    assert blob.fetched <= 300_000


def contents(directory: Path) -> list[str]:
    return [path.name for path in directory.iterdir()]


async def test_nothing_is_written_removed_or_changed(sandbox: Sandbox, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("kept")
    victim.chmod(0o600)
    told = await acted(sandbox, "write_file", place=str(tmp_path / "made"))
    assert set(told.values()) <= {"PermissionError", "OSError"}
    assert set(contents(tmp_path)) == {"victim"}
    assert (victim.read_text(), victim.stat().st_mode & 0o777) == ("kept", 0o600)


@pytest.mark.skipif(LANDLOCK < 1, reason="this kernel has no Landlock")
async def test_no_file_of_the_machine_is_read_but_code(sandbox: Sandbox, tmp_path: Path) -> None:
    (tmp_path / "secret-key").write_text("secret")
    for place in (str(tmp_path / "secret-key"), "/etc/passwd", "/proc/self/environ", f"/proc/{os.getpid()}/environ"):
        assert await acted(sandbox, "read_file", place=place) is None
    assert await acted(sandbox, "read_file", place=os.__file__) is not None


async def test_no_other_process_is_looked_into_even_where_there_is_no_landlock(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("read")
    sandbox = Sandbox("tests.sandbox.unlocked:read", seconds=2)
    helpless = await asyncio.create_subprocess_exec("sleep", "60")
    try:
        assert await acted(sandbox, "read_file", place=str(tmp_path / "file")) == "read"
        for pid in (os.getpid(), helpless.pid):
            assert psutil.Process(pid).environ()
            assert await acted(sandbox, "read_file", place=f"/proc/{pid}/environ") is None
    finally:
        helpless.kill()
        await helpless.wait()
        await sandbox.close()


async def test_no_process_is_begun_but_libraries_may_have_threads(sandbox: Sandbox) -> None:
    told = await acted(sandbox, "new_process")
    assert told.pop("thread") == "done"
    assert set(told.values()) == {"PermissionError"}


async def test_nobody_is_called(sandbox: Sandbox) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        told = await acted(sandbox, "network", port=listener.getsockname()[1])
    assert set(told.values()) == {"PermissionError"}


async def test_nobody_gets_a_signal_and_limits_stay(sandbox: Sandbox) -> None:
    told = await acted(sandbox, "signals", pid=os.getpid())
    assert told.pop("limits") in ("PermissionError", "ValueError")
    assert told == {"server": "PermissionError", "template": "PermissionError"}


async def test_no_limit_is_set_wherever_it_lies_in_memory(sandbox: Sandbox) -> None:
    before = resource.getrlimit(resource.RLIMIT_CORE)
    for pid in (0, os.getpid()):
        assert await acted(sandbox, "limits_of_others", pid=pid) == [True, -1, errno.EPERM]
    assert resource.getrlimit(resource.RLIMIT_CORE) == before


async def test_nothing_is_made_that_outlives_a_reader_and_no_turns_are_taken_from_others(sandbox: Sandbox) -> None:
    helpless = await asyncio.create_subprocess_exec("sleep", "60")
    told = await acted(sandbox, "outliving", pid=helpless.pid)
    helpless.kill()
    await helpless.wait()
    refused = {"turns": "PermissionError", "processors": "PermissionError"}
    assert told == {"memory": False, "messages": False, **refused}


async def test_no_credential_is_in_the_environment_and_no_descriptor_is_inherited(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("BLACKLAKE_DATABASE_URL", "postgresql://user:password@host/db")
    told = await acted(sandbox, "environment")
    assert not [name for name in told if name.startswith(("AWS", "BLACKLAKE", "PG"))]
    assert await acted(sandbox, "descriptors") == 4  # the three that go nowhere, and its own socket


def templates() -> list[psutil.Process]:
    """Return the processes of sandboxes that this one has begun; other tests' servers may run beside."""
    return [child for child in psutil.Process().children() if "registry.sandboxed" in child.cmdline()]


def descriptors_of(process: psutil.Process) -> list[str]:
    return [str(one.readlink()) for one in Path(f"/proc/{process.pid}/fd").iterdir()]


def test_what_the_server_may_pass_on_stays_with_it() -> None:
    """Servers run on uvloop; the listening socket and the lock of the data directory are inheritable there."""

    async def inherited() -> list[str]:
        sandbox = Sandbox(TARGET)
        try:
            await acted(sandbox, "descriptors")
            return descriptors_of(*templates())
        finally:
            await sandbox.close()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.set_inheritable(True)
        found = uvloop.run(inherited())
        assert len([one for one in found if one.startswith("socket:")]) == 1  # its own


async def test_a_time_out_leaves_no_process(sandbox: Sandbox) -> None:
    with pytest.raises(Refused):
        await acted(sandbox, "sleep")
    (template,) = templates()
    await asyncio.to_thread(eventually, lambda: not template.children(recursive=True), "the end of the child")


async def test_the_sandbox_starts_again_when_its_template_was_killed(sandbox: Sandbox) -> None:
    assert await acted(sandbox, "sum_of_bytes", start=0, stop=10) == 45
    (template,) = templates()
    waiting = asyncio.create_task(acted(sandbox, "sleep"))
    await asyncio.sleep(0.2)
    template.kill()
    with pytest.raises(Refused, match="ended its reader"):
        await waiting
    assert await acted(sandbox, "sum_of_bytes", start=0, stop=10) == 45


async def test_what_fetching_raises_is_no_refusal_of_the_file(sandbox: Sandbox) -> None:
    async def fail(start: int, stop: int) -> bytes:
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        await sandbox.run({"act": "sum_of_bytes", "start": 0, "stop": 10}, fail, size=100, budget=1000)


async def test_the_time_in_which_a_reader_waits_for_bytes_is_not_its_own() -> None:
    sandbox = Sandbox(TARGET, seconds=1)

    async def slow(start: int, stop: int) -> bytes:
        await asyncio.sleep(0.6)
        return CONTENT[start:stop]

    try:  # five questions take longer than the reader might
        assert len(await sandbox.run({"act": "in_order"}, slow, size=len(CONTENT), budget=1 << 30)) > 10_000
    finally:
        await sandbox.close()


async def test_bytes_that_never_come_are_the_storages_fault_and_no_refusal() -> None:
    sandbox = Sandbox(TARGET, seconds=1)

    async def never(start: int, stop: int) -> bytes:
        await asyncio.Event().wait()
        return b""

    try:
        with pytest.raises(Unavailable, match="the storage"):
            await sandbox.run({"act": "in_order"}, never, size=len(CONTENT), budget=1 << 30)
    finally:
        await sandbox.close()


async def test_who_asks_for_ever_for_no_bytes_holds_no_turn_for_ever() -> None:
    sandbox = Sandbox(TARGET, seconds=1)

    async def slow(start: int, stop: int) -> bytes:
        await asyncio.sleep(0.1)
        return CONTENT[start:stop]

    try:
        async with asyncio.timeout(30):
            with pytest.raises(Unavailable, match="the storage"):
                await sandbox.run({"act": "nothing_for_ever"}, slow, size=len(CONTENT), budget=1 << 20)
    finally:
        await sandbox.close()


def test_a_signal_without_a_name_is_told_by_its_number() -> None:
    assert _reason(-35, 2) == "ended its reader (signal 35)"
