"""Schemas and documents that are made to hang, to swell or to call out: the registry answers, and others too."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from registry import administration_schemas
from registry.config import load_settings
from registry.upkeep import UpkeepFailed
from tests.http.client import Client, image_of
from tests.http.server import Registry, serving
from tests.schemas.making import written
from tests.schemas.test_bounds import nested

REPO = "team/victim"


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    with serving(tmp_path_factory.mktemp("schemas")) as running:
        yield running


@pytest.fixture
def client(registry: Registry) -> Iterator[Client]:
    found = Client(registry)
    with found.session:
        yield found


def enforce(registry: Registry, name: str, **keywords: Any) -> None:
    """Enforce a schema on a repository of its own name."""
    settings = load_settings(data_dir=registry.directory)
    administration_schemas.add_schema(settings, written(f"team/{name}", **keywords))
    administration_schemas.bind_schema(settings, f"team/{name}", f"team/{name}/1", "enforce", artifact_type=None)


def refused(client: Client, name: str, config: bytes = b"{}", **more: Any) -> list[str]:
    """Push what is refused, and return by which rules."""
    client.push_blob(f"team/{name}", config)
    answer = client.put_manifest(
        f"team/{name}", image_of(**{"config": config, "config_type": "application/json"} | more), "v1"
    )
    assert answer.status_code == 400, answer.text
    assert len(answer.content) < 64 << 10
    return [one["rule"] for one in answer.json()["errors"][0]["detail"]["violations"]]


def test_a_schema_that_doubles_its_work_with_each_level_is_given_up(registry: Registry, client: Client) -> None:
    enforce(registry, "doubling", defs=nested("anyOf"), properties={"x": {"$ref": "#/$defs/d0"}}, x_applies_to="config")
    assert refused(client, "doubling", b'{"x": 1}') == ["limit"]


def test_a_pattern_that_others_hang_on_is_answered(registry: Registry, client: Client) -> None:
    enforce(registry, "pattern", properties={"x": {"pattern": "^(([a-z])+.)+[A-Z]([a-z])+$"}})
    assert refused(client, "pattern", annotations={"x": "a" * 100_000}) in (["pattern"], ["limit"])


@pytest.mark.parametrize(
    "config",
    [
        b'{"x":' + b"[" * 5000 + b"]" * 5000 + b"}",
        b'{"x":' * 2000 + b"1" + b"}" * 2000,
        b'{"x":1' + b"0" * 100_000 + b"}",
        b'{"x":1e999}',
        b'{"x":NaN}',
        b'{"x":1,"x":2}',
        b'{"x":"\\ud800"}',
        b"\xff\xfe{}",
        b'{"x":[' + b"1," * 120_000 + b"1]}",
        b"[" + b"1," * 200_000 + b"1]",
    ],
    ids=["lists", "objects", "digits", "infinity", "NaN", "a key twice", "half a pair", "UTF-16", "items", "too large"],
)
def test_a_config_that_is_made_to_harm_is_refused(registry: Registry, client: Client, config: bytes) -> None:
    enforce(
        registry, "config", x_applies_to="config", additionalProperties={"items": {"type": "string"}}, required=["y"]
    )
    assert refused(client, "config", config)


def test_annotations_that_are_made_to_harm_are_refused(registry: Registry, client: Client) -> None:
    enforce(
        registry,
        "annotations",
        additionalProperties={"type": "array", "uniqueItems": True, "items": {"type": "integer"}},
    )
    for text in ("[" * 100_000, "[" + "1," * 100_000 + "2]", "9" * 100_000, '["\\u0000"]', "x" * 300_000):
        assert refused(client, "annotations", annotations={"a": text})
    names = {f"{'n' * 50}{number}": "5" for number in range(20_000)}
    assert refused(client, "annotations", annotations=names)


def test_what_is_told_of_names_and_values_steers_no_terminal_and_no_header(registry: Registry, client: Client) -> None:
    settings = load_settings(data_dir=registry.directory)
    enforce(registry, "odd", additionalProperties={"type": "integer"})
    odd = {'\x1b[31m"\r\nSet-Cookie: a=b\0': "\x1b]0;x\x07"}
    client.push_blob("team/odd", b"{}")
    answer = client.put_manifest("team/odd", image_of(annotations=odd), "v1")
    assert answer.status_code == 400
    message = answer.json()["errors"][0]["message"]
    assert message.isprintable()
    administration_schemas.bind_schema(settings, "team/odd", "team/odd/1", "warn", artifact_type=None)
    answer = client.put_manifest("team/odd", image_of(annotations=odd), "v1")
    assert answer.status_code == 201
    assert "Set-Cookie" not in answer.headers
    assert answer.headers["Warning"].isprintable()


def test_others_are_answered_while_bombs_are_judged(registry: Registry, client: Client) -> None:
    enforce(registry, "busy", defs=nested("anyOf"), properties={"x": {"$ref": "#/$defs/d0"}}, x_applies_to="config")
    config = b'{"x": 1}'
    client.push_blob("team/busy", config)
    stop = threading.Event()
    judged: list[int] = []

    def bomb() -> None:
        other = Client(registry)
        with other.session:
            manifest = image_of(config=config, config_type="a/b")
            while not stop.is_set() or not judged:
                judged.append(other.put_manifest("team/busy", manifest, "v1").status_code)

    threads = [threading.Thread(target=bomb) for _ in range(4)]
    for thread in threads:
        thread.start()
    answers = [client.get("/v2/").status_code for _ in range(20)]
    stop.set()
    for thread in threads:
        thread.join()
    assert set(judged) == {400}
    assert set(answers) == {200}


def test_a_reference_to_elsewhere_is_refused_and_nobody_is_called(registry: Registry, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as canary:
        canary.settimeout(0.5)
        url = f"http://127.0.0.1:{canary.getsockname()[1]}/schema.json"
        settings = load_settings(data_dir=registry.directory)
        for keywords in ({"ref": url}, {"items": {"$ref": f"{url}#/x"}}, {"items": {"$id": url, "$ref": "x"}}):
            with pytest.raises(UpkeepFailed, match=r"/\$(ref|id) "):
                administration_schemas.add_schema(settings, written("team/remote", **keywords))
        with pytest.raises(TimeoutError):
            canary.accept()


def test_a_manifest_that_names_its_own_schema_changes_nothing(registry: Registry, client: Client) -> None:
    enforce(registry, "own", required=["owner"])
    schema = {"$schema": "http://127.0.0.1:9/x", "$id": "urn:blacklake:schema:team/own:1.0.0", "$ref": "#"}
    assert refused(client, "own", annotations={name: json.dumps(text) for name, text in schema.items()}) == ["required"]
