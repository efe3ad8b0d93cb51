"""A cancelled upload lets nothing go before the work in its threads has ended."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from registry.core.services import Services
from registry.core.session import PIECE
from registry.storage import filesystem
from tests.core.support import NAME, body


@pytest.mark.parametrize("store", ["filesystem"], indirect=True)
async def test_a_file_is_closed_only_when_its_last_write_has_ended(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go = threading.Event(), threading.Event()
    events: list[str] = []
    write, close = filesystem._pwrite, filesystem.FileWriter.close

    def slow_write(*arguments: Any) -> None:
        begun.set()
        assert go.wait(30)
        write(*arguments)
        events.append("written")

    async def noted_close(writer: filesystem.FileWriter) -> None:
        events.append("closed")
        await close(writer)

    monkeypatch.setattr(filesystem, "_pwrite", slow_write)
    monkeypatch.setattr(filesystem.FileWriter, "close", noted_close)
    upload = await services.uploads.start(NAME)
    # The second piece waits for the first to be written, and is waiting when the request is cancelled.
    task = asyncio.create_task(services.uploads.append(NAME, upload, body(bytes(PIECE), bytes(PIECE)), chunk=None))
    assert await asyncio.to_thread(begun.wait, 30)
    task.cancel()
    for _ in range(50):
        await asyncio.sleep(0.001)
    assert events == []
    go.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert events[-1] == "closed"
    assert set(events[:-1]) == {"written"}
