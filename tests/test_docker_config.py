"""Where credentials are kept: Docker's file, or the helper that it names."""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path

import pytest

from blacklake.docker_config import ConfigUnusable, Credential, DockerConfig, credential_of

SERVER = "registry.example:5000"
HELPER = """#!/bin/sh
read -r given
echo "$1 $given" >> "{log}"
exit {code}
"""


@pytest.fixture
def config(tmp_path: Path) -> DockerConfig:
    return DockerConfig(tmp_path / "docker" / "config.json")


def write(config: DockerConfig, content: object) -> None:
    config.path.parent.mkdir(exist_ok=True)
    config.path.write_text(json.dumps(content))


def read(config: DockerConfig) -> object:
    return json.loads(config.path.read_text())


def helper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, *, code: int = 0) -> Path:
    """Put a credential helper into the path; return where it writes what it is told."""
    log = tmp_path / f"{name}.log"
    program = tmp_path / f"docker-credential-{name}"
    program.write_text(HELPER.format(log=log, code=code))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    return log


def test_a_first_login_makes_a_file_for_its_owner_only(config: DockerConfig) -> None:
    assert config.store(SERVER, "ann", "blr_token") == str(config.path)
    entry = {"auth": base64.b64encode(b"ann:").decode(), "identitytoken": "blr_token"}
    assert read(config) == {"auths": {SERVER: entry}}
    assert config.path.stat().st_mode & 0o777 == 0o600
    assert config.path.parent.stat().st_mode & 0o777 == 0o700


def test_what_else_is_there_stays(config: DockerConfig) -> None:
    other = {"auths": {"other": {"auth": "YTpi"}}, "proxies": {"default": {"httpProxy": "p"}}, "Ärger": [1, None]}
    write(config, other)
    config.path.chmod(0o644)
    config.store(SERVER, "ann", "t")
    config.store(SERVER, "bob", "u")
    assert config.path.stat().st_mode & 0o777 == 0o600
    assert config.erase(SERVER)
    assert read(config) == other
    assert not config.erase(SERVER)


def test_the_token_of_a_server_is_found_where_it_is_kept(
    config: DockerConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert config.token_of(SERVER) is None
    write(config, {"auths": {"other": {"auth": "YTpi", "identitytoken": "t"}, SERVER: {"auth": "YTpi"}}})
    assert config.token_of(SERVER) is None
    config.store(SERVER, "ann", "blr_token")
    assert config.token_of(SERVER) == "blr_token"
    for name, answer, expected in [
        ("token", '{"ServerURL":"s","Username":"<token>","Secret":"blr_kept"}', "blr_kept"),
        ("other", '{"ServerURL":"s","Username":"ann","Secret":"password"}', None),
        ("empty", "credentials not found in native keychain", None),
    ]:
        program = tmp_path / f"docker-credential-{name}"
        program.write_text(f"#!/bin/sh\necho '{answer}'\n")
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
        write(config, {"credsStore": name})
        assert config.token_of(SERVER) == expected


def test_a_link_to_the_file_stays_one(config: DockerConfig, tmp_path: Path) -> None:
    real = tmp_path / "dotfiles.json"
    real.write_text("{}")
    config.path.parent.mkdir()
    config.path.symlink_to(real)
    config.store(SERVER, "ann", "t")
    assert config.path.is_symlink()
    assert SERVER in real.read_text()


@pytest.mark.parametrize("content", ["{", "[]", '{"auths": []}', "\xff"])
def test_a_file_that_is_none_of_dockers_is_left_alone(config: DockerConfig, content: str) -> None:
    config.path.parent.mkdir()
    config.path.write_text(content, encoding="latin-1")
    with pytest.raises(ConfigUnusable, match=r"config\.json"):
        config.store(SERVER, "ann", "t")
    assert config.path.read_text(encoding="latin-1") == content


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_directory_that_can_not_be_written_is_said(config: DockerConfig) -> None:
    config.path.parent.mkdir(mode=0o500)
    with pytest.raises(ConfigUnusable, match="can't be written"):
        config.store(SERVER, "ann", "t")


def test_a_helper_for_all_keeps_the_token_and_the_file_does_not(
    config: DockerConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = helper(tmp_path, monkeypatch, "vault")
    write(config, {"credsStore": "vault", "auths": {SERVER: {"identitytoken": "an old one"}}})
    assert config.store(SERVER, "ann", "blr_token") == "docker-credential-vault"
    assert read(config) == {"credsStore": "vault", "auths": {SERVER: {}}}
    action, _, told = log.read_text().strip().partition(" ")
    assert action == "store"
    assert json.loads(told) == {"ServerURL": SERVER, "Username": "<token>", "Secret": "blr_token"}
    assert config.erase(SERVER)
    assert log.read_text().splitlines()[-1] == f"erase {SERVER}"


def test_a_helper_for_one_server_comes_first(
    config: DockerConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = helper(tmp_path, monkeypatch, "one"), helper(tmp_path, monkeypatch, "all")
    write(config, {"credsStore": "all", "credHelpers": {SERVER: "one"}})
    config.store(SERVER, "ann", "t")
    assert one.exists()
    assert not other.exists()


def test_a_helper_that_fails_or_is_missing_is_said_and_nothing_is_written(
    config: DockerConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    helper(tmp_path, monkeypatch, "broken", code=1)
    for name in ("broken", "missing", "../evil", "a b", 7):
        write(config, {"credsStore": name})
        with pytest.raises(ConfigUnusable) as refused:
            config.store(SERVER, "ann", "blr_secret")
        assert "blr_secret" not in str(refused.value)
        assert read(config) == {"credsStore": name}


def test_the_directory_is_dockers_own_or_the_one_that_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("DOCKER_CONFIG", raising=False)
    assert DockerConfig.of_user().path == tmp_path / ".docker" / "config.json"
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "elsewhere"))
    assert DockerConfig.of_user().path == tmp_path / "elsewhere" / "config.json"


@pytest.mark.parametrize(
    ("name", "entry", "expected"),
    [
        (SERVER, {"auth": "YW5uOnB3"}, Credential("ann", "pw")),
        (SERVER, {"username": "ann", "password": "p:w"}, Credential("ann", "p:w")),
        (f"https://{SERVER}/v1/", {"auth": "YW5uOnB3"}, Credential("ann", "pw")),
        (f"{SERVER}/team", {"auth": "YW5uOnB3"}, Credential("ann", "pw")),
        (f"{SERVER}/team/other", {"auth": "YW5uOnB3"}, None),
        (SERVER, {"auth": "YW5uOg==", "identitytoken": "t"}, Credential("ann", None, "t")),
        (SERVER, {"registrytoken": "t"}, Credential(None, None, None, "t")),
        (SERVER, {"auth": "YW5uOg=="}, None),
        (SERVER, {}, None),
        (SERVER, 7, None),
        ("registry.example", {"auth": "YW5uOnB3"}, None),
    ],
)
def test_what_other_clients_keep_is_found(
    config: DockerConfig, name: str, entry: object, expected: Credential | None
) -> None:
    write(config, {"auths": {name: entry}})
    assert config.credential_of(SERVER, "team/model") == expected


def test_the_closest_name_counts_and_docker_hub_has_its_own(config: DockerConfig) -> None:
    entries = {SERVER: "YTox", f"{SERVER}/team": "YToy", "https://index.docker.io/v1/": "aHViOjM="}
    write(config, {"auths": {name: {"auth": auth} for name, auth in entries.items()}})
    assert config.credential_of(SERVER, "team/model") == Credential("a", "2")
    assert config.credential_of(SERVER, "teams/model") == Credential("a", "1")
    assert config.credential_of("docker.io", "library/alpine") == Credential("hub", "3")


def test_a_credential_that_is_no_base64_is_said_and_none_is_shown(config: DockerConfig) -> None:
    write(config, {"auths": {SERVER: {"auth": "s3cret!"}}})
    with pytest.raises(ConfigUnusable, match="is no base64") as refused:
        config.credential_of(SERVER)
    assert "s3cret" not in str(refused.value)
    assert "s3cret" not in repr(Credential("ann", "s3cret", "s3cret", "s3cret"))


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ('{"Username":"ann","Secret":"pw"}', Credential("ann", "pw")),
        ('{"Username":"<token>","Secret":"t"}', Credential(identity_token="t")),
        ("credentials not found in native keychain", None),
        ('{"Username":"ann","Secret":""}', None),
    ],
)
def test_a_helper_is_asked(
    config: DockerConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: str, expected: Credential | None
) -> None:
    program = tmp_path / "docker-credential-kept"
    program.write_text(f"#!/bin/sh\necho '{answer}'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    write(config, {"credHelpers": {SERVER: "kept"}})
    assert config.credential_of(SERVER, "team/model") == expected
    write(config, {"credsStore": "missing"})
    with pytest.raises(ConfigUnusable, match="docker-credential-missing is missing"):
        config.credential_of(SERVER)


def test_podman_s_files_are_looked_into_as_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable, place in (("DOCKER_CONFIG", "docker"), ("XDG_RUNTIME_DIR", "run")):
        monkeypatch.setenv(variable, str(tmp_path / place))
    monkeypatch.setenv("REGISTRY_AUTH_FILE", str(tmp_path / "auth.json"))
    assert credential_of(SERVER) is None
    for place, auth in (("run/containers/auth.json", "YTox"), ("auth.json", "YToy"), ("docker/config.json", "YToz")):
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / place).write_text(json.dumps({"auths": {SERVER: {"auth": auth}}}))
        assert credential_of(SERVER) == Credential("a", {"YTox": "1", "YToy": "2", "YToz": "3"}[auth])
