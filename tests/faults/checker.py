"""Compares what a registry serves and stores, while nobody writes, with the ledger."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Final, NamedTuple, Self, TypeVar

from registry.db.binaries import binaries, installations, run
from registry.db.embedded import EmbeddedPostgres
from tests.faults.exchange import Exchange
from tests.faults.ledger import Key, Ledger
from tests.faults.stored import Directory, Stored
from tests.faults.uploads import Uploads
from tests.faults.wire import Gone, Ports

T = TypeVar("T")

_PATIENCE: Final = 60.0  # seconds for an answer, for a lease to end, for a cleaning round
_PAUSE: Final = 0.1

_OBJECTS: Final = """
SELECT 'blob', storage_key, size, encode(digest, 'hex') FROM blobs
UNION ALL SELECT 'upload', storage_key, received, '' FROM uploads
UNION ALL SELECT 'dead', storage_key, 0, '' FROM dead_objects
"""
_AGE: Final = """
UPDATE uploads SET touched_at = touched_at - interval '1 day', lease_until = NULL;
UPDATE dead_objects SET due_at = now();
"""


class Object(NamedTuple):
    """What a row says of a storage key: in which table, of how many bytes, and of which digest (hexadecimal)."""

    table: str
    key: str
    size: int
    digest: str


class Checker:
    """Checks the registry at `ports`, which keeps its database and its blobs in `data` unless they are named."""

    def __init__(
        self, ledger: Ledger, ports: Ports, data: Path, database: str | None = None, stored: Stored | None = None
    ) -> None:
        self._ledger = ledger
        self._database = database or EmbeddedPostgres(data / "postgres").url
        self._stored = stored or Directory(data / "blobs")
        self._patience = _PATIENCE
        self._exchange = Exchange(ledger, ports)
        self._uploads = Uploads(self._exchange)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._exchange.wire.close()

    def check(self, *, everything: bool) -> None:
        """Read what was written since the last check, or all there is; look at the uploads and into the storage."""
        ledger = self._ledger
        for key in ledger.everything() if everything else ledger.touched:
            self._read(key)
        ledger.touched.clear()
        self._compare_tags()
        for upload in list(ledger.uploads):
            self._ask(f"the status of {upload.location}", partial(self._uploads.status, upload))
        self._compare_storage()

    def finish_uploads(self) -> None:
        """Go on with every upload that was interrupted, as soon as its last holder's lease has ended."""
        deadline = time.monotonic() + _PATIENCE
        while self._ledger.uploads and time.monotonic() < deadline:
            for upload in list(self._ledger.uploads):
                self._ask(f"the resumption of {upload.location}", partial(self._uploads.resume, upload))
            time.sleep(_PAUSE)
        for upload in self._ledger.uploads:
            self._ledger.violate(f"upload {upload.location} can't be resumed")

    def age(self) -> None:
        """Let every upload session be older than its time to live, and every dead object be due."""
        _sql(self._database, _AGE)

    def compare_cleaned(self) -> None:
        """Wait for the cleaning; then nothing may be left but the blobs."""
        deadline = time.monotonic() + _PATIENCE
        while left := [row for row in self._objects() if row.table != "blob"]:
            if time.monotonic() > deadline:
                self._ledger.violate(f"not cleaned up: {left[:10]}")
                return
            time.sleep(_PAUSE)
        self._compare_storage()

    def _read(self, key: Key) -> None:
        allowed = self._ledger.readable(key)
        for found in self._ask(f"a pull of {key}", partial(self._exchange.look, key)):
            if found not in allowed:
                self._ledger.violate(f"{key} is {found}, allowed {allowed}")
            self._ledger.settle(key, found)

    def _ask(self, what: str, ask: Callable[[], T]) -> list[T]:
        """Ask until there is an answer, because the service may just be healing; complain and return none when it isn't."""
        deadline = time.monotonic() + self._patience
        while True:
            try:
                return [ask()]
            except Gone as error:
                if time.monotonic() > deadline:
                    self._patience = _PAUSE  # It is not healing.
                    self._ledger.violate(f"{what} is not answered ({error or 'status 503'})")
                    return []
            time.sleep(_PAUSE)

    def _compare_tags(self) -> None:
        """Each repository lists the tags that a pull finds, and no other."""
        for repository in {key.repository for key in self._ledger.everything()}:
            present = sorted(self._ledger.present("tag", repository))
            for listed in self._ask(f"the list of tags of {repository}", partial(self._exchange.tags, repository)):
                if listed != present:
                    self._ledger.violate(f"{repository} lists the tags {listed}, pulled were {present}")

    def _compare_storage(self) -> None:
        """Every blob's row has its bytes, all that is stored has a row: bytes come first and rows second, keys before both."""
        deadline = time.monotonic() + 2  # what a request did whose client had gone may just be ending
        while problems := list(self._storage_problems()):
            if time.monotonic() > deadline:
                for problem in problems[:10]:
                    self._ledger.violate(problem)
                return
            time.sleep(_PAUSE)

    def _storage_problems(self) -> Iterable[str]:
        whole, pieces = self._stored.found()
        rows = self._objects()
        known = {digest.partition(":")[2] for digest in self._ledger.contents}
        for row in rows:
            if row.table == "blob" and whole.get(row.key) != row.size:
                yield f"a blob's bytes are wrong: {row}, stored are {whole.get(row.key)}"
            if row.table == "blob" and row.digest[2:] not in known:
                yield f"a blob that nobody pushed: {row}"
            if row.table == "upload" and max(pieces.get(row.key, 0), whole.get(row.key, 0)) < row.size:
                yield f"an upload has too few bytes: {row}, stored are {pieces.get(row.key)}"
        for orphan in (whole.keys() | pieces.keys()) - {row.key for row in rows}:
            yield f"something is stored that no row names: {orphan}, {whole.get(orphan)} bytes and {pieces.get(orphan)}"

    def _objects(self) -> list[Object]:
        lines = _sql(self._database, _OBJECTS).splitlines()
        return [Object(row[0], row[1], int(row[2]), row[3]) for row in (line.split("|") for line in lines)]


def _sql(database: str, statement: str) -> str:
    psql = binaries(max(installations())) / "psql"
    return run([psql, "-XqAt", "--set=ON_ERROR_STOP=1", f"--dbname={database}"], said=statement)
