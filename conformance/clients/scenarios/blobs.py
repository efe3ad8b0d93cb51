"""Blobs by themselves: whole, in chunks, resumed."""

from __future__ import annotations

from pathlib import Path

from conformance.clients.images import digest_of, noise
from conformance.clients.scenarios.place import Place
from conformance.clients.wire import same


def push_blob(place: Place) -> None:
    """Push a blob, and one of no bytes."""
    for size in (100_000, 0):
        path, content, digest = _file(place, size)
        place.client.push_blob(place.named, path, digest)
        same("the blob", place.registry.blob(place.repository, digest), content)


def pull_blob(place: Place) -> None:
    """Pull a blob, and one of no bytes."""
    for size in (100_000, 0):
        _, content, digest = _file(place, size)
        place.registry.put_blob(place.repository, content, digest)
        same("what the client has of the blob", place.client.pull_blob(place.named, digest), content)


def delete_blob(place: Place) -> None:
    """Delete a blob: it is gone, the same one in another repository isn't."""
    _, content, digest = _file(place, 1000)
    other = f"{place.repository}/other"
    for repository in (place.repository, other):
        place.registry.put_blob(repository, content, digest)
    place.client.delete_blob(place.named, digest)
    place.registry.expect(404, "GET", f"{place.repository}/blobs/{digest}")
    place.registry.expect(404, "HEAD", f"{place.repository}/blobs/{digest}")
    same("the blob of the other repository", place.registry.blob(other, digest), content)


def push_chunked(place: Place) -> None:
    """Push a blob in chunks, the last of them smaller."""
    path, content, digest = _file(place, 5_300_000)
    place.client.push_chunked(place.named, path, digest, 1 << 20)
    same("the blob", place.registry.blob(place.repository, digest), content)


def resume(place: Place) -> None:
    """Go on with an upload that has broken off in the middle of a chunk."""
    path, content, digest = _file(place, 8 << 20)
    place.client.resume(place.named, path, digest)
    same("the blob", place.registry.blob(place.repository, digest), content)


def _file(place: Place, size: int) -> tuple[Path, bytes, str]:
    content = noise(f"{place.seed} {size}", size)
    path = place.directory / f"blob-{size}"
    path.write_bytes(content)
    return path, content, digest_of(content)
