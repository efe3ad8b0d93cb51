"""Push what is made to sign an artifact: blobs, then the manifest, then what lets others find it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final

from blacklake.oci.contents import Absent, Content, Unavailable
from blacklake.oci.repository import Repository, fallback_tag
from mediatypes.digest import Digest
from mediatypes.documents import objects, parsed
from mediatypes.manifest import parse_manifest, referrer_descriptor
from mediatypes.oci import IMAGE_INDEX
from signing.making.artifacts import Made

_TRIES: Final = 4


def push_referrer(repository: Repository, made: Made) -> None:
    """Push a manifest that names its subject. Raise OciFailed.

    A registry that has no list of referrers says nothing of the subject; there the list under the fallback tag is
    extended (spec: Pushing Manifests with Subject).
    """
    _push_blobs(repository, made)
    answer = repository.push_manifest(made.content, made.media_type, made.digest)
    if answer.headers.get("oci-subject") is None:
        manifest = parse_manifest(made.content, made.media_type)
        descriptor = json.loads(referrer_descriptor(manifest, Digest.parse(made.digest), len(made.content)))
        _extend(repository, fallback_tag(Digest.parse(made.subject.digest)), descriptor)


def push_tagged(repository: Repository, tag: str, make: Callable[[bytes | None], Made]) -> Made:
    """Add a signature to those under a tag: `make` is given the manifest that is there, None for none. Raise OciFailed.

    Registries know no “only if unchanged”: what was written is read again, and made anew where another writer was later.
    """
    for _ in range(_TRIES):
        made = make(_present(repository, tag))
        _push_blobs(repository, made)
        repository.push_manifest(made.content, made.media_type, tag)
        now = _present(repository, tag)
        layers = _layers(now)
        if _layers(made.content)[-1] in layers:
            return made
    raise Unavailable(f"others write to the tag {tag} all the time: try again")


def _push_blobs(repository: Repository, made: Made) -> None:
    for blob in made.blobs:
        repository.push_blob(blob.content, Digest.parse(blob.digest))


def _extend(repository: Repository, tag: str, descriptor: dict[str, Any]) -> None:
    for _ in range(_TRIES):
        present = _index(repository, tag)
        listed = objects(present.get("manifests"))
        if any(one.get("digest") == descriptor["digest"] for one in listed):
            return
        document = {**present, "manifests": [*listed, descriptor]}
        repository.push_manifest(json.dumps(document, separators=(",", ":")).encode(), IMAGE_INDEX, tag)
    raise Unavailable(f"others write to the tag {tag} all the time: try again")


def _index(repository: Repository, tag: str) -> dict[str, Any]:
    try:
        found = repository.manifest(tag)
    except Absent:
        return {"schemaVersion": 2, "mediaType": IMAGE_INDEX, "manifests": []}
    if found.media_type != IMAGE_INDEX:
        raise Unavailable(f"the tag {tag}, which lists referrers, is no index: remove it")
    document: dict[str, Any] = json.loads(found.content)
    return document


def _present(repository: Repository, tag: str) -> bytes | None:
    try:
        found: Content = repository.manifest(tag)
    except Absent:
        return None
    return found.content


def _layers(content: bytes | None) -> list[dict[str, Any]]:
    document = parsed(content) if content is not None else None
    return objects(document.get("layers")) if isinstance(document, dict) else []
