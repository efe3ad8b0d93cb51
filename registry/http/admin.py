"""The second address of a worker: metrics, and readiness in detail, for those who run the registry.

Every worker listens there, and the kernel deals connections out: whichever answers has the metrics of all.
"""

from __future__ import annotations

import asyncio
import logging
import socket

from hypercorn.asyncio import serve
from hypercorn.config import Config
from quart import Quart

_BACKLOG = 128
_PATIENCE = 1.0  # seconds for answers that are under way when the worker ends


class AdminListener:
    """Serves `app` at an address by the server that Quart brings, whichever serves everybody else."""

    def __init__(self, app: Quart, host: str, port: int) -> None:
        self._app = app
        self._address = host, port
        self._ended = asyncio.Event()
        self._serving: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Listen. Raise OSError."""
        family = socket.AF_INET6 if ":" in self._address[0] else socket.AF_INET
        listener = socket.socket(family)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(self._address)
        except OSError:
            listener.close()
            raise
        config = Config()
        config.bind = [f"fd://{listener.detach()}"]
        config.backlog = _BACKLOG
        config.errorlog = logging.getLogger("hypercorn.error")
        config.graceful_timeout = _PATIENCE
        config.include_server_header = False
        self._serving = asyncio.create_task(serve(self._app, config, shutdown_trigger=self._ended.wait))

    async def stop(self) -> None:
        """Answer nobody any more."""
        if self._serving is not None:
            self._ended.set()
            await self._serving
