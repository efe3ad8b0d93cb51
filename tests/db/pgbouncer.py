"""The real pgbouncer before a PostgreSQL, in transaction mode, with fewer sessions than it has clients."""

from __future__ import annotations

import contextlib
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from urllib.parse import parse_qs, urlencode, urlsplit, urlunsplit

from registry.processes import tethered
from tests.lifecycle.serving import eventually

PROGRAM: Final = shutil.which("pgbouncer", path="/usr/local/bin:/usr/bin:/usr/sbin")
SESSIONS: Final = 3
_PORT: Final = 6432  # a part of the unix socket's name; nothing listens on the network


@contextlib.contextmanager
def pgbouncer(url: str) -> Iterator[str]:
    """Run pgbouncer before the PostgreSQL on a unix socket at `url`; yield the URL that leads through it."""
    assert PROGRAM is not None
    behind = urlsplit(url)
    (host,) = parse_qs(behind.query)["host"]
    with tempfile.TemporaryDirectory(prefix="pgb") as place:
        config = Path(place, "pgbouncer.ini")
        config.write_text(
            f"""
            [databases]
            * = host={host} user={behind.username}
            [pgbouncer]
            pool_mode = transaction
            default_pool_size = {SESSIONS}
            auth_type = any
            listen_port = {_PORT}
            unix_socket_dir = {place}
            logfile = {place}/log
            """.replace("\n            ", "\n")
        )
        process = subprocess.Popen(
            tethered([PROGRAM, config], farewell=signal.SIGKILL),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            socket = Path(place, f".s.PGSQL.{_PORT}")
            eventually(lambda: socket.exists() or process.poll() is not None, "pgbouncer listens")
            assert process.poll() is None, Path(place, "log").read_text()
            yield urlunsplit(behind._replace(query=urlencode({"host": place, "port": _PORT})))
        finally:
            process.terminate()
            process.wait()
