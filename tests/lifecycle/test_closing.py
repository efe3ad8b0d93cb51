"""What a worker has opened is closed when it ends, whatever fails meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from registry.auth.sealing import make_key_file
from registry.compose.server import create_server
from registry.config import Auth, Settings
from registry.db.pool import Database
from registry.db.replicas import Replicas
from registry.http.lane import App
from registry.storage.memory import MemoryStore


class Lifespan:
    """Starts and ends an application as a server of HTTP does (ASGI, Lifespan Protocol 2.0)."""

    def __init__(self, app: App) -> None:
        self._asked: asyncio.Queue[dict[str, str]] = asyncio.Queue()
        self._answered: asyncio.Queue[Mapping[str, Any]] = asyncio.Queue()
        self._running = asyncio.create_task(app({"type": "lifespan"}, self._asked.get, self._answered.put))

    async def ask(self, what: str) -> str:
        """Return the type of the answer."""
        await self._asked.put({"type": f"lifespan.{what}"})
        return str((await asyncio.wait_for(self._answered.get(), 30))["type"])


@pytest.mark.parametrize("auth", Auth)
async def test_all_is_closed_though_something_can_not_be(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, auth: Auth
) -> None:
    closed: list[str] = []

    def noting(kind: type[Any]) -> None:
        close = kind.close

        async def noted(self: Any) -> None:
            closed.append(kind.__name__)
            await close(self)
            if kind is Replicas:
                raise LookupError("a replica that does not end")

        monkeypatch.setattr(kind, "close", noted)

    for kind in (Database, MemoryStore, Replicas):
        noting(kind)
    key = tmp_path / "secret-key"
    make_key_file(key)
    settings = Settings(database_url=database_url, data_dir=tmp_path, storage="memory:", auth=auth, secret_key_file=key)
    worker = Lifespan(create_server(settings))
    assert await worker.ask("startup") == "lifespan.startup.complete"
    assert await worker.ask("shutdown") == "lifespan.shutdown.failed"
    assert closed == ["Replicas", "Database", "MemoryStore"]
