"""Bytes to write, of which Hypothesis may draw as many as it likes."""

from __future__ import annotations

from functools import cache


@cache
def filled(size: int) -> bytes:
    """Return `size` bytes, the same object each time: Hypothesis keeps what it has drawn."""
    return bytes([size % 251]) * size
