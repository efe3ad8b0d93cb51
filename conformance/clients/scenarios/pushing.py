"""Pushes: of files, of images, of indexes, and of one that is killed on its way."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Sequence
from typing import Final

from conformance.clients.client import TAG
from conformance.clients.images import digest_of, image, noise, platforms, tree, write_tree
from conformance.clients.scenarios import checks
from conformance.clients.scenarios.place import Place
from conformance.clients.wire import Mismatch, same

_LARGE: Final = 32 << 20
_CUT: Final = 12 << 20  # bytes sent after which a push is killed
_WAIT: Final = 60.0  # seconds until as many are sent, or all is
_KIND: Final = "application/vnd.example.model"


def files(place: Place) -> None:
    """Push files of custom types, one of them empty, and a directory; pull them again."""
    loose = {"weights.safetensors": noise(place.seed, 300_000), "config.json": b'{"a": 1}', "empty.bin": b""}
    nested = {"tokenizer/vocab.txt": b"a\nb\n", "tokenizer/deep/merges.txt": b"#version: 0.2\n"}
    source = write_tree({**loose, **nested}, place.directory / "source")
    types = {
        "weights.safetensors": "application/vnd.example.weights.v1",
        "config.json": "application/vnd.example.config.v1+json",
        "empty.bin": "application/vnd.example.nothing",
        "tokenizer": "application/vnd.oci.image.layer.v1.tar+gzip",
    }
    reported = place.client.push_files(place.reference(), source, types, _KIND)
    found = place.registry.manifest(place.repository, TAG)
    same("the digest that the client reports", reported, found.digest)
    same("the type of the artifact", found.json.get("artifactType") or found.json["config"]["mediaType"], _KIND)
    layers = {layer["digest"]: layer for layer in found.json["layers"]}
    for name, content in loose.items():
        layer = layers[digest_of(content)]
        same(f"the type of {name}", layer["mediaType"], types[name])
        same(f"the name of {name}", layer["annotations"]["org.opencontainers.image.title"], name)
        same(f"the bytes of {name}", place.registry.blob(place.repository, layer["digest"]), content)
    target = place.directory / "target"
    target.mkdir()
    place.client.pull_files(place.reference(), target)
    same("the tree of files", tree(target), tree(source))


def push_image(place: Place) -> None:
    """Push an image of several layers. The registry's copy is kept for the other clients to pull."""
    content = image(place.seed, docker=place.client.schema2)
    reported = place.client.push_image(content, place.reference())
    found = checks.stored(place, content, reported)
    kept = place.content_of(place.repository, found, dict(content.files))
    place.shared.pushed[place.client.name] = (place.repository, kept)


def push_docker(place: Place) -> None:
    """Push an image as Docker's schema 2."""
    content = image(place.seed, docker=not place.client.converts)
    reported = place.client.push_docker(content, place.reference())
    found = checks.stored(place, content, reported, exact=place.client.exact and not place.client.converts)
    checks.of_docker(found)


def push_whole_index(place: Place) -> None:
    """Push an index of three images that was made elsewhere."""
    content = platforms(place.seed)
    reported = place.client.push_whole_index(content, place.reference())
    checks.stored(place, content, reported)


def push_docker_list(place: Place) -> None:
    """Push a manifest list, of Docker's types, that was made elsewhere."""
    content = platforms(place.seed, docker=True)
    reported = place.client.push_docker_list(content, place.reference())
    checks.stored(place, content, reported)


def push_index(place: Place) -> None:
    """Make an index of three images that the repository has, of OCI's types, unless it takes none, and of Docker's."""
    for tag, docker in (("oci", False), ("docker", True))[place.client.schema2 :]:
        children = platforms(f"{place.seed} {tag}", docker=docker).children
        for child in children:
            place.registry.put(place.repository, child.digest, child)
        named = [place.reference(child.digest) for child in children]
        reported = place.client.push_index(place.reference(tag), named)
        found = place.registry.manifest(place.repository, tag)
        if reported is not None:
            same("the digest that the client reports", reported, found.digest)
        checks.is_index(found, children)


def push_sha512(place: Place) -> None:
    """Push an image whose digests are all sha512."""
    content = image(place.seed, algorithm="sha512")
    checks.stored(place, content, place.client.push_image(content, place.reference()))


def at_once(place: Place) -> None:
    """Push one image four times at once to one tag."""
    content = image(place.seed, docker=place.client.schema2, large=1 << 20)
    running = [_start(place, place.client.push_command(content, place.reference())) for _ in range(4)]
    try:
        codes = [process.wait(_WAIT) for process in running]
    finally:
        for process in running:
            process.kill()
    same("the exit codes", codes, [0] * len(running))
    checks.stored(place, content, None)


def interrupted(place: Place) -> None:
    """Kill a push of 32 MiB in the middle; see nothing of it; push again, and pull."""
    content = image(place.seed, docker=place.client.schema2, large=_LARGE)
    with place.proxy(hold=_CUT) as proxy:
        process = _start(place, place.client.push_command(content, f"{proxy.host}/{place.repository}:{TAG}"))
        reached = proxy.reached.wait(_WAIT)
        ended = process.poll() is not None
        if not ended:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    if ended or not reached:
        raise Mismatch(f"the client had sent {proxy.sent} bytes of {_CUT} before it was to be killed")
    place.registry.expect(404, "GET", f"{place.repository}/manifests/{TAG}")
    reported = place.client.push_image(content, place.reference())
    found = checks.stored(place, content, reported)
    if place.client.reason_against("pull_image") is None:
        kept = place.content_of(place.repository, found, dict(content.files))
        checks.pulled(place.client.pull_image(place.reference()), kept)


def _start(place: Place, command: Sequence[str]) -> subprocess.Popen[bytes]:
    """Start a command of the client in a group of its own."""
    return subprocess.Popen(
        command,
        cwd=place.client.home,
        env=place.client.environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
