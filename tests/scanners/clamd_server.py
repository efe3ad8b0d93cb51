"""A real clamd of a test's own, on a unix socket, with a signature database of its own: it can be killed and started again."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from conformance.tools import system_tool
from registry.processes import tethered
from tests.lifecycle.serving import eventually
from tests.tools import needed

EICAR: Final = rb"X5O!P%@AP[4\PZX54(P^)7CC)7}$" + b"EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"
"""The file by which scanners are tried (eicar.org); in two parts, so that this file is none."""

MALWARE: Final = b"blacklake-" + b"test-malware"
UNWANTED: Final = b"blacklake-" + b"test-unwanted"
LIMIT: Final = 1 << 20
"""Bytes that it takes of a stream."""


class ClamdServer:
    """It knows three signatures."""

    def __init__(self, place: Path) -> None:
        self._place = place
        self._socket = place / "clamd.sock"
        self.address = f"unix://{self._socket}"
        self._signatures = place / "signatures"
        self._signatures.mkdir()
        self.know({"Eicar-Test-Signature": EICAR, "Blacklake.Test": MALWARE, "PUA.Blacklake": UNWANTED})

    def know(self, signatures: dict[str, bytes]) -> None:
        """Know these signatures from the next start on."""
        lines = [f"{name}:0:*:{content.hex()}\n" for name, content in signatures.items()]
        (self._signatures / "own.ndb").write_text("".join(lines))

    def start(self) -> None:
        """Start it and wait until it listens."""
        program = needed(system_tool, "clamd", "clamav-daemon")
        self._socket.unlink(missing_ok=True)
        options = {
            "LocalSocket": self._socket,
            "DatabaseDirectory": self._signatures,
            "Foreground": "yes",
            "StreamMaxLength": LIMIT,
            "MaxFileSize": LIMIT // 2,
            "AlertExceedsMax": "yes",
            "DetectPUA": "yes",
            "SelfCheck": 86400,
        }
        config = self._place / "clamd.conf"
        config.write_text("".join(f"{name} {value}\n" for name, value in options.items()))
        with (self._place / "log").open("ab") as log:
            self._process = subprocess.Popen(
                tethered([program, "--config-file", config], farewell=signal.SIGKILL),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        eventually(lambda: self._socket.exists() or self._process.poll() is not None, "clamd listens")
        assert self._process.poll() is None, (self._place / "log").read_text()

    def kill(self) -> None:
        """Kill it."""
        self._process.kill()
        self._process.wait()
        self._socket.unlink(missing_ok=True)


@contextlib.contextmanager
def clamd_server() -> Iterator[ClamdServer]:
    """Run a clamd as long as the block lasts."""
    with tempfile.TemporaryDirectory(prefix="clamd-") as place:
        server = ClamdServer(Path(place))
        server.start()
        try:
            yield server
        finally:
            server.kill()
