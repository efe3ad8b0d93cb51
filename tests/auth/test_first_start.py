"""What a start needs of the database: keys that the secret key opens, and a way to it that keeps sessions."""

from __future__ import annotations

import asyncio
import base64
import os
import stat
from pathlib import Path

import pytest

from registry.auth.keyring import Keyring
from registry.auth.sealing import SIZE, read_key
from registry.config import Settings, load_settings
from registry.datadir import FirstStartFailed
from registry.db.pool import Database
from registry.first_start import ensure_admin, ensure_secret_key, require_fitting_key

POOLER = "postgresql://nobody@127.0.0.1:1/none"
"""Stands for a pooler, which lends no session that keeps its settings: nothing may be asked of it here."""


def key_file(directory: Path, name: str) -> Path:
    place = directory / name
    place.write_bytes(base64.b64encode(os.urandom(SIZE)))
    return place


def settings_with(database_url: str, secret_key: Path) -> Settings:
    return load_settings(
        auth="token",
        data_dir=secret_key.parent,
        database_url=POOLER,
        database_direct_url=database_url,
        secret_key_file=secret_key,
    )


def test_a_node_with_another_secret_key_does_not_start(database_url: str, tmp_path: Path) -> None:
    right, wrong = (settings_with(database_url, key_file(tmp_path, name)) for name in ("right", "wrong"))
    for settings in (right, wrong):
        require_fitting_key(settings)  # nothing is sealed yet

    async def make_first() -> None:
        db = Database(database_url, size=2, timeout=10)
        await db.open()
        try:
            await Keyring(db, read_key(tmp_path / "right"), algorithm="ES256", longest=300).signer()
        finally:
            await db.close()

    asyncio.run(make_first())
    require_fitting_key(right)
    with pytest.raises(FirstStartFailed, match="BLACKLAKE_SECRET_KEY_FILE must name the key"):
        require_fitting_key(wrong)


def test_the_first_user_is_made_beside_a_pooler(database_url: str, tmp_path: Path) -> None:
    settings = settings_with(database_url, key_file(tmp_path, "key"))
    ensure_admin(settings, tmp_path)
    assert (tmp_path / "initial-admin-password").exists()


def test_the_name_of_a_new_key_file_is_durable_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[bool] = []
    original = os.fsync

    def noting(descriptor: int) -> None:
        synced.append(stat.S_ISDIR(os.fstat(descriptor).st_mode))
        original(descriptor)

    monkeypatch.setattr(os, "fsync", noting)
    ensure_secret_key(load_settings(auth="token", data_dir=tmp_path), tmp_path)
    assert synced == [False, True]
    read_key(tmp_path / "secret-key")
