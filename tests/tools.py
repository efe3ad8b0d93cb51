"""Programs that tests need: without one a test is skipped, but not in CI."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from conformance.tools import ToolMissing


def needed(find: Callable[..., Path], *names: str) -> Path:
    """Return the program that `find` returns; where it raises ToolMissing skip the test, but not in CI."""
    try:
        return find(*names)
    except ToolMissing as missing:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(str(missing))
