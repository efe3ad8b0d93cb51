"""toxiproxy: ways to servers over which data is delayed, dropped, cut and truncated."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, Final, Literal

from conformance import tether
from conformance.ports import free_port
from conformance.tools import path_of
from tests.lifecycle.serving import eventually

_PATIENCE: Final = 30.0


class Way:
    """A proxy of toxiproxy's: from `port` to a server. Faults last as long as their block."""

    def __init__(self, control: Control, name: str, target: int) -> None:
        self._control = control
        self._name = name
        made = control.ask("POST", "/proxies", name=name, listen="127.0.0.1:0", upstream=f"127.0.0.1:{target}")
        self.port = int(made["listen"].rpartition(":")[2])

    @contextlib.contextmanager
    def toxic(self, kind: str, stream: Literal["upstream", "downstream"], **attributes: int) -> Iterator[None]:
        """Spoil what goes to the server (`upstream`) or comes from it; the attributes are toxiproxy's."""
        path = f"/proxies/{self._name}/toxics"
        made = self._control.ask("POST", path, type=kind, stream=stream, attributes=attributes)
        try:
            yield
        finally:
            self._control.ask("DELETE", f"{path}/{made['name']}")

    @contextlib.contextmanager
    def down(self) -> Iterator[None]:
        """Refuse connections, and end those that are open."""
        self._control.ask("POST", f"/proxies/{self._name}", enabled=False)
        try:
            yield
        finally:
            self._control.ask("POST", f"/proxies/{self._name}", enabled=True)


class Control:
    """The API of a toxiproxy that runs."""

    def __init__(self, port: int) -> None:
        self._port = port

    def ask(self, method: str, path: str, **said: object) -> Any:
        """Send a request and return the answer's JSON."""
        connection = HTTPConnection("127.0.0.1", self._port, timeout=_PATIENCE)
        try:
            connection.request(method, path, json.dumps(said) if said else None)
            reply = connection.getresponse()
            body = reply.read()
            assert reply.status < 300, f"toxiproxy refuses {method} {path}: {reply.status} {body!r}"
            return json.loads(body) if body else None
        finally:
            connection.close()

    def answers(self) -> bool:
        """Say whether it runs by now."""
        with contextlib.suppress(OSError):
            self.ask("GET", "/proxies")
            return True
        return False


@contextlib.contextmanager
def toxiproxy(log: Path) -> Iterator[Control]:
    """Run toxiproxy. Raise ToolMissing where it isn't built."""
    port = free_port()
    with tether.running((path_of("toxiproxy"), "-host", "127.0.0.1", "-port", str(port)), log) as process:
        control = Control(port)
        eventually(lambda: control.answers() or process.poll() is not None, "toxiproxy answers")
        assert process.poll() is None, log.read_text()
        yield control
