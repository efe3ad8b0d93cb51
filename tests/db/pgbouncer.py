"""The real pgbouncer before a PostgreSQL, in transaction mode, with fewer sessions than it has clients."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from urllib.parse import parse_qs, urlencode, urlsplit, urlunsplit

from conformance.tools import system_tool
from registry.processes import tethered
from tests.lifecycle.serving import eventually
from tests.tools import needed

SESSIONS: Final = 3
_PORT: Final = 6432  # a part of the unix socket's name; nothing listens on the network


@contextlib.contextmanager
def pgbouncer(url: str) -> Iterator[str]:
    """Run pgbouncer before the PostgreSQL on a unix socket at `url`; yield the URL that leads through it."""
    program = needed(system_tool, "pgbouncer")
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
            tethered([program, config], farewell=signal.SIGKILL),
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
