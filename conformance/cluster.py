"""Blacklake as a cluster: two nodes on a PostgreSQL and an S3 server, and an nginx that sends every request to the other."""

from __future__ import annotations

import base64
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from conformance import nginx, postgres, s3
from conformance.administration import Administration, AdministrationFailed
from conformance.nginx import NginxFailed, Traffic
from conformance.postgres import PostgresFailed
from conformance.s3 import S3Failed
from conformance.server import (
    THIS_PYTHON,
    Auth,
    Door,
    HttpServer,
    PythonMissing,
    Server,
    ServerFailed,
    Setup,
    node,
    serving,
)
from conformance.tools import ToolMissing

S3Name = Literal["versitygw", "minio"]
Redirect = Literal["auto", "always", "never"]

MISSING: Final = (PythonMissing, ToolMissing)
"""What `started` raises where something isn't here that a setup takes."""

FAILED: Final = (ServerFailed, NginxFailed, PostgresFailed, S3Failed, AdministrationFailed)
"""What `started` raises where something doesn't start, doesn't stop, or complains, and `blacklake admin` beside it."""


@dataclass(frozen=True)
class ClusterSetup:
    """One way to run two nodes of Blacklake, which are alike."""

    s3: S3Name = "versitygw"
    redirect: Redirect = "auto"
    door: Door = "lane"
    server: HttpServer = "granian"
    python: str = THIS_PYTHON
    auth: Auth = "open"

    def __str__(self) -> str:
        alike = f"{self.door}, {self.server}, Python {self.python}, {self.s3}"
        return f"two: {alike}, redirect {self.redirect}, {self.auth}"


@dataclass(frozen=True)
class Cluster:
    """A cluster that runs as it was set up: `host` is nginx's address, `directory` its own."""

    setup: ClusterSetup
    host: str
    directory: Path
    nodes: tuple[Server, Server]

    @property
    def administration(self) -> Administration | None:
        """`blacklake admin` beside the first node: what it changes counts on both."""
        return self.nodes[0].administration

    @property
    def logs(self) -> dict[str, Path]:
        """The files with everything that its programs say, and a name for each."""
        one, two = self.nodes
        beside = {path.name: path for path in self.directory.glob("*.log")}
        proxy = {f"nginx-{path.name}": path for path in (self.directory / "nginx").glob("*.log")}
        return {"one.log": one.log, "two.log": two.log, **beside, **proxy}

    def traffic(self) -> Traffic:
        """Return what has gone through nginx until now."""
        with (self.directory / "nginx" / "access.log").open(encoding="utf-8", errors="replace") as log:
            return nginx.traffic(log, (self.nodes[0].host, self.nodes[1].host))

    def problems(self, at_once: int) -> Iterator[str]:
        """Yield what shows that the nodes took no turns, or redirected otherwise than they are set up to.

        `at_once` is how many requests clients have on their way at most.
        """
        found = self.traffic()
        yield from found.problems(at_once)
        if self.setup.redirect != "auto" and (found.redirected > 0) != (self.setup.redirect == "always"):
            yield f"redirect is {self.setup.redirect}, and {found.redirected} requests were redirected"


@contextmanager
def clustered(setup: ClusterSetup, **settings: str) -> Iterator[Cluster]:
    """Run a cluster behind a free port of the loopback address; at the end nothing of it is left.

    `settings` are those of both nodes, as `serving` takes them; an empty `external_url` makes Locations relative. Raise one
    of MISSING or FAILED.
    """
    with tempfile.TemporaryDirectory(prefix="blacklake-") as home:
        directory = Path(home)
        blobs, one, two = (directory / name for name in ("s3", "one", "two"))
        for place in (blobs, one, two):
            place.mkdir()
        with (
            nginx.listener() as sock,
            postgres.running(directory) as database_url,
            s3.running(setup.s3, blobs) as bytes_server,
        ):
            host = f"127.0.0.1:{sock.getsockname()[1]}"
            # By another name than the registry's: clients keep their token from another host, but not from another port.
            storage = bytes_server.storage("some/prefix").replace("127.0.0.1", "localhost")
            shared = {
                "database_url": database_url,
                "storage": storage,
                "redirect": setup.redirect,
                "external_url": f"http://{host}",
                **(_secrets(directory) if setup.auth == "token" else {}),
            }
            alike = Setup(setup.door, setup.server, setup.python, auth=setup.auth)
            with (
                node(alike, one, {**shared, **settings}, s3.CREDENTIALS) as first,
                node(alike, two, {**shared, **settings}, s3.CREDENTIALS) as second,
                nginx.proxying(sock, directory / "nginx", (first.host, second.host), workers=1),
            ):
                yield Cluster(setup, host, directory, (first, second))


def _secrets(directory: Path) -> dict[str, str]:
    """Write what nodes with a database of their own must be given, and return the settings that name it."""
    key, password = directory / "secret-key", directory / "admin-password"
    key.write_bytes(base64.b64encode(secrets.token_bytes(32)))
    password.write_text(secrets.token_urlsafe())
    for path in (key, password):
        path.chmod(0o600)
    return {"secret_key_file": str(key), "admin_password_file": str(password)}


@contextmanager
def started(setup: Setup | ClusterSetup, **settings: str) -> Iterator[Server | Cluster]:
    """Run Blacklake in a setup, as `serving` and `clustered` do."""
    if isinstance(setup, Setup):
        with serving(setup, **settings) as server:
            yield server
    else:
        with clustered(setup, **settings) as cluster:
            yield cluster
