"""What JSON Schema adds to the push of a manifest: repositories of one server, with schemas bound to them and without."""

import json
import time
from dataclasses import replace
from pathlib import Path
from statistics import median, quantiles

from bench import kinds
from bench.administration import admin
from bench.payload import digest, small
from bench.registry_client import MANIFEST, push_blob, push_manifest
from bench.report import table
from bench.servers import Server, running
from bench.wire import Connection

BOUND = 2.0  # milliseconds
ROUNDS = 7
PUSHES = 300
ORGANISATION = "bench"
MODEL = "application/vnd.cncf.model.manifest.v1+json"
CONFIG = "application/vnd.cncf.model.config.v1+json"
WEIGHTS = "application/vnd.cncf.model.weight.v1.raw"
UNBOUND = "unbound"

_PLAIN = {"type": "string", "minLength": 1, "maxLength": 200}
_CARD: dict[str, object] = {
    "$id": f"urn:blacklake:schema:{ORGANISATION}/card:1.0.0",
    "type": "object",
    "properties": {
        "com.acme.accuracy": {"type": "number", "minimum": 0.5, "maximum": 1},
        "com.acme.reviewed": {"const": True},
        "com.acme.stage": {"enum": ["experiment", "candidate", "production"]},
        "com.acme.ticket": {"type": "string", "pattern": "^[A-Z]{2,8}-[0-9]{1,6}$"},
        "com.acme.owner": {"$ref": "#/$defs/mail"},
        "com.acme.reviewer": {"$ref": "#/$defs/mail"},
        "com.acme.run": {"type": "integer", "minimum": 0},
        "com.acme.tags": {"type": "array", "items": {"type": "string"}, "maxItems": 10},
    },
    "patternProperties": {"^org\\.opencontainers\\.image\\.": _PLAIN},
    "required": ["com.acme.owner", "com.acme.accuracy", "com.acme.stage", "org.opencontainers.image.licenses"],
    "$defs": {"mail": {"type": "string", "pattern": "^[^@ ]+@[a-z.-]+$"}},
}
_MODELPACK: dict[str, object] = {
    "$id": f"urn:blacklake:schema:{ORGANISATION}/config:1.0.0",
    "x-applies-to": "config",
    "type": "object",
    "properties": {
        "descriptor": {
            "type": "object",
            "properties": {
                "name": {"type": "string", "pattern": "^[a-z0-9.-]+$"},
                "version": {"type": "string", "pattern": "^[0-9]+\\.[0-9]+\\.[0-9]+$"},
                "authors": {"type": "array", "items": _PLAIN, "minItems": 1},
                "licenses": {"type": "array", "items": {"enum": ["Apache-2.0", "MIT"]}, "minItems": 1},
                "docURL": {"type": "string", "pattern": "^https://"},
            },
            "required": ["name", "version", "licenses"],
        },
        "config": {
            "type": "object",
            "properties": {
                "paramSize": {"type": "string", "pattern": "^[0-9.]+[KMBTQkmbtq]$"},
                "precision": {"enum": ["bfloat16", "float16", "float32"]},
                "capabilities": {"type": "object", "properties": {"languages": {"items": {"pattern": "^[a-z]{2}$"}}}},
            },
            "required": ["architecture", "format", "paramSize"],
            "additionalProperties": True,
        },
        "modelfs": {
            "type": "object",
            "properties": {
                "type": {"const": "layers"},
                "diffIds": {"type": "array", "items": {"type": "string", "pattern": "^sha256:[0-9a-f]{64}$"}},
            },
        },
    },
    "required": ["descriptor", "config", "modelfs"],
}
# What is bound to each repository beside the built-in schemas, by its name.
_REPOSITORIES: dict[str, tuple[dict[str, object], ...]] = {
    UNBOUND: (),
    "annotations": (_CARD,),
    "config": (_CARD, _MODELPACK),
}
_TITLES = {
    UNBOUND: "nothing bound",
    "annotations": "annotations (`model/1`, `annotations/1`, an own one)",
    "config": "annotations and config (an own one of each, `model/1`, `annotations/1`)",
}


def validation(rounds: int, pushes: int, directory: Path) -> tuple[str, bool]:
    """Return what schemas add to the push of a manifest, and whether that is within BOUND.

    In each of `rounds` every repository gets `pushes` manifests, which all conform; a different one is the first.
    """
    # Descriptions follow pushes, and would be measured with those that come after.
    kind = replace(kinds.ours(), environment={"BLACKLAKE_JOBS": "off"})
    times: dict[str, list[list[float]]] = {name: [] for name in _REPOSITORIES}
    with running(kind, directory) as server:
        _bind(server, directory)
        with Connection(server.port) as connection:
            parts = {name: _parts(connection, name) for name in _REPOSITORIES}
            for name in _REPOSITORIES:
                _require_judged(connection, name, parts[name])
                _turn(connection, name, parts[name], range(-pushes, 0))  # what is ready by the second is not counted
            for number in range(rounds):
                first = number % len(times)
                for name in [*times, *times][first : first + len(times)]:
                    numbers = range(number * pushes, (number + 1) * pushes)
                    times[name].append(_turn(connection, name, parts[name], numbers))
                    print(f"    {name:12} {median(times[name][-1]):8.2f} ms", flush=True)
    return _text(times, pushes)


def _bind(server: Server, directory: Path) -> None:
    """Add the schemas and bind them, and the built-in ones."""
    files = [directory / f"schema{number}.json" for number in range(2)]
    for file, document in zip(files, (_CARD, _MODELPACK), strict=True):
        file.write_text(json.dumps(document))
    bound = [
        ["schema", "bind", f"{ORGANISATION}/{name}", schema, "--mode", "enforce"]
        for name, own in _REPOSITORIES.items()
        if own
        for schema in ("model/1", "annotations/1", *map(_reference, own))
    ]
    admin(server, *(["schema", "add", str(file)] for file in files), *bound)


def _reference(document: dict[str, object]) -> str:
    """Return how a schema is called when it is bound, by its `$id`."""
    return str(document["$id"]).removeprefix("urn:blacklake:schema:").replace(":", "/")


def _parts(connection: Connection, name: str) -> tuple[dict[str, object], list[dict[str, object]]]:
    """Push what the manifests name, and return the descriptors of the config and of the layers."""
    repository = f"{ORGANISATION}/{name}"
    layers = [push_blob(connection, repository, small(f"layer{number}", 4096)) for number in range(4)]
    config = push_blob(connection, repository, json.dumps(_config([layer["digest"] for layer in layers])).encode())
    for layer in layers:
        layer["mediaType"] = WEIGHTS
    return config | {"mediaType": CONFIG}, layers


def _config(diff_ids: list[object]) -> dict[str, object]:
    """Return a config of ModelPack (its config.md): 1.3 kB as JSON."""
    return {
        "descriptor": {
            "createdAt": "2026-01-01T12:00:00Z",
            "authors": ["Ada <ada@example.com>", "Grace <grace@example.com>"],
            "vendor": "Acme",
            "family": "llama3",
            "name": "llama-3.1-8b-instruct-summaries",
            "version": "3.1.0",
            "title": "Summaries of medical papers",
            "description": "A fine-tuned model that summarises medical papers. " * 6,
            "docURL": "https://example.com/models/summaries",
            "sourceURL": "https://example.com/source/summaries.git",
            "datasetsURL": ["https://example.com/datasets/papers", "https://example.com/datasets/abstracts"],
            "revision": "6c0f3d2c6a3d0d8e4a7a",
            "licenses": ["Apache-2.0"],
        },
        "config": {
            "architecture": "transformer",
            "format": "safetensors",
            "paramSize": "8b",
            "precision": "bfloat16",
            "capabilities": {"inputTypes": ["text"], "outputTypes": ["text"], "languages": ["en", "de", "fr"]},
        },
        "modelfs": {"type": "layers", "diffIds": diff_ids},
    }


def _annotations(number: int) -> dict[str, str]:
    """Return fifteen annotations, the same ones but for a number."""
    image = {
        "created": "2026-01-01T12:00:00Z",
        "authors": "Ada <ada@example.com>",
        "url": "https://example.com/models/summaries",
        "source": "https://example.com/source/summaries.git",
        "version": "3.1.0",
        "licenses": "Apache-2.0",
        "title": "Summaries of medical papers",
    }
    own = {
        "accuracy": "0.93",
        "reviewed": "true",
        "stage": "production",
        "ticket": "ML-1234",
        "owner": "ada@example.com",
        "reviewer": "grace@example.com",
        "run": str(abs(number)),
        "tags": '["medical", "summaries"]',
    }
    return {f"org.opencontainers.image.{key}": value for key, value in image.items()} | {
        f"com.acme.{key}": value for key, value in own.items()
    }


def _manifest(parts: tuple[dict[str, object], list[dict[str, object]]], annotations: dict[str, str]) -> bytes:
    config, layers = parts
    head = {"schemaVersion": 2, "mediaType": MANIFEST, "artifactType": MODEL}
    return json.dumps({**head, "config": config, "layers": layers, "annotations": annotations}).encode()


def _require_judged(
    connection: Connection, name: str, parts: tuple[dict[str, object], list[dict[str, object]]]
) -> None:
    """Push what doesn't conform; raise WrongAnswer where that isn't refused in a repository with schemas."""
    content = _manifest(parts, {"com.acme.accuracy": "2"})
    expect = 201 if name == UNBOUND else 400
    target = f"/v2/{ORGANISATION}/{name}/manifests/{digest(content)}"
    connection.request("PUT", target, expect=expect, headers={"Content-Type": MANIFEST}, body=content)


def _turn(
    connection: Connection, name: str, parts: tuple[dict[str, object], list[dict[str, object]]], numbers: range
) -> list[float]:
    """Return the milliseconds of each push, every manifest under a tag of its own."""
    contents = [_manifest(parts, _annotations(number)) for number in numbers]
    times = []
    for number, content in zip(numbers, contents, strict=True):
        begun = time.perf_counter()
        push_manifest(connection, f"{ORGANISATION}/{name}", f"run{number}", content)
        times.append((time.perf_counter() - begun) * 1000)
    return times


def _text(times: dict[str, list[list[float]]], pushes: int) -> tuple[str, bool]:
    rows, is_good = [], True
    for name, turns in times.items():
        every = [taken for turn in turns for taken in turn]
        low, _, high = quantiles(every, n=4)
        added = [median(turn) - median(base) for turn, base in zip(turns, times[UNBOUND], strict=True)]
        is_good = is_good and median(added) < BOUND
        told = "-" if name == UNBOUND else f"{median(added):+.2f} ({min(added):+.2f} to {max(added):+.2f})"
        rows.append([_TITLES[name], f"{median(every):.2f}", f"{low:.2f} to {high:.2f}", told])
    rounds = len(times[UNBOUND])
    size = len(json.dumps(_config([digest(b"")] * 4)))
    how = (
        f"A ModelPack manifest with fifteen annotations, four layers and a config of {size:,} bytes, pushed over one"
        f" connection under a tag of its own, {pushes} times in each of {rounds} turns of each repository of one server; all"
        f" bindings enforce, and all manifests conform. What is added is the difference of the medians of two turns of the same"
        f" round: the median of {rounds} (the least to the greatest); it is to be below {BOUND:.0f} ms."
    )
    head = ["bound to the repository", "median, ms", "quartiles, ms", "added, ms"]
    return f"{how}\n\n{table(head, rows)}", is_good
