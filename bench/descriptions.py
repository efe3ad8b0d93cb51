"""How many artifacts a node describes in a second, and what that takes from pushes: with background work and without."""

import json
import struct
import time
from dataclasses import replace
from pathlib import Path
from statistics import median
from urllib.parse import quote

from bench import kinds
from bench.errors import BenchmarkError
from bench.payload import digest, small
from bench.registry_client import MANIFEST, push_blob, push_manifest
from bench.report import table
from bench.servers import Server, running
from bench.wire import Connection

ROUNDS = 5
ARTIFACTS = 300
PATIENCE = 300.0  # seconds until all are described
MODEL = "application/vnd.cncf.model.manifest.v1+json"
WEIGHTS = "application/vnd.cncf.model.weight.v1.raw"
_EMPTY = "application/vnd.oci.empty.v1+json"
_LOOKS = 0.02  # seconds between looks whether all are described


def descriptions(rounds: int, artifacts: int, directory: Path) -> str:
    """Return how fast `artifacts` are pushed and described, in each of `rounds` and in turns of two servers."""
    rates: dict[str, list[float]] = {"off": [], "on": [], "described": []}
    off = replace(kinds.ours(), environment={"BLACKLAKE_JOBS": "off"})
    with running(off, directory) as silent, running(kinds.ours(), directory) as working:
        for number in range(-1, rounds):  # the first turn starts the sandbox, and doesn't count
            turns = [("off", silent), ("on", working)]
            for name, server in turns[:: -1 if number % 2 else 1]:
                begun = time.monotonic()
                _push(server, number, artifacts)
                pushed = time.monotonic()
                found = {name: artifacts / (pushed - begun)}
                if name == "on":
                    _wait(server, number, artifacts)
                    found["described"] = artifacts / (time.monotonic() - begun)
                for what, rate in found.items() if number >= 0 else ():
                    rates[what].append(rate)
                    print(f"    {what:10} {rate:8.1f}", flush=True)
    return _text(rates, artifacts)


def _push(server: Server, turn: int, artifacts: int) -> None:
    """Push models of one safetensors file of a tensor each, over one connection."""
    repository = _repository(turn)
    with Connection(server.port) as connection:
        config = push_blob(connection, repository, b"{}") | {"mediaType": _EMPTY}
        for number in range(artifacts):
            layer = push_blob(connection, repository, _weights(f"{turn}-{number}"))
            layer |= {"mediaType": WEIGHTS, "annotations": {"org.cncf.model.filepath": "model.safetensors"}}
            head = {"schemaVersion": 2, "mediaType": MANIFEST, "artifactType": MODEL}
            content = json.dumps({**head, "config": config, "layers": [layer]}).encode()
            push_manifest(connection, repository, digest(content), content)


def _repository(turn: int) -> str:
    return f"bench/turn{turn + 1}"


def _weights(seed: str) -> bytes:
    """Return a safetensors file: the length of the header, the header, the tensors' bytes."""
    header = json.dumps({"weight": {"dtype": "F32", "shape": [16, 16], "data_offsets": [0, 1024]}}).encode()
    return struct.pack("<Q", len(header)) + header + small(seed, 1024)


def _wait(server: Server, turn: int, artifacts: int) -> None:
    """Wait until all models of a turn are found with what is in their files; raise BenchmarkError where they never are."""
    target = f"/api/v1/artifacts/facets?q={quote(f'repo:{_repository(turn)} params:256')}"
    deadline = time.monotonic() + PATIENCE
    with Connection(server.port) as connection:
        while json.loads(connection.request("GET", target, expect=200).body)["counted"] < artifacts:
            if time.monotonic() > deadline:
                raise BenchmarkError(f"{artifacts} artifacts were not described after {PATIENCE:.0f} s")
            time.sleep(_LOOKS)


def _text(rates: dict[str, list[float]], artifacts: int) -> str:
    titles = {
        "off": "pushed, background work off",
        "on": "pushed, background work on",
        "described": "described, from the first push to the last description",
    }
    rows = [
        [titles[what], f"{median(found):,.0f}", f"{min(found):,.0f} to {max(found):,.0f}"]
        for what, found in rates.items()
    ]
    how = (
        f"{artifacts} models, a manifest and a safetensors file of one tensor each, pushed by one client (three requests each)"
        f" in {len(rates['on'])} turns of each of two servers, one of which describes what is pushed; an artifact counts as"
        f" described when search finds what is in its file. Medians, the least and the greatest."
    )
    return f"{how}\n\n{table(['artifacts/s', 'median', 'spread'], rows)}"
