"""An option for what takes minutes and downloads an operating system."""

from __future__ import annotations

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--image", action="store_true", help="build the container image from nothing and run it")
