"""Who uses the processor while manifests are read by tag: load generator, HTTP server, Python, PostgreSQL."""

import re
import resource
import subprocess
import sys
import venv
from collections import Counter, defaultdict
from contextlib import suppress
from pathlib import Path

import psutil

from bench import wrk
from bench.errors import BenchmarkError
from bench.payload import digest
from bench.servers import Kind, Server, running
from bench.work import seed

TARGET = "/v2/bench/profile/manifests/v1"
LEAST = 0.01  # share of the samples below which a package is not worth a row
# Where a frame of compiled code is known only by its source file.
_COMPILED = {"loop.c": "uvloop", "core.c": "uvloop", "stream.c": "uvloop", "_asynciomodule.c": "asyncio"}
# Where a thread waits, which py-spy takes for work when it looks at compiled code.
_WAITING = re.compile(
    r";(syscall|epoll_p?wait|pthread_cond_(timed)?wait|sched_yield|wait4|poll|PyThread_acquire_lock_timed) \("
)
_FRAME = re.compile(r"\(([^()]+?)(?::\d+)?\)$")


def profile(kind: Kind, directory: Path, seconds: int) -> str:
    """Return two tables: processor time by process and thread, and by package within Python's processes."""
    with running(kind, directory) as server:
        content, _ = seed(server.port, "bench/profile")
        wrk.rate(server.port, TARGET, digest(content), len(content), 1)
        return f"{_shares(server, seconds)}\n\n{_packages(server, directory, seconds)}"


def _shares(server: Server, seconds: int) -> str:
    idle, before, load = psutil.cpu_times().idle, _threads(server), _children()
    counted = wrk.run(wrk.command(server.port, TARGET, seconds))
    used = {name: time - before.get(name, 0.0) for name, time in _threads(server).items()}
    used["wrk, the load generator"] = _children() - load
    total, requests = sum(used.values()), counted["requests"]
    spare = max(0.0, psutil.cpu_times().idle - idle) / (counted["microseconds"] / 1e6)
    said = (
        f"{requests / counted['microseconds'] * 1e6:,.0f} manifest GETs by tag a second; processor time of processes "
        f"and threads as the kernel counts it, with {spare:.2f} cores idle meanwhile. "
        "(granian speaks HTTP in the threads called tokio; Python has the others.)"
    )
    lines = [said, "", "| who | share | µs per request |", "|---|---|---|"]
    for name, time in sorted(used.items(), key=lambda item: -item[1]):
        if time / total >= LEAST:
            lines.append(f"| {name} | {time / total:.0%} | {time / requests * 1e6:.0f} |")
    return "\n".join(lines)


def _threads(server: Server) -> dict[str, float]:
    """Return the seconds of processor time by name of thread, PostgreSQL's together."""
    used: dict[str, float] = defaultdict(float)
    for process in server.processes():
        # A connection's process or a thread may end between being listed and being asked.
        with suppress(psutil.NoSuchProcess, FileNotFoundError):
            for thread in process.threads():
                name = Path(f"/proc/{process.pid}/task/{thread.id}/comm").read_text().strip()
                who = "PostgreSQL" if process.name() == "postgres" else f"server's threads named `{name}`"
                used[who] += thread.user_time + thread.system_time
    return used


def _children() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _packages(server: Server, directory: Path, seconds: int) -> str:
    try:
        program = _py_spy(directory)
    except BenchmarkError as error:
        return f"No split of the server's own time: {error}"
    output = directory / "stacks"
    load = subprocess.Popen(wrk.command(server.port, TARGET, seconds + 4), stdout=subprocess.DEVNULL)
    try:
        record = ["record", "--subprocesses", "--native", "--rate", "200", "--format", "raw"]
        target = ["--pid", str(server.processes()[0].pid), "--duration", str(seconds), "--output", str(output)]
        done = subprocess.run([program, *record, *target], capture_output=True, text=True, timeout=120, check=False)
    finally:
        load.terminate()
        load.wait()
    if not output.exists():
        return f"No split of the server's own time: py-spy says {done.stderr.strip().splitlines()[:1]}"
    return _table(output.read_text())


def _py_spy(directory: Path) -> Path:
    home = directory / "venv"
    try:
        venv.create(home, with_pip=True)
        subprocess.run([home / "bin/pip", "install", "-q", "py-spy"], capture_output=True, timeout=120, check=True)
    except (subprocess.SubprocessError, OSError) as error:
        raise BenchmarkError(f"py-spy can't be installed for {Path(sys.executable).name} ({error}).") from error
    return home / "bin/py-spy"


def _table(stacks: str) -> str:
    samples: Counter[str] = Counter()
    for line in stacks.splitlines():
        stack, _, count = line.rpartition(" ")
        if not _WAITING.search(stack):
            samples[_package(stack.split(";"))] += int(count)
    lines = ["What the server's own processes were at when py-spy found them at work, by innermost package:", ""]
    lines += ["| package | share |", "|---|---|"]
    shown = {name: count / samples.total() for name, count in samples.most_common() if count / samples.total() >= LEAST}
    lines += [f"| {name} | {share:.0%} |" for name, share in shown.items()]
    return "\n".join([*lines, f"| all others | {1 - sum(shown.values()):.0%} |"])


def _package(stack: list[str]) -> str:
    for frame in reversed(stack):
        found = _FRAME.search(frame)
        file = found[1] if found else ""
        if file in _COMPILED:
            return _COMPILED[file]
        if "/" in file:
            return file.partition("/")[0]
    return "libraries of C"
