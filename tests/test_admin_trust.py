"""`blacklake admin issuer` and `blacklake admin trust`: what they print, and their exit codes."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import os
import sys
from pathlib import Path

import asyncpg
import pytest

from blacklake.cli import app
from blacklake.settings import Refused
from registry.auth.sealing import read_key
from registry.auth.trusted import secret_name

ISSUER = "https://token.actions.githubusercontent.com"
RULE = (
    "ci", ISSUER, "builder", "--audience", "https://registry.test", "--claim", "repository=acme/*", "--claim",
    "repository_owner_id=42", "--repository", "acme/models*", "--repository", "acme/data", "--action", "pull",
)  # fmt: skip


class Commands:
    """Runs `blacklake admin` in this process: a start of Python for each of them would take too long."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._monkeypatch = monkeypatch
        self._capsys = capsys

    def __call__(self, *arguments: str, said: str = "", code: int = 0) -> str:
        self._monkeypatch.setattr(sys, "stdin", io.StringIO(said))
        refusal, found = "", 0
        try:
            app(["admin", *arguments], exit_on_error=False, print_error=False)
        except Refused as refused:
            refusal, found = str(refused), refused.code
        printed = self._capsys.readouterr()
        assert found == code, (printed, refusal)
        return printed.out + refusal


@pytest.fixture
def key(tmp_path: Path) -> Path:
    (tmp_path / "key").write_bytes(base64.b64encode(os.urandom(32)))
    return tmp_path / "key"


@pytest.fixture
def admin(
    database_url: str, key: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Commands:
    monkeypatch.setenv("BLACKLAKE_DATABASE_URL", database_url)
    monkeypatch.setenv("BLACKLAKE_SECRET_KEY_FILE", str(key))
    made = Commands(monkeypatch, capsys)
    made("user", "add", "builder")
    return made


def test_an_issuer_and_its_rules_come_and_go(admin: Commands) -> None:
    assert admin("issuer", "add", ISSUER) == f"issuer {ISSUER} is there\n"
    assert ISSUER in admin("issuer", "list")
    assert json.loads(admin("issuer", "list", "--json")) == {
        "url": ISSUER,
        "kind": "github",
        "algorithms": ["RS256", "ES256"],
        "keys_url": None,
        "client_id": None,
        "creates_users": False,
    }
    assert "stand for builder" in admin("trust", "add", *RULE)
    header, row = admin("trust", "list").splitlines()
    assert header.split() == ["name", "issuer", "audience", "claims", "principal", "actions", "repositories", "seconds"]
    assert row.split() == [
        "ci", ISSUER, "https://registry.test", "repository=acme/*", "repository_owner_id=42", "builder", "pull",
        "acme/models*,acme/data", "900",
    ]  # fmt: skip
    assert "rule ci is gone" in admin("trust", "remove", "ci")
    admin("trust", "add", *RULE)
    assert "with its rules and links" in admin("issuer", "remove", ISSUER)
    assert admin("trust", "list") == admin("issuer", "list") == ""


def test_what_can_not_be_is_refused_in_words(admin: Commands) -> None:
    assert "there is no issuer" in admin("trust", "add", *RULE, code=1)
    admin("issuer", "add", ISSUER)
    assert "already" in admin("issuer", "add", ISSUER, code=1)
    assert "is of the kind gitlab, not other" in admin("issuer", "add", "https://gitlab.com", "--kind", "other", code=1)
    assert "anybody has tokens of this issuer" in admin(
        "trust", "add", "ci", ISSUER, "builder", "--audience", "a", "--claim", "ref=refs/heads/main", "--repository", "acme",
        code=1,
    )  # fmt: skip
    assert "is not NAME=VALUE" in admin(
        "trust", "add", "ci", ISSUER, "builder", "--audience", "a", "--claim", "x", "--repository", "acme", code=2
    )
    assert "there is no rule other" in admin("trust", "remove", "other", code=1)


def test_a_client_s_secret_is_kept_sealed_and_never_shown(admin: Commands, key: Path, database_url: str) -> None:
    url = "https://idp.test"
    options = ("--client-id", "blacklake", "--client-secret-stdin", "--create-users", "--algorithm", "ES256")
    shown = admin("issuer", "add", url, *options, said="hush hush\n") + admin("issuer", "list")
    assert "hush" not in shown
    assert shown.splitlines()[-1].split() == [url, "other", "ES256", "blacklake", "yes"]

    async def row() -> asyncpg.Record:
        conn = await asyncpg.connect(database_url)
        found = await conn.fetchrow("SELECT sealed_client_secret, creates_users FROM issuers")
        await conn.close()
        assert found is not None
        return found

    sealed, creates_users = asyncio.run(row())
    assert b"hush" not in sealed
    assert read_key(key).open(sealed, name=secret_name(url)) == b"hush hush"
    assert creates_users
    key.unlink()
    assert "can't be read" in admin("issuer", "add", "https://b.test", *options, said="x\n", code=1)


def test_a_subject_is_linked_to_a_user_and_unlinked(admin: Commands) -> None:
    admin("issuer", "add", "https://idp.test", "--client-id", "blacklake")
    assert admin("issuer", "link", "https://idp.test", "7", "builder") == "7 of https://idp.test is builder\n"
    assert "already" in admin("issuer", "link", "https://idp.test", "7", "builder", code=1)
    assert "is nobody any more" in admin("issuer", "unlink", "https://idp.test", "7")
    assert "stands for nobody" in admin("issuer", "unlink", "https://idp.test", "7", code=1)
