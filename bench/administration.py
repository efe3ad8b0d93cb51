"""`blacklake admin`, beside a running server: the real command, on the server's data directory."""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from bench.errors import BenchmarkError
from bench.servers import Server

# Most of a command's second goes into starting: one process runs the program for all of them.
_ONE_AFTER_ANOTHER = """
import contextlib, io, json, runpy, sys
said = []
for sys.argv in json.load(sys.stdin):
    with contextlib.redirect_stdout(io.StringIO()) as out:
        try:
            runpy.run_path(sys.argv[0], run_name="__main__")
        except SystemExit as ended:
            if ended.code:
                sys.exit(f"`{' '.join(sys.argv[1:])}` failed")
    said.append(out.getvalue().strip())
print(json.dumps(said))
"""


def admin(server: Server, *commands: Sequence[str]) -> list[str]:
    """Run `blacklake admin COMMAND` for each and return what each printed, without blanks around it. Raise BenchmarkError."""
    program = Path(sys.prefix, "bin", "blacklake")
    data = ["--data-dir", str(server.home / "data")]
    run = json.dumps([[str(program), "admin", *command, *data] for command in commands])
    done = subprocess.run(
        [sys.executable, "-c", _ONE_AFTER_ANOTHER], input=run, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise BenchmarkError(f"`blacklake admin` failed: {done.stderr.strip()}")
    said: list[str] = json.loads(done.stdout)
    return said
