"""What tests of identities begin with."""

from __future__ import annotations

import itertools
import os
from collections.abc import AsyncIterator, Iterator

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from registry.auth.addresses import Allowed
from registry.auth.issuers import Issuers
from registry.auth.keyring import ALGORITHMS, Keyring
from registry.auth.outgoing import Outgoing
from registry.auth.sealing import SIZE, SecretKey
from registry.db.pool import Database
from tests.auth import issuer as issuers_here
from tests.auth.issuer import Issuer


@pytest.fixture
async def db(database_url: str) -> AsyncIterator[Database]:
    made = Database(database_url, size=4, timeout=10)
    await made.open()
    yield made
    await made.close()


@pytest.fixture
def secret_key() -> SecretKey:
    return SecretKey(os.urandom(SIZE))


@pytest.fixture(scope="session")
def rsa_keys() -> Iterator[rsa.RSAPrivateKey]:
    """Return keys in turn, more than a test makes: each takes its time to make."""
    return itertools.cycle([rsa.generate_private_key(public_exponent=65537, key_size=2048) for _ in range(8)])


@pytest.fixture
def keyring(
    request: pytest.FixtureRequest,
    db: Database,
    secret_key: SecretKey,
    rsa_keys: Iterator[rsa.RSAPrivateKey],
    monkeypatch: pytest.MonkeyPatch,
) -> Keyring:
    """Return keys of ES256, or of the algorithm that the test's parameter names."""
    monkeypatch.setitem(ALGORITHMS, "RS256", lambda: next(rsa_keys))
    return Keyring(db, secret_key, algorithm=getattr(request, "param", "ES256"), longest=300)


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    """Return an issuer of this test's own."""
    with issuers_here.running() as made:
        yield made


@pytest.fixture
def outgoing() -> Outgoing:
    """Return what calls loopback addresses."""
    return Outgoing(Allowed(["127.0.0.0/8"]))


@pytest.fixture
def issuers(outgoing: Outgoing, clock: Clock) -> Issuers:
    """Return what verifies tokens of issuers that are known already: it needs no database, so there is none."""
    return Issuers(Database("postgresql://nobody.test/none", size=2, timeout=1), outgoing, clock=clock)
