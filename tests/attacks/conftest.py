"""Attacks go through HTTP against a real server: where doors and servers matter, through both on both."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from tests.attacks.tenants import Tenants, settled
from tests.http.client import Client, digest_of
from tests.http.server import each_once, serving
from tests.setups import SETUPS, as_settings

BERT = b"a layer that only acme may read"
DIGEST = digest_of(BERT)


@pytest.fixture(scope="session")
def tenants(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tenants]:
    """Return both tenants on a registry as it is by default."""
    with serving(tmp_path_factory.mktemp("attacked"), auth="token", trusted_proxies="127.0.0.1") as registry:
        yield settled(registry)


@pytest.fixture(scope="session")
def attacked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str, str], Tenants]]:
    """Return what gives both tenants on a server and door: each is started once."""

    @contextmanager
    def start(server: str, door: str) -> Iterator[Tenants]:
        directory = tmp_path_factory.mktemp(f"attacked-{server}-{door}")
        with serving(directory, auth="token", **as_settings(server, door)) as registry:
            yield settled(registry)

    with each_once(start) as started:
        yield started


@pytest.fixture(scope="module", params=SETUPS, ids="-".join)
def everywhere(request: pytest.FixtureRequest, attacked: Callable[[str, str], Tenants]) -> Tenants:
    """Return both tenants, through both doors of both servers in turn."""
    return attacked(*request.param)


@pytest.fixture
def nobody(tenants: Tenants) -> Iterator[Client]:
    """Return a client without credentials."""
    client = Client(tenants.registry)
    with client.session:
        yield client


@pytest.fixture(scope="session")
def bert(tenants: Tenants) -> str:
    """Return a repository of acme with an image."""
    with tenants.acting("alice").session as session:
        client = Client(tenants.registry)
        client.session = session
        client.push_image("acme/bert", "v1", BERT)
    return "acme/bert"
