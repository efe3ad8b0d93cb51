"""Logins at a terminal: the endpoints (RFC 8628), `blacklake login`, and clients that use what it has kept."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import requests

from conformance.tools import path_of
from registry import administration
from registry.auth.login import DEVICE_GRANT
from registry.config import Settings, load_settings
from tests.auth import issuer as issuers
from tests.auth.issuer import Issuer, ok
from tests.http.server import Registry, serving
from tests.http.test_audit import new_id, recorded
from tests.setups import SETUPS, share
from tests.tools import needed

CODE = "ABCD-EFGH"


@pytest.fixture(scope="module", params=share(SETUPS, __name__), ids="-".join)
def running(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    server, door = request.param
    directory = tmp_path_factory.mktemp(f"device-{server}-{door}")
    lane = str(door == "lane").lower()
    with serving(directory, auth="token", server=server, fast_lane=lane, outgoing_allow="127.0.0.1") as registry:
        yield registry


@pytest.fixture(scope="module")
def of_the_module(running: Registry) -> Iterator[Issuer]:
    with issuers.running() as found:
        settings = settings_of(running)
        administration.add_user(settings, "ann", password=None, is_admin=False)
        administration.add_organisation(settings, "team")
        administration.grant(settings, "user:ann", "writer", "team")
        administration.add_issuer(
            settings, found.url, kind=None, algorithms=("RS256",), client_id="blacklake", secret=None
        )
        administration.link(settings, found.url, "id-7", "ann")
        yield found


@pytest.fixture
def issuer(of_the_module: Issuer) -> Issuer:
    """Return an issuer where nobody has entered the code yet."""
    shown = {"user_code": CODE, "verification_uri": f"{of_the_module.url}/page", "expires_in": 600}
    of_the_module.answers["/device"] = lambda _form: ok(shown | {"device_code": f"d{uuid4().hex}"})
    says(of_the_module, "authorization_pending")
    return of_the_module


def settings_of(registry: Registry) -> Settings:
    return load_settings(data_dir=registry.directory)


def says(issuer: Issuer, *words: str) -> None:
    """Let the issuer answer with these words, one after the other, and then with a token of id-7; one word alone stays."""
    left = list(words)

    def answer(_form: dict[str, str]) -> issuers.Reply:
        if not left:
            return ok({"id_token": issuer.token(aud="blacklake", sub="id-7"), "token_type": "Bearer"})
        word = left[0] if len(words) == 1 else left.pop(0)
        return 400, {"Content-Type": "application/json"}, json.dumps({"error": word}).encode()

    issuer.answers["/token"] = answer


def post(running: Registry, path: str, **form: str) -> requests.Response:
    return requests.post(f"{running.url}/auth/device{path}", form, timeout=20)


def begun(running: Registry, issuer: Issuer) -> dict[str, Any]:
    answer = post(running, "", issuer=issuer.url)
    assert answer.status_code == 200, answer.text
    assert answer.headers["Cache-Control"] == "no-store"
    found: dict[str, Any] = answer.json()
    return found


def asked(running: Registry, shown: dict[str, Any]) -> requests.Response:
    return post(running, "/token", grant_type=DEVICE_GRANT, device_code=shown["device_code"], client_id="a-client")


def test_a_terminal_shows_a_code_and_gets_tokens_when_it_has_been_entered(running: Registry, issuer: Issuer) -> None:
    shown = begun(running, issuer)
    assert (shown["user_code"], shown["verification_uri"], shown["interval"]) == (CODE, f"{issuer.url}/page", 5)
    assert 590 <= shown["expires_in"] <= 600
    assert len(shown["device_code"]) > 40
    for word in ("authorization_pending", "slow_down"):  # the second one is ours: it has asked too soon
        answer = asked(running, shown)
        assert (answer.status_code, answer.json()["error"]) == (400, word)
    says(issuer)
    given = asked(running, begun(running, issuer)).json()
    assert (given["token_type"], given["username"]) == ("Bearer", "ann")
    assert requests.get(f"{running.url}/v2/", headers=bearer(given["access_token"]), timeout=20).status_code == 200
    refresh = {"grant_type": "refresh_token", "service": "blacklake", "refresh_token": given["refresh_token"]}
    scope = "repository:team/model:pull,push"
    again = requests.post(f"{running.url}/auth/token", refresh | {"scope": scope}, timeout=20)
    assert again.json()["scope"] == scope


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def test_the_only_issuer_need_not_be_named(running: Registry, issuer: Issuer) -> None:
    assert post(running, "").json()["user_code"] == CODE
    another = "http://127.0.0.1:1"
    administration.add_issuer(
        settings_of(running), another, kind=None, algorithms=("RS256",), client_id="x", secret=None
    )
    try:
        answer = post(running, "")
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
        assert issuer.url in answer.json()["error_description"]
    finally:
        administration.remove_issuer(settings_of(running), another)


@pytest.mark.parametrize("url", ["https://evil.test", "http://169.254.169.254/latest", "x"])
def test_an_issuer_that_nobody_has_added_is_not_called(running: Registry, issuer: Issuer, url: str) -> None:
    answer = post(running, "", issuer=url)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


@pytest.mark.parametrize(
    ("form", "error"),
    [
        ({}, "unsupported_grant_type"),
        ({"grant_type": "password"}, "unsupported_grant_type"),
        ({"grant_type": DEVICE_GRANT}, "access_denied"),
        ({"grant_type": DEVICE_GRANT, "device_code": "AAAA"}, "access_denied"),
        ({"grant_type": DEVICE_GRANT, "device_code": "é" * 5000}, "access_denied"),
    ],
)
def test_a_question_that_is_none(running: Registry, form: dict[str, str], error: str) -> None:
    answer = post(running, "/token", **form)
    assert (answer.status_code, answer.json()["error"]) == (400, error)


def test_who_is_nobody_here_is_refused(running: Registry, issuer: Issuer) -> None:
    shown = begun(running, issuer)
    issuer.answers["/token"] = lambda _form: ok({"id_token": issuer.token(aud="blacklake", sub="stranger")})
    answer = asked(running, shown)
    assert (answer.status_code, answer.json()["error"]) == (400, "access_denied")


def test_a_client_s_word_for_itself_crowds_nothing_out_of_the_audit_log(running: Registry, issuer: Issuer) -> None:
    shown = begun(running, issuer)
    says(issuer)
    form = {"grant_type": DEVICE_GRANT, "device_code": shown["device_code"], "client_id": "c" * 20_000}
    headers = {"X-Request-ID": (request := new_id())}
    assert requests.post(f"{running.url}/auth/device/token", form, headers=headers, timeout=20).status_code == 200
    details = [event[-1] for event in recorded(running, request) if event[3] == "token.give"]
    assert [(detail["client"], len(detail["jti"])) for detail in details] == [("c" * 128, 32)]


@pytest.fixture
def home(tmp_path: Path) -> dict[str, str]:
    """Return the environment of somebody with an empty home."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("BLACKLAKE_", "DOCKER_"))}
    return kept | {"HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path)}


def blacklake(*arguments: str, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "blacklake", *arguments]
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=100, check=False)


def test_clients_use_what_the_login_has_kept(running: Registry, issuer: Issuer, home: dict[str, str]) -> None:
    """By the real clients: docker's configuration with an identity token, which each exchanges by POST."""
    server = f"localhost:{running.port}"
    file = Path(home["HOME"], ".docker", "config.json")
    file.parent.mkdir()
    file.write_text('{"auths": {"other.test": {"auth": "YTpi"}}, "detachKeys": "ctrl-e,e"}')
    says(issuer)
    done = blacklake("login", server, "--issuer", issuer.url, env=home)
    assert done.returncode == 0, done.stderr
    assert CODE in done.stdout
    assert f"logged in to {server} as ann" in done.stdout
    kept = json.loads(file.read_text())
    assert kept["auths"]["other.test"] == {"auth": "YTpi"}
    assert kept["detachKeys"] == "ctrl-e,e"
    assert kept["auths"][server]["identitytoken"].startswith("blr_")
    assert kept["auths"][server]["identitytoken"] not in done.stdout + done.stderr
    assert file.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in file.parent.iterdir()] == ["config.json"]
    content = Path(home["HOME"], "model.bin")
    content.write_bytes(b"weights")
    used(home, needed(path_of, "oras"), "push", "--plain-http", f"{server}/team/model:v1", "model.bin")
    used(home, needed(path_of, "oras"), "pull", "--plain-http", f"{server}/team/model:v1", "-o", "out")
    assert Path(home["HOME"], "out", "model.bin").read_bytes() == b"weights"
    used(home, needed(path_of, "crane"), "manifest", "--insecure", f"{server}/team/model:v1")
    used(home, needed(path_of, "crane"), "copy", "--insecure", f"{server}/team/model:v1", f"{server}/team/copy:v1")
    used(home, needed(path_of, "regctl"), "registry", "set", "--tls", "disabled", server)
    used(home, needed(path_of, "regctl"), "manifest", "get", f"{server}/team/copy:v1")
    used(home, needed(path_of, "regctl"), "image", "copy", f"{server}/team/model:v1", f"{server}/team/third:v1")
    token = kept["auths"][server]["identitytoken"]
    done = blacklake("logout", server, env=home)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"logged out of {server}\n", "")
    form = {"grant_type": "refresh_token", "refresh_token": token}
    assert requests.post(f"{running.url}/auth/token", form, timeout=20).status_code == 401
    for content, status in (({"token": token}, 200), ({"token": "none"}, 200), ({}, 400)):
        assert requests.post(f"{running.url}/auth/revoke", content, timeout=20).status_code == status
    assert json.loads(file.read_text())["auths"] == {"other.test": {"auth": "YTpi"}}
    assert blacklake("logout", server, env=home).stdout == f"nobody was logged in to {server}\n"


def used(home: dict[str, str], program: Path, *arguments: str) -> None:
    done = subprocess.run(
        [program, *arguments], env=home, cwd=home["HOME"], capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode == 0, f"{program.name}: {done.stdout} {done.stderr}"


@pytest.mark.parametrize(("word", "why"), [("access_denied", "access_denied"), ("expired_token", "expired_token")])
def test_a_login_that_is_refused_keeps_nothing(
    running: Registry, issuer: Issuer, home: dict[str, str], word: str, why: str
) -> None:
    says(issuer, word)
    done = blacklake("login", f"127.0.0.1:{running.port}", env=home)
    assert done.returncode == 1
    assert why in done.stderr
    assert not Path(home["HOME"], ".docker").exists()


def test_what_is_not_encrypted_goes_through_no_proxy(running: Registry, issuer: Issuer, home: dict[str, str]) -> None:
    """A proxy would read the refresh token. Here there is none at its address: who asked it would get no answer."""
    says(issuer, "access_denied")
    direct = {name: value for name, value in home.items() if name.lower() != "no_proxy"}
    done = blacklake("login", f"127.0.0.1:{running.port}", env=direct | {"http_proxy": "http://127.0.0.1:9"})
    assert "access_denied" in done.stderr
