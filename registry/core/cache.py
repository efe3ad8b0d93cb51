"""Immutable bytes by digest, in bounded memory. Nothing that can change is ever put here."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

_OVERHEAD: Final = 200  # bytes that an entry costs besides its content
_LARGEST_SHARE: Final = 8


class ByteCache:
    """The least recently used contents go first. One content takes an eighth of `limit` (bytes) at most."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._size = 0
        self._contents: OrderedDict[bytes, bytes] = OrderedDict()

    def __contains__(self, key: bytes | None) -> bool:
        return key in self._contents

    def get(self, key: bytes) -> bytes | None:
        """Return what is kept under `key`."""
        content = self._contents.get(key)
        if content is not None:
            self._contents.move_to_end(key)
        return content

    def put(self, key: bytes, content: bytes) -> None:
        """Keep `content`, which is what `key` will mean for ever."""
        cost = len(content) + _OVERHEAD
        if cost * _LARGEST_SHARE > self._limit or key in self._contents:
            return
        self._contents[key] = content
        self._size += cost
        while self._size > self._limit:
            _, dropped = self._contents.popitem(last=False)
            self._size -= len(dropped) + _OVERHEAD
