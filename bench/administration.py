"""`blacklake admin`, beside a running server: the real command, on the server's data directory."""

import subprocess
import sys
from pathlib import Path

from bench.errors import BenchmarkError
from bench.servers import Server


def admin(server: Server, *words: str) -> str:
    """Run `blacklake admin WORDS` and return what it printed, without blanks around it. Raise BenchmarkError."""
    program = Path(sys.prefix, "bin", "blacklake")
    command = [str(program), "admin", *words, "--data-dir", str(server.home / "data")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BenchmarkError(f"`blacklake admin {' '.join(words)}` failed: {done.stderr.strip()}")
    return done.stdout.strip()
