"""The real nginx with the project's configuration, in which only the addresses are others.

Its access log says which node took each request, and so whether they took turns.
"""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from conformance.server import ROOT
from conformance.tether import running
from conformance.tools import system_tool

CONFIGURATION: Final = ROOT / "deploy" / "nginx" / "blacklake.conf"

_REQUEST: Final = re.compile(r"^[A-Z]+ .* HTTP/1\.[01]$")
_MAIN: Final = """
{user}
daemon off;
worker_processes {workers};
pid {directory}/nginx.pid;
error_log {directory}/error.log info;
events {{ }}
http {{
    log_format traffic '$upstream_addr\t$status\t$request';
    access_log {directory}/access.log traffic;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    include {directory}/blacklake.conf;
}}
"""


class NginxFailed(Exception):
    """What nginx said of itself is worse than a warning; the message is that."""


@dataclass(frozen=True)
class Traffic:
    """How many requests each node took, between which extremes one was ahead of the other, and how many were redirected.

    `odd` are the log's lines of requests that did not go to one node, or whose answer was a failure.
    """

    counts: dict[str, int]
    swing: int
    redirected: int
    odd: tuple[str, ...]

    def problems(self, at_once: int) -> Iterator[str]:
        """Yield what shows that the nodes did not take turns, when clients have up to `at_once` requests on their way.

        A line is written when a request ends. Of those that began before it up to `at_once` - 1 are not written yet, so
        one node may be that many ahead, at another time the other, and one more by its turn. With one request at a time
        nothing but A B A B… passes.
        """
        for node, count in self.counts.items():
            if not count:
                yield f"the node at {node} took no request"
        if self.swing > 2 * at_once - 1:
            yield f"the nodes did not take turns: one was {self.swing} requests ahead of the other"
        for line in self.odd[:10]:
            yield f"not answered by one node: {line}"

    def __str__(self) -> str:
        return f"{' + '.join(map(str, self.counts.values()))} requests, {self.redirected} redirected"


def traffic(log: Iterable[str], nodes: tuple[str, str]) -> Traffic:
    """Read an access log; `nodes` are the two addresses as nginx knows them.

    What isn't HTTP, as the beginning of TLS by which some clients learn that a registry has none, is no request.
    """
    counts, ahead, odd, redirected = dict.fromkeys(nodes, 0), [0], [], 0
    for line in log:
        taker, status, request = line.rstrip("\n").split("\t", 2)
        if _REQUEST.search(request) is None:
            continue
        if taker in counts:
            counts[taker] += 1
            ahead.append(counts[nodes[0]] - counts[nodes[1]])
        if taker not in counts or status.startswith("5"):
            odd.append(line.rstrip("\n"))
        redirected += status == "307"
    return Traffic(counts, max(ahead) - min(ahead), redirected, tuple(odd))


def program() -> Path:
    """Return nginx; raise ToolMissing."""
    return system_tool("nginx", "nginx-light")


@contextmanager
def listener() -> Iterator[socket.socket]:
    """Yield a socket that listens on a free port of the loopback address, for `proxying`."""
    with socket.create_server(("127.0.0.1", 0), backlog=128) as sock:
        yield sock


def addressed(text: str, listen: str, nodes: tuple[str, str]) -> str:
    """Return the configuration with the two things replaced that its head calls the operator's own."""
    for ours, yours in (
        ("listen 8080;", f"listen {listen};"),
        ("server node-1:5000 ", f"server {nodes[0]} "),
        ("server node-2:5000 ", f"server {nodes[1]} "),
    ):
        if text.count(ours) != 1:
            raise NginxFailed(f"{CONFIGURATION} has {text.count(ours)} lines with “{ours}”")
        text = text.replace(ours, yours)
    return text


@contextmanager
def proxying(sock: socket.socket, directory: Path, nodes: tuple[str, str], *, workers: int = 2) -> Iterator[str]:
    """Run nginx on `sock` before the nodes at these addresses; yield its URL. `directory` is its own and must not be.

    With one of its `workers` the lines of the access log stand in the order in which requests ended. Raise ToolMissing or
    NginxFailed.
    """
    directory.mkdir()
    listen = f"127.0.0.1:{sock.getsockname()[1]}"
    (directory / "blacklake.conf").write_text(addressed(CONFIGURATION.read_text(), listen, nodes))
    # Workers of root's are otherwise another user's, whom a temporary directory is closed to.
    user = "user root;" if os.geteuid() == 0 else ""
    (directory / "nginx.conf").write_text(_MAIN.format(directory=directory, user=user, workers=workers))
    command = (program(), "-p", directory, "-c", directory / "nginx.conf")
    log = directory / "error.log"
    # As in an upgrade of nginx itself: it goes on with a socket that listens already, so connections can't be refused.
    env = os.environ | {"NGINX": f"{sock.fileno()};"}
    with running(command, log, env=env, pass_fds=(sock.fileno(),)):
        yield f"http://{listen}"
        # Before the end: a worker that nginx has started a moment ago may have to be killed by it.
        said = log.read_text(errors="replace")
        if "[emerg]" in said or "[alert]" in said:
            raise NginxFailed(f"nginx complains:\n{said[-3000:]}")
