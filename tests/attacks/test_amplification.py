"""What costs its sender little and the registry much."""

from __future__ import annotations

from pathlib import Path

import jwt
import pytest

from registry.auth.scopes import parse_scopes
from registry.auth.sealing import make_key_file
from registry.auth.token_service import Wanted
from registry.auth.tokens import AccessTokens
from registry.compose.doors import create_doors, create_keyring
from registry.compose.governed import create_token_service
from registry.config import Settings
from registry.core.access import ANONYMOUS
from registry.core.services import Services
from registry.db.pool import Database


async def test_a_hundred_scopes_are_no_hundred_queries(
    database_url: str, database: Database, services: Services, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody in particular may ask for a hundred at once: they are decided together."""
    make_key_file(tmp_path / "key")
    settings = Settings(database_url=database_url, secret_key_file=tmp_path / "key")
    service = create_token_service(settings, database, services, create_doors(settings, database, None))
    asked, read = [], database.read

    async def counted(name: str, work: object) -> object:
        asked.append(name)
        return await read(name, work)  # type: ignore[arg-type]

    monkeypatch.setattr(database, "read", counted)
    scopes = parse_scopes([f"repository:acme/{number}:pull,push" for number in range(100)])
    given = await service.without_credentials(Wanted(scopes, "attacks", "192.0.2.1", "request"))
    assert given.scopes == []
    assert asked.count("decide_rights") <= 2


async def test_long_tokens_fill_no_memory(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was verified is remembered for tokens as clients have them; one of many scopes is verified each time."""
    make_key_file(tmp_path / "key")
    keyring = create_keyring(Settings(secret_key_file=tmp_path / "key"), database)
    tokens = AccessTokens(keyring, issuer="blacklake", service="blacklake", seconds=300)
    decoded, decode = [], jwt.decode

    def counted(token: str, *rest: object, **more: object) -> object:
        decoded.append(token)
        return decode(token, *rest, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(jwt, "decode", counted)
    for number, times in ((1, 1), (20, 3)):
        scopes = parse_scopes([f"repository:acme/{one:0100}:pull" for one in range(number)])
        token = (await tokens.issue(ANONYMOUS, scopes)).token
        for _ in range(3):
            await tokens.verify(token)
        assert decoded.count(token) == times, number
