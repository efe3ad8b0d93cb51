"""Streaming replicas of a PostgreSQL: made as an operator makes them, held up, hung and promoted."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import psutil

from registry.db.binaries import binaries, run
from registry.db.embedded import EmbeddedPostgres
from tests.db.postgres import NEWEST, running, sql
from tests.lifecycle.serving import eventually


@contextlib.contextmanager
def replica_of(primary: EmbeddedPostgres, directory: Path) -> Iterator[EmbeddedPostgres]:
    """Copy a running PostgreSQL and let the copy follow it as long as the block lasts."""
    behind = urlsplit(primary.url)
    place = {name: values[0] for name, values in parse_qs(behind.query).items()}
    source = ["--host", place["host"], "--port", place["port"], "--username", str(behind.username)]
    run(
        [
            binaries(NEWEST) / "pg_basebackup",
            f"--pgdata={directory}",
            *source,
            "--checkpoint=fast",
            "--write-recovery-conf",
        ]
    )
    with running(EmbeddedPostgres(directory)) as replica:
        yield replica


def follow(directory: Path, primary: EmbeddedPostgres) -> None:
    """Let a copy of the directory of a PostgreSQL, made while that did not run, be a replica: what pg_basebackup writes."""
    behind = urlsplit(primary.url)
    place = {name: values[0] for name, values in parse_qs(behind.query).items()}
    source = f"host=''{place['host']}'' port={place['port']} user={behind.username}"
    with (directory / "postgresql.auto.conf").open("a") as settings:
        settings.write(f"primary_conninfo = '{source}'\n")
    (directory / "standby.signal").touch()


def catch_up(replica: EmbeddedPostgres, primary: EmbeddedPostgres) -> None:
    """Wait until the replica has replayed all that the primary has written."""
    end = sql(primary, "SELECT pg_current_wal_lsn()")
    eventually(
        lambda: sql(replica, f"SELECT pg_last_wal_replay_lsn() >= '{end}'") == "t",
        f"the replica replays up to {end}",
    )


def pause(replica: EmbeddedPostgres) -> None:
    """Let the replica receive and not replay any more."""
    sql(replica, "SELECT pg_wal_replay_pause()")
    eventually(lambda: sql(replica, "SELECT pg_get_wal_replay_pause_state()") == "paused", "replay is paused")


def resume(replica: EmbeddedPostgres) -> None:
    sql(replica, "SELECT pg_wal_replay_resume()")


def promote(replica: EmbeddedPostgres) -> None:
    """Make the replica a primary."""
    sql(replica, "SELECT pg_promote()")
    sql(replica, "CHECKPOINT")


@contextlib.contextmanager
def hanging(server: EmbeddedPostgres) -> Iterator[None]:
    """Stop every process of it: connections stay, and nobody answers."""
    processes = [psutil.Process(server.pid), *psutil.Process(server.pid).children(recursive=True)]
    for process in processes:
        process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        for process in processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGCONT)


def kill(server: EmbeddedPostgres) -> None:
    """Kill the postmaster, as the kernel does where memory is short."""
    psutil.Process(server.pid).kill()
