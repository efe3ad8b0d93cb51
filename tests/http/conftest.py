"""Every test that takes `client` or `raw` runs twice: on both servers, and through both doors.

Which door goes with which server is another on the newest Python, where `make soak` runs them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from tests.http.admin import Governed, governing
from tests.http.client import Client, Wire, wire
from tests.http.server import Registry, each_once, serving
from tests.setups import SETUPS, as_settings


@pytest.fixture(scope="session")
def registries(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str, str], Registry]]:
    """Return what gives the running registry with default settings of a server and door: each is started once."""
    with each_once(
        lambda server, door: serving(tmp_path_factory.mktemp(f"{server}-{door}"), **as_settings(server, door))
    ) as started:
        yield started


@pytest.fixture(scope="module", params=SETUPS, ids="-".join)
def registry(request: pytest.FixtureRequest, registries: Callable[[str, str], Registry]) -> Registry:
    """Return a running registry with default settings."""
    return registries(*request.param)


@pytest.fixture(scope="session")
def governments(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str, str], Governed]]:
    """Return what gives the running registry that asks who it is of a server and door: each is started once."""
    with each_once(
        lambda server, door: governing(
            tmp_path_factory.mktemp(f"governed-{server}-{door}"), **as_settings(server, door)
        )
    ) as started:
        yield started


@pytest.fixture(scope="module", params=SETUPS, ids="-".join)
def governed(request: pytest.FixtureRequest, governments: Callable[[str, str], Governed]) -> Governed:
    """Return a running registry that asks who it is."""
    return governments(*request.param)


@pytest.fixture(scope="module")
def nothing_left_behind(registry: Registry) -> Iterator[None]:
    """Check after each file of tests that it has brought acknowledged blobs only, once open uploads are cancelled."""
    before = registry.remains()
    yield
    client = Client(registry)
    with client.session:
        for location in registry.uploads:
            assert client.delete(location).status_code in (204, 404)
    registry.uploads.clear()
    assert [one for one in registry.remains() if one not in before] == []
    assert not list(Path(registry.directory, "blobs").glob("probe-*"))


@pytest.fixture
def client(registry: Registry, nothing_left_behind: None) -> Iterator[Client]:
    """Return a client with connections of its own."""
    found = Client(registry)
    with found.session:
        yield found


@pytest.fixture
def raw(registry: Registry) -> Iterator[Wire]:
    """Return a raw connection."""
    with wire(registry) as connection:
        yield connection


@pytest.fixture
def repo() -> str:
    """Return the name of a repository that nobody has used."""
    return fresh()


@pytest.fixture
def other() -> str:
    """Return the name of a second one."""
    return fresh()


def fresh() -> str:
    return f"team/{uuid4().hex}"
