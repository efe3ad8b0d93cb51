"""The compose file: it fits the specification, its parts fit each other, and nothing in it is open or secret by mistake."""

from __future__ import annotations

import re
import stat
import subprocess
import tomllib
from configparser import ConfigParser
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import jsonschema
import pytest
import yaml

from conformance.nginx import CONFIGURATION
from registry.auth.sealing import read_key
from registry.config import load_settings
from tests.deploy.modules import schema
from tests.docs.commands import ROOT

PLACE = ROOT / "deploy" / "compose"
NODES = ("node-1", "node-2")


@pytest.fixture
def compose() -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load((PLACE / "compose.yaml").read_text())
    return document


@pytest.fixture
def secrets(tmp_path: Path) -> Path:
    """Return the directory of secrets that the script makes."""
    subprocess.run([PLACE / "make-secrets", tmp_path / "secrets"], check=True)
    return tmp_path / "secrets"


def test_it_fits_the_compose_specification(compose: dict[str, Any]) -> None:
    specification = schema("github.com/compose-spec/compose-go/v2", "v2.9.0", "schema/compose-spec.json")
    jsonschema.Draft7Validator(specification).validate(compose)
    compose["services"]["nginx"]["port"] = []
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft7Validator(specification).validate(compose)


def test_nginx_asks_the_nodes_of_the_file(compose: dict[str, Any]) -> None:
    text = CONFIGURATION.read_text()
    assert re.findall(r"^ +server ([\w-]+):5000 ", text, re.MULTILINE) == list(NODES)
    (volume,) = compose["services"]["nginx"]["volumes"]
    assert (PLACE / volume.split(":")[0]).resolve() == CONFIGURATION
    (published,) = compose["services"]["nginx"]["ports"]
    host, port, inner = published.split(":")
    assert f"listen {inner};" in text
    assert [urlsplit(compose["services"][node]["environment"]["BLACKLAKE_EXTERNAL_URL"]).port for node in NODES] == (
        [int(port)] * 2
    )
    assert host == "127.0.0.1"


def test_nodes_ask_who_it_is_and_what_is_not_encrypted_is_published_on_loopback_only(compose: dict[str, Any]) -> None:
    for name in NODES:
        environment = compose["services"][name]["environment"]
        assert environment["BLACKLAKE_AUTH"] == "token"
        assert (
            environment["BLACKLAKE_TRUSTED_PROXIES"]
            == compose["services"]["nginx"]["networks"]["front"]["ipv4_address"]
        )
    published = [port for service in compose["services"].values() for port in service.get("ports", [])]
    assert [port.startswith("127.0.0.1:") for port in published] == [True]
    assert compose["networks"]["back"] == {"internal": True}


def test_every_service_waits_for_services_that_are_there_and_reads_secrets_that_are_made(
    compose: dict[str, Any], secrets: Path
) -> None:
    for service in compose["services"].values():
        for name, how in service.get("depends_on", {}).items():
            waited = compose["services"][name]
            healthy = how["condition"] == "service_healthy"
            assert not healthy or "healthcheck" in waited or waited["build"]["dockerfile"] == "deploy/docker/Dockerfile"
        assert set(service.get("secrets", [])) <= set(compose["secrets"])
    named = {secret["file"] for secret in compose["secrets"].values()}
    assert named == {f"secrets/{file.name}" for file in secrets.iterdir()}


def test_nodes_have_a_read_only_root_and_no_capability(compose: dict[str, Any]) -> None:
    dockerfile = (ROOT / "deploy" / "docker" / "Dockerfile").read_text()
    for name in (*NODES, "migrate"):
        node = compose["services"][name]
        assert (node["read_only"], node["cap_drop"], node["security_opt"]) == (
            True,
            ["ALL"],
            ["no-new-privileges:true"],
        )
        assert not node.keys() & {"tmpfs", "volumes"}
    # The image's own volume is the only place that can be written to, and where parts of uploads are gathered.
    assert "VOLUME /var/lib/blacklake\n" in dockerfile
    assert "TMPDIR=/var/lib/blacklake " in dockerfile


def test_secrets_are_different_each_time_kept_and_closed_to_others(secrets: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    subprocess.run([PLACE / "make-secrets", other], check=True)
    before = {file.name: file.read_text() for file in secrets.iterdir()}
    assert all((other / name).read_text() != text for name, text in before.items())
    subprocess.run([PLACE / "make-secrets", secrets], check=True, stdout=subprocess.DEVNULL)
    assert {file.name: file.read_text() for file in secrets.iterdir()} == before
    assert stat.S_IMODE(secrets.stat().st_mode) == 0o700


def test_the_services_secrets_are_one_another_s(secrets: Path) -> None:
    url = urlsplit(load_settings(secrets / "blacklake.toml").database_url or "")
    assert (url.username, url.hostname, url.path) == ("blacklake", "postgres", "/blacklake")
    assert url.password == (secrets / "postgres_password").read_text()
    assert list(tomllib.loads((secrets / "blacklake.toml").read_text())) == ["database_url"]
    credentials = ConfigParser()
    credentials.read(secrets / "aws_credentials")
    assert read_key(secrets / "secret_key")
    assert len((secrets / "admin_password").read_text()) == 40
    assert dict(credentials["default"]) == {
        "aws_access_key_id": (secrets / "s3_user").read_text(),
        "aws_secret_access_key": (secrets / "s3_password").read_text(),
    }


def test_the_bucket_is_made_without_a_secret_among_the_arguments(
    compose: dict[str, Any], secrets: Path, tmp_path: Path
) -> None:
    bucket = compose["services"]["bucket"]
    (script,) = bucket["command"]
    program = tmp_path / "mc"
    program.write_text('#!/bin/sh\necho "$@"; echo "$MC_HOST_s3" >&2\n')
    program.chmod(0o700)
    run = [*bucket["entrypoint"], script.replace("$$", "$").replace("/run/secrets", str(secrets))]
    done = subprocess.run(run, env={"PATH": f"{tmp_path}:/usr/bin:/bin"}, capture_output=True, text=True, check=True)
    user, password = ((secrets / name).read_text() for name in ("s3_user", "s3_password"))
    assert done.stdout == "mb --ignore-existing s3/blacklake\n"
    assert done.stderr == f"http://{user}:{password}@s3:9000\n"
