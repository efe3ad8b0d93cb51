"""The real nginx with the project's configuration, in which only the addresses are others."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.docs.commands import ROOT

CONFIGURATION: Final = ROOT / "deploy" / "nginx" / "blacklake.conf"

_MAIN: Final = """
{user}
daemon off;
worker_processes 2;
pid {directory}/nginx.pid;
error_log {directory}/error.log info;
events {{ }}
http {{
    access_log {directory}/access.log;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    include {directory}/blacklake.conf;
}}
"""


def nginx() -> Path:
    """Return the program; without it the test is skipped, but not in CI."""
    found = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if found is None and os.environ.get("CI") != "true":
        pytest.skip("nginx is not here: apt-get install nginx-light")
    assert found is not None, "nginx is missing: apt-get install nginx-light"
    return Path(found)


@contextlib.contextmanager
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
        assert text.count(ours) == 1
        text = text.replace(ours, yours)
    return text


@contextlib.contextmanager
def proxying(sock: socket.socket, directory: Path, nodes: tuple[int, int]) -> Iterator[str]:
    """Run nginx on `sock` before the nodes on these ports of the loopback address; yield its URL."""
    directory.mkdir()
    listen = f"127.0.0.1:{sock.getsockname()[1]}"
    first, second = (f"127.0.0.1:{port}" for port in nodes)
    (directory / "blacklake.conf").write_text(addressed(CONFIGURATION.read_text(), listen, (first, second)))
    # Workers of root's are otherwise another user's, whom a test's directory is closed to.
    user = "user root;" if os.geteuid() == 0 else ""
    (directory / "nginx.conf").write_text(_MAIN.format(directory=directory, user=user))
    process = subprocess.Popen(
        [nginx(), "-p", directory, "-c", directory / "nginx.conf"],
        # As in an upgrade of nginx itself: it goes on with a socket that listens already, so connections can't be refused.
        env=os.environ | {"NGINX": f"{sock.fileno()};"},
        pass_fds=(sock.fileno(),),
        stdin=subprocess.DEVNULL,
    )
    try:
        yield f"http://{listen}"
        # Before the end: a worker that nginx has started a moment ago may have to be killed by it.
        said = (directory / "error.log").read_text()
        assert "[emerg]" not in said, said
        assert "[alert]" not in said, said
    finally:
        process.terminate()
        process.wait(30)
