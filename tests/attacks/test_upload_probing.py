"""By pushing a blob nobody learns whether another repository holds it: the same work is done (Harnik et al., 2010).

Whoever could tell would try, of a small secret in a file that is otherwise known, one value after the other.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from mediatypes.digest import Digest
from mediatypes.names import RepositoryName
from registry.compose.verbs import create_services
from registry.config import Settings
from registry.core.audit import Actor
from registry.core.services import Services
from registry.db.pool import Database
from registry.storage.base import BlobStore
from registry.storage.filesystem import FilesystemStore
from tests.actors import OPERATOR

MINE, THEIRS = RepositoryName("rival/mine"), RepositoryName("acme/theirs")


class Work:
    """Counts what is asked of the database and of the storage, by what it is."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.done: Counter[str] = Counter()
        for verb in ("fetch", "fetchrow", "fetchval", "execute"):
            self._count(monkeypatch, asyncpg.Connection, verb, lambda arguments: " ".join(arguments[1].split()[:3]))
        for verb in ("holds", "delete", "read", "open_writer"):
            self._count(monkeypatch, FilesystemStore, verb, lambda _, verb=verb: f"storage: {verb}")

    def _count(self, monkeypatch: pytest.MonkeyPatch, of: type, verb: str, name: Any) -> None:
        original = getattr(of, verb)

        def counted(*arguments: Any, **more: Any) -> Any:
            self.done[name(arguments)] += 1
            return original(*arguments, **more)

        monkeypatch.setattr(of, verb, counted)

    def taken(self) -> Counter[str]:
        done, self.done = self.done, Counter()
        return done


async def body(content: bytes) -> Any:
    yield content


async def push(services: Services, name: RepositoryName, content: bytes, actor: Actor | None = OPERATOR) -> None:
    await services.uploads.push(name, Digest.of(content), body(content), length=len(content), actor=actor)


@pytest.fixture
async def store(tmp_path: Path) -> Any:
    made = FilesystemStore(tmp_path / "blobs")
    yield made
    await made.close()


async def test_blob_upload_timing_probing(
    settings: Settings, database: Database, store: BlobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Counted, not timed: as many statements and calls of the storage; what was pushed in vain is deleted later, by another."""
    services = create_services(settings, database, store)
    await push(services, THEIRS, b"acme's secret")
    await push(services, MINE, b"the repository is there")
    work = Work(monkeypatch)
    await push(services, MINE, b"nobody's blob")
    unknown = work.taken()
    await push(services, MINE, b"acme's secret")
    known = work.taken()
    noted = {"INSERT INTO dead_objects": 1}
    forgotten = {"DELETE FROM dead_objects": 1}
    assert known - unknown == Counter(noted)
    assert unknown - known == Counter(forgotten)
    assert unknown["storage: holds"] == 1
    assert not unknown["storage: delete"]


async def test_an_open_registry_which_hides_nothing_asks_the_storage_of_what_it_has_already_and_of_nothing_else(
    settings: Settings, database: Database, store: BlobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    services = create_services(settings, database, store)
    await push(services, MINE, b"the repository is there", None)
    work = Work(monkeypatch)
    await push(services, MINE, b"nobody's blob", None)
    new = work.taken()
    assert not [
        name for name in new if name == "storage: holds" or "dead_objects" in name or "storage_key FROM" in name
    ]
    await push(services, THEIRS, b"nobody's blob", None)
    assert work.taken()["storage: holds"] == 1
