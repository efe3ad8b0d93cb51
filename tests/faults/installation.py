"""Two nodes, their PostgreSQL, their storage, and the ways between them: everything here can be spoiled or killed.

nodes ──→ toxiproxy ──→ relay ──→ PostgreSQL
  └─────→ storage: a bucket (bucket.py) or a disk (disk.py)
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal
from urllib.parse import parse_qs, urlsplit

from registry.db.binaries import DATABASE, USER
from registry.db.embedded import EmbeddedPostgres
from tests.faults.bucket import Bucket, bucket
from tests.faults.disk import Disk, disk
from tests.faults.toxiproxy import Way, toxiproxy
from tests.lifecycle.serving import Registry
from tests.relay import Relay, relaying

Storage = Literal["bucket", "disk"]


class Installation:
    """What runs."""

    def __init__(self, place: Path, postgres: EmbeddedPostgres, relay: Relay, way: Way, storage: Bucket | Disk) -> None:
        self.place = place
        self.postgres = postgres
        self.database_relay = relay
        self.database_way = way
        self.storage = storage
        self.database_url = f"postgresql://{USER}@127.0.0.1:{way.port}/{DATABASE}"
        self.nodes: tuple[Registry, ...] = ()

    @property
    def bucket(self) -> Bucket:
        """The storage, which is a bucket."""
        assert isinstance(self.storage, Bucket)
        return self.storage

    @property
    def disk(self) -> Disk:
        """The storage, which is a disk."""
        assert isinstance(self.storage, Disk)
        return self.storage

    @property
    def ports(self) -> tuple[int, ...]:
        """Those of the nodes."""
        return tuple(node.port for node in self.nodes)

    def start_nodes(self, nodes: Sequence[Registry] | None = None) -> None:
        """Start nodes at once, all or those that were killed, and wait until they are ready."""
        for node in nodes or self.nodes:
            node.start(wait=False)
        for node in nodes or self.nodes:
            node.wait_until_listening()

    def stop_nodes(self) -> list[int]:
        """Ask all nodes for their end and return their exit codes."""
        for node in self.nodes:
            node.family()
            node.process.send_signal(signal.SIGTERM)
        return [node.ended() for node in self.nodes]

    def kill_postgres(self) -> None:
        """Kill the postmaster by SIGKILL; `postgres.start()` makes another."""
        os.kill(self.postgres.pid, signal.SIGKILL)


@contextlib.contextmanager
def installed(place: Path, storage: Storage, settings: Sequence[dict[str, object]]) -> Iterator[Installation]:
    """Run an installation below `place` with a node for each of the `settings`; what is left at the end is killed.

    Raise ToolMissing or DiskUnavailable where something isn't here that it takes.
    """
    place.mkdir()
    postgres = EmbeddedPostgres(place / "postgres")
    with contextlib.ExitStack() as stack:
        control = stack.enter_context(toxiproxy(place / "toxiproxy.log"))
        made: Bucket | Disk
        if storage == "bucket":
            made = stack.enter_context(bucket(place / "s3", control))
        else:
            made = stack.enter_context(disk(place / "disk"))
        stack.callback(postgres.stop)
        postgres.start()
        relay = stack.enter_context(relaying(_socket(postgres.url)))
        installation = Installation(place, postgres, relay, Way(control, "database", relay.port), made)
        shared = {"database_url": installation.database_url, "storage": made.url}
        installation.nodes = tuple(
            stack.enter_context(Registry(place / f"node{number}", **{**shared, **own}))
            for number, own in enumerate(settings, 1)
        )
        installation.start_nodes()
        yield installation


def _socket(url: str) -> str:
    """Return the unix socket of an embedded PostgreSQL's URL."""
    place = parse_qs(urlsplit(url).query)
    return f"{place['host'][0]}/.s.PGSQL.{place['port'][0]}"
