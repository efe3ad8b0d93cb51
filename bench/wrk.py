"""wrk, the load generator for small GETs, and the check that it got what it asked for."""

import json
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from bench.errors import BenchmarkError, Unsupported, WrongAnswer
from bench.registry_client import MANIFEST, check
from bench.wire import HOST, Connection

CONNECTIONS = 32
THREADS = 2
TOLERANCE = 0.02  # of the bytes expected: request ids and dates vary in length, and some answers are cut off at the end
SCRIPT = Path(__file__).with_name("wrk.lua")


def command(port: int, target: str, seconds: int, headers: Mapping[str, str] | None = None) -> list[str]:
    """Return wrk's command line, `headers` in every request; raise Unsupported when there is no wrk."""
    program = shutil.which("wrk")
    if not program:
        raise Unsupported("wrk is missing (`apt-get install wrk`).")
    load = [f"-c{CONNECTIONS}", f"-t{THREADS}", f"-d{seconds}s", "--timeout", "20s", "-H", f"Accept: {MANIFEST}"]
    for name, value in (headers or {}).items():
        load += ["-H", f"{name}: {value}"]
    return [program, *load, "-s", str(SCRIPT), f"http://{HOST}:{port}{target}"]


def rate(
    port: int, target: str, digest: str, size: int, seconds: int, headers: Mapping[str, str] | None = None
) -> float:
    """Return GETs per second of something with this digest and size (bytes), after a second to warm up.

    Raises WrongAnswer when a status is not 200, a connection fails, or the bytes do not add up to whole answers.
    """
    with Connection(port, headers) as connection:
        one = check(connection, target, digest, size)
    run(command(port, target, 1, headers))
    counted = run(command(port, target, seconds, headers))
    expected = one.size * counted["requests"]
    if counted["errors"] or abs(counted["bytes"] - expected) > TOLERANCE * expected + CONNECTIONS * one.size:
        raise WrongAnswer(f"GET {target}: wrk counted {counted}, an answer has {one.size} bytes.")
    with Connection(port, headers) as connection:
        check(connection, target, digest, size)
    return counted["requests"] / counted["microseconds"] * 1e6


def run(arguments: list[str]) -> dict[str, int]:
    """Run wrk and return what wrk.lua says; raise BenchmarkError when it fails."""
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=120, check=False)
    if done.returncode:
        raise BenchmarkError(f"wrk failed: {done.stderr.strip()}")
    counted: dict[str, int] = json.loads(done.stdout.strip().splitlines()[-1])
    return counted
