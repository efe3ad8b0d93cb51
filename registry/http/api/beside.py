"""Two applications at one address: the API, and all else."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from registry.http.api.problems import is_api
from registry.http.app import normalise
from registry.http.lane import App


class Beside:
    """Hands what is below `/api` to one application, and all else to another."""

    def __init__(self, api: App, app: App) -> None:
        self._api = api
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Hand a request on."""
        if scope["type"] == "http":
            normalise(scope)
            if is_api(scope["path"]):
                await self._api(scope, receive, send)
                return
        await self._app(scope, receive, send)


class Lazily:
    """An application that is made when it is first asked: it takes its time and memory, and many never ask."""

    def __init__(self, make: Callable[[], App]) -> None:
        self._make = make
        self._making = asyncio.Lock()
        self._app: App | None = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer a request."""
        async with self._making:
            if self._app is None:
                self._app = await asyncio.to_thread(self._make)
        await self._app(scope, receive, send)
