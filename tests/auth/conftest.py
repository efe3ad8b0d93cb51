"""What identities stand on: a real PostgreSQL, and a secret key."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator

import pytest

from registry.auth.keyring import Keyring
from registry.auth.sealing import SIZE, SecretKey
from registry.db.pool import Database


@pytest.fixture
async def db(database_url: str) -> AsyncIterator[Database]:
    made = Database(database_url, size=4, timeout=10)
    await made.open()
    yield made
    await made.close()


@pytest.fixture
def secret_key() -> SecretKey:
    return SecretKey(os.urandom(SIZE))


@pytest.fixture(params=["ES256", "RS256", "EdDSA"])
def keyring(request: pytest.FixtureRequest, db: Database, secret_key: SecretKey) -> Keyring:
    return Keyring(db, secret_key, algorithm=request.param, longest=300)
