"""Read a manifest strictly, whatever is on it: image manifest, image index, Docker schema 2, manifest list.

The bytes stay what they are; this module only finds out what they name. Refused is what two readers could read
differently and what no reader can read: duplicate keys; keys that differ from a known one in case alone, since Go's readers
take `Layers` for `layers`; `manifests` beside `layers`, or a contradicting `mediaType` (GHSA-qq97-vm5h-rrhg); text that is
no Unicode. Unknown fields and media types are nobody's business here.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass
from typing import Any, Final, NoReturn

from mediatypes.digest import Digest, InvalidDigest
from mediatypes.documents import MAX_DEPTH, depth_of
from mediatypes.oci import INDEX_TYPES, NON_DISTRIBUTABLE

_MEDIA_TYPE: Final = re.compile(r"[\x20-\x7e]{1,255}")
# The fields that readers know, by their case-folded names.
_MANIFEST_FIELDS: Final = {
    name.casefold(): name
    for name in (
        "schemaVersion",
        "mediaType",
        "artifactType",
        "config",
        "layers",
        "manifests",
        "subject",
        "annotations",
    )
}
_DESCRIPTOR_FIELDS: Final = {
    name.casefold(): name
    for name in ("mediaType", "digest", "size", "urls", "annotations", "data", "artifactType", "platform")
}


class InvalidManifest(ValueError):
    """Bytes that are no manifest of their media type; the message completes “the manifest …”."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a manifest names, each once.

    `config` is None of an index; `blobs` are config and layers, `required` those that the registry must hold.
    """

    media_type: str
    artifact_type: str | None
    subject: Digest | None
    config: Digest | None
    blobs: tuple[Digest, ...]
    required: frozenset[Digest]
    children: tuple[Digest, ...]
    annotations: dict[str, str]


def parse_manifest(content: bytes, media_type: str) -> Manifest:
    """Return what `content`, pushed as `media_type` (one of MANIFEST_TYPES), names. Raise InvalidManifest."""
    document = _load(content)
    if document.get("schemaVersion") != 2 or isinstance(document["schemaVersion"], bool):
        _refuse("has no schemaVersion 2")
    declared = document.get("mediaType", media_type)
    if declared != media_type:
        _refuse(f"says mediaType {declared!r:.200}, but was sent as {media_type}")
    artifact_type = _media_type(document, "artifactType", "artifactType") if document.get("artifactType") else None
    if media_type in INDEX_TYPES:
        config = None
        if "layers" in document or "config" in document:
            _refuse("is an index, and has `layers` or `config` as well")
        named: list[_Descriptor] = []
        children = _descriptors(document, "manifests", required=True)
    else:
        if "manifests" in document:
            _refuse("is an image manifest, and has `manifests` as well")
        config = _descriptor(document.get("config"), "config")
        named = [config, *_descriptors(document, "layers", required=False)]
        artifact_type = artifact_type or config.media_type
        children = []
    subject = document.get("subject")
    return Manifest(
        media_type=media_type,
        artifact_type=artifact_type,
        subject=_descriptor(subject, "subject").digest if subject is not None else None,
        config=config.digest if config is not None else None,
        blobs=_distinct(named),
        required=frozenset(item.digest for item in named if item.media_type not in NON_DISTRIBUTABLE),
        children=_distinct(children),
        annotations=_annotations(document.get("annotations")),
    )


def referrer_descriptor(manifest: Manifest, digest: Digest, size: int) -> bytes:
    """Return the descriptor, as JSON, under which the referrers API lists a manifest (spec: Listing Referrers)."""
    descriptor: dict[str, object] = {"mediaType": manifest.media_type, "digest": str(digest), "size": size}
    if manifest.artifact_type:
        descriptor["artifactType"] = manifest.artifact_type
    if manifest.annotations:
        descriptor["annotations"] = manifest.annotations
    return json.dumps(descriptor, separators=(",", ":"), ensure_ascii=False).encode()


@dataclass(frozen=True, slots=True)
class _Descriptor:
    media_type: str
    digest: Digest


def _distinct(descriptors: list[_Descriptor]) -> tuple[Digest, ...]:
    return tuple(dict.fromkeys(item.digest for item in descriptors))


def _refuse(reason: str) -> NoReturn:
    raise InvalidManifest(reason)


def _load(content: bytes) -> dict[str, Any]:
    try:
        document = json.loads(content.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_no_constant)
        depth = depth_of(document)
    except UnicodeDecodeError:
        raise InvalidManifest("is not UTF-8") from None
    except RecursionError:
        raise InvalidManifest(f"is nested deeper than {MAX_DEPTH} levels") from None
    except InvalidManifest:
        raise
    except ValueError as error:
        raise InvalidManifest(f"is not JSON: {error}") from None
    if depth > MAX_DEPTH:
        _refuse(f"is nested deeper than {MAX_DEPTH} levels")
    if not isinstance(document, dict):
        _refuse("is not a JSON object")
    _require_plain_fields(document, _MANIFEST_FIELDS)
    return document


def _require_plain_fields(item: dict[str, Any], fields: dict[str, str]) -> None:
    for name in item:
        known = fields.get(name.casefold(), name)
        if known != name:
            _refuse(f"has the key {name!r:.200}, which some readers take for `{known}`")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        twice = Counter(name for name, _ in pairs).most_common(1)[0][0]
        _refuse(f"has the key {twice!r:.200} twice in one object")
    return found


def _no_constant(name: str) -> NoReturn:
    _refuse(f"is not JSON: it holds {name}")


def _descriptors(document: dict[str, Any], field: str, *, required: bool) -> list[_Descriptor]:
    listed = document.get(field)
    if listed is None and not required:
        return []
    if not isinstance(listed, list):
        _refuse(f"has no list `{field}`")
    return [_descriptor(item, f"{field}[{position}]") for position, item in enumerate(listed)]


def _descriptor(item: object, where: str) -> _Descriptor:
    if not isinstance(item, dict):
        _refuse(f"has no descriptor at `{where}`")
    _require_plain_fields(item, _DESCRIPTOR_FIELDS)
    size = item.get("size")
    if not isinstance(size, int) or isinstance(size, bool) or not 0 <= size < 1 << 63:
        _refuse(f"has no size (a whole number of bytes) at `{where}`")
    digest = item.get("digest")
    if not isinstance(digest, str):
        _refuse(f"has no digest at `{where}`")
    try:
        return _Descriptor(_media_type(item, "mediaType", where), Digest.parse(digest))
    except InvalidDigest as error:
        raise InvalidManifest(f"has a digest at `{where}` that {error}") from None


def _media_type(item: dict[str, Any], field: str, where: str) -> str:
    found = item.get(field)
    if not isinstance(found, str) or _MEDIA_TYPE.fullmatch(found) is None:
        _refuse(f"has no media type (1 to 255 printable ASCII characters) at `{where}`")
    return found


def _annotations(found: object) -> dict[str, str]:
    if found is None:
        return {}
    if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
        _refuse("has annotations that are not an object of strings")
    try:
        for text in (*found, *found.values()):
            text.encode()
    except UnicodeEncodeError:
        raise InvalidManifest("has annotations with half a surrogate pair, which is no Unicode text") from None
    return found
