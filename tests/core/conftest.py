"""What several tests of the verbs begin with."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from registry.core import hashing


@pytest.fixture
def without_libcrypto(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Act on a machine whose libcrypto is not to be found, or fails its self-test."""
    hashing._library.cache_clear()
    hashing._function.cache_clear()
    monkeypatch.setattr(hashing, "_passes_self_test", lambda _library: False)
    yield
    hashing._library.cache_clear()
    hashing._function.cache_clear()
