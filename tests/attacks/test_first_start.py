"""A registry that has just been started lets in nobody whose password somebody could know."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from registry.auth.passwords import SHORTEST
from registry.datadir import FIRST_ADMIN, PASSWORD_FILE
from registry.first_start import _write_privately
from tests.attacks.tenants import basic
from tests.http.client import Client
from tests.http.server import serving

KNOWN = ["admin", "password", "Harbor12345", "changeme", "blacklake", "", "quay", "123456", "admin123"]


def test_cve_2026_4404_no_default_password(tmp_path: Path) -> None:
    """The first user's password is made at random, told to nobody but the owner of the data directory, and in no log."""
    with serving(tmp_path, auth="token") as registry:
        place = registry.directory / PASSWORD_FILE
        password = place.read_text().strip()
        assert stat.S_IMODE(place.stat().st_mode) == 0o600
        assert len(password) > SHORTEST * 2
        client = Client(registry)
        with client.session:
            for user in (FIRST_ADMIN, "root", "administrator", "anonymous", "oidc"):
                for known in KNOWN[: 9 if user == FIRST_ADMIN else 2]:
                    assert client.get("/auth/token", headers=basic(user, known)).status_code == 401, (user, known)
            assert client.get("/auth/token", headers=basic(FIRST_ADMIN, password)).status_code == 200
        assert password not in registry.log.read_text()
        assert str(place) in registry.log.read_text()
        key = registry.directory / "secret-key"
        assert stat.S_IMODE(key.stat().st_mode) == 0o600
        before = (password, key.read_bytes())
    with serving(tmp_path, auth="token") as registry:
        assert (place.read_text().strip(), key.read_bytes()) == before, "a second start makes nothing anew"


def test_a_password_is_not_written_where_a_link_leads(tmp_path: Path) -> None:
    (tmp_path / PASSWORD_FILE).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic"):
        _write_privately(tmp_path / PASSWORD_FILE, "password")
    assert not (tmp_path / "elsewhere").exists()


def test_a_file_that_others_could_read_is_closed_to_them_before_the_password_is_in_it(tmp_path: Path) -> None:
    place = tmp_path / PASSWORD_FILE
    place.write_text("old")
    place.chmod(0o666)
    _write_privately(place, "password")
    assert stat.S_IMODE(place.stat().st_mode) == 0o600
