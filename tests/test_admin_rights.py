"""`blacklake admin user|robot|team|role|access`: what they do together, what they print, and their exit codes."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519
from cyclopts import CycloptsError

from blacklake.admin.words import Action, Permission
from blacklake.cli import app
from blacklake.settings import USAGE, Refused
from registry.core.access import Permission as AllPermissions
from registry.core.roles import CUSTOM


class Commands:
    """Runs them in this process."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def __call__(self, *arguments: str, code: int = 0) -> str:
        """Return what a command prints, where its exit code is `code`."""
        refusal, done = "", 0
        try:
            done = app(["admin", *arguments], exit_on_error=False, print_error=False) or 0
        except Refused as error:
            refusal, done = str(error), error.code
        except CycloptsError as error:
            refusal, done = str(error), USAGE
        said = self._capsys.readouterr().out + refusal
        assert done == code, said
        return said.rstrip("\n")


@pytest.fixture
def says(capsys: pytest.CaptureFixture[str]) -> Commands:
    return Commands(capsys)


def test_rights_are_given_explained_and_taken_by_commands(
    says: Commands, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BLACKLAKE_DATABASE_URL", database_url)
    says("org", "add", "acme")
    says("user", "add", "ada")
    assert says("robot", "add", "acme+ci") == "robot acme+ci is there"
    assert says("team", "add", "acme/ml") == "team acme/ml is there"
    assert says("team", "add-member", "acme/ml", "ada") == "ada is of acme/ml"
    assert says("role", "add", "acme/tagger", "pull", "tag-move") == "role acme/tagger permits pull, tag-move"
    says("grant", "add", "team:acme/ml", "tagger", "acme/models/*")
    explained = says("access", "explain", "user:ada", "acme/models/bert", "tag-move")
    assert (
        explained
        == "allowed: role tagger on acme/models/*, granted to team:acme/ml, permits tag-move on acme/models/bert"
    )
    explained = says("access", "explain", "user:ada", "acme/models/bert", "push", code=1)
    assert explained.splitlines() == [
        (
            "denied: no grant to user:ada permits push on acme/models/bert;"
            " `blacklake admin grant add user:ada writer acme/models/bert` would"
        ),
        "  near: role tagger on acme/models/*, granted to team:acme/ml, permits pull, tag-move",
    ]
    assert says("access", "explain", "user:eva", "acme/models/bert", "push", code=1) == "denied: there is no user eva"
    assert says("access", "who-can", "pull", "acme/models/bert") == "ada: role tagger on acme/models/*, by team ml"
    for wrong in (("ada", "acme/a", "pull"), ("user:ada", "acme/A", "pull"), ("user:ada", "acme/a", "fly")):
        says("access", "explain", *wrong, code=2)
    assert says("user", "disable", "ada") == "user ada is disabled"
    says("access", "explain", "user:ada", "acme/models/bert", "pull", code=1)
    assert says("user", "enable", "ada") == "user ada is enabled"
    assert says("team", "remove-member", "acme/ml", "ada") == "ada is no longer of acme/ml"
    says("access", "explain", "user:ada", "acme/models/bert", "pull", code=1)
    assert says("role", "remove", "acme/tagger") == "role acme/tagger is gone, and 1 grants with it"
    assert says("team", "remove", "acme/ml") == "team acme/ml is gone"
    assert says("robot", "remove", "acme+ci") == "robot acme+ci is gone"
    assert says("user", "remove", "ada") == "user ada is gone"
    assert says("user", "remove", "ada", code=1) == "there is no user ada"


def test_a_service_gets_a_key_by_commands(
    says: Commands, database_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("BLACKLAKE_DATABASE_URL", database_url)
    path = tmp_path / "ci.pem"
    assert says("service", "add", "ci") == "service ci is there"
    assert "can't be read" in says("service", "add-key", "ci", str(path), code=1)
    path.write_bytes(b"none")
    assert "no public key in PEM" in says("service", "add-key", "ci", str(path), code=1)
    path.write_bytes(
        ed25519.Ed25519PrivateKey.generate()
        .public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    key = says("service", "add-key", "ci", str(path), "--expires", "30d")
    assert len(key) == 64
    assert says("service", "revoke-key", "ci", key) == f"key {key} is revoked"
    assert "no valid key" in says("service", "revoke-key", "ci", key, code=1)


def test_that_nobody_can_be_asked_is_no_refusal_of_a_right(says: Commands, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BLACKLAKE_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")
    assert "could not be read" in says("access", "explain", "anonymous", "acme/a", "pull", code=2)


@pytest.mark.parametrize(("words", "known"), [(Permission, CUSTOM), (Action, tuple(AllPermissions))])
def test_the_command_line_knows_every_permission(words: object, known: tuple[AllPermissions, ...]) -> None:
    assert get_args(words) == known
