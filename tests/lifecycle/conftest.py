"""Registries that are started, killed and stopped as programs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lifecycle.serving import Registry
from tests.prepared import clone
from tests.setups import SERVERS, share


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Try what asks for a `server` on those that the file is tried on."""
    if "server" in metafunc.fixturenames:
        metafunc.parametrize("server", share(SERVERS, metafunc.module.__name__))


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a data directory that a server has made and left: copying it is faster than a first start."""
    data = tmp_path_factory.mktemp("made") / "data"
    with Registry(data) as registry:
        assert registry.start().stop() == 0
    return data


@pytest.fixture
def registry(made: Path, server: str, tmp_path: Path) -> Iterator[Registry]:
    """Return a registry that is not started yet; at last its log must be free of what nobody expected."""
    with Registry(clone(made, tmp_path / "data"), server=server) as registry:
        yield registry
    assert_clean_log(registry)


def assert_clean_log(registry: Registry) -> None:
    """Every line is JSON, and none tells of an exception."""
    surprises = [line for line in registry.log() if "exception" in line or line["event"] == "request failed"]
    assert surprises == []
