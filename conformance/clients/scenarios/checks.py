"""What is compared after a push or a pull: the registry's bytes, and what the client got."""

from __future__ import annotations

import json
from collections.abc import Sequence

from conformance.clients.client import TAG, Pulled
from conformance.clients.images import (
    DOCKER_LIST,
    DOCKER_MANIFEST,
    OCI_INDEX,
    OCI_MANIFEST,
    Content,
    digest_of,
    every,
    gunzipped,
)
from conformance.clients.scenarios.place import Place
from conformance.clients.wire import Mismatch, Registry, Stored, same


def stored(
    place: Place,
    content: Content,
    reported: str | None,
    *,
    repository: str | None = None,
    tag: str = TAG,
    exact: bool | None = None,
) -> Stored:
    """Return what the registry holds under a tag; raise Mismatch unless it is the content that the client has pushed.

    Of an exact client every byte must be the same; of another one what the layers unpack to. `reported` is the digest
    that the client has reported; `repository` is the place's, `exact` the client's where they are not given.
    """
    registry, repository = place.registry, repository or place.repository
    found = registry.manifest(repository, content.digest if content.digest.startswith("sha512:") else tag)
    if reported is not None:
        same("the digest that the client reports", reported, found.digest)
    if not (place.client.exact if exact is None else exact):
        same_layers(registry, repository, found, content)
        return found
    for part in every(content):
        here = found if part is content else registry.manifest(repository, part.digest)
        same("the manifest", here.content, part.manifest)
        same("the type of the manifest", here.media_type, part.media_type)
        for digest, blob in part.blobs.items():
            same(f"the blob {digest}", registry.blob(repository, digest), blob)
    return found


def same_layers(registry: Registry, repository: str, found: Stored, content: Content) -> None:
    """Raise Mismatch unless an image's config says what the content's does, and its layers unpack to the same."""
    blobs = [registry.blob(repository, layer["digest"]) for layer in found.json["layers"]]
    sizes = [layer["size"] for layer in found.json["layers"]]
    same("the sizes of the layers", [len(blob) for blob in blobs], sizes)
    wanted = [gunzipped(content.blobs[layer["digest"]]) for layer in content.json["layers"]]
    same("what the layers unpack to", [digest_of(gunzipped(blob)) for blob in blobs], list(map(digest_of, wanted)))
    config = content.blobs[content.json["config"]["digest"]]
    held = registry.blob(repository, found.json["config"]["digest"])
    same("what the config says", json.loads(held), json.loads(config))


def of_docker(found: Stored) -> None:
    """Raise Mismatch unless an image and all that it names are of Docker's types."""
    _of(found, DOCKER_MANIFEST, "application/vnd.docker.")


def of_oci(found: Stored) -> None:
    """Raise Mismatch unless an image and all that it names are of OCI's types."""
    _of(found, OCI_MANIFEST, "application/vnd.oci.")


def _of(found: Stored, media_type: str, family: str) -> None:
    same("the type of the manifest", found.media_type, media_type)
    same("the type in the manifest", found.json.get("mediaType", media_type), media_type)
    named = [descriptor["mediaType"] for descriptor in (found.json["config"], *found.json["layers"])]
    same("the types of another family", [kind for kind in named if not kind.startswith(family)], [])


def pulled(got: Pulled, content: Content) -> None:
    """Raise Mismatch unless the client has got the image: by the digest it reports, every blob, every file."""
    known = {content.digest, content.json["config"]["digest"]}
    if not got.digests & known:
        raise Mismatch(f"the client reports {sorted(got.digests)}, none of which is in {sorted(known)}")
    wanted = {**content.blobs, content.digest: content.manifest}
    if got.files is None:
        missing = sorted(set(wanted) - set(got.blobs))
        same("the blobs that the client did not get", missing, [])
    else:
        same("the paths of the files", sorted(got.files), sorted(content.files))
        same("the files", got.files, content.files)
    for digest, blob in got.blobs.items():
        algorithm = digest.partition(":")[0]
        same(f"what the client has as {digest}", digest_of(blob, algorithm), digest)


def is_index(found: Stored, children: Sequence[Content]) -> None:
    """Raise Mismatch unless a manifest is an index of just these images with their platforms."""
    if found.media_type not in {OCI_INDEX, DOCKER_LIST}:
        raise Mismatch(f"the index is of type {found.media_type}")
    entries = [
        (
            entry["digest"],
            entry["size"],
            entry["mediaType"],
            f"{entry['platform']['os']}/{entry['platform']['architecture']}",
        )
        for entry in found.json["manifests"]
    ]
    wanted = [(child.digest, len(child.manifest), child.media_type, child.platform) for child in children]
    same("the entries of the index", sorted(entries), sorted(wanted, key=str))
