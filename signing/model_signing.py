"""Signatures of OpenSSF model signing: bundles whose statement names the files of a model, compared with an artifact's layers.

sigstore/model-transparency, model_signing 1.x: _signing/signing.py (the statement), _signing/sign_*.py (the bundles). Nothing
of an artifact is left unsigned, and nothing that is signed is missing from it: then the artifact is signed.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Self

from mediatypes.manifest import InvalidManifest, parse_manifest
from mediatypes.models.artifact import Descriptor, Packing, parse_artifact
from mediatypes.models.files import UNPACK
from mediatypes.models.layers import FILE_PATH, packing_of
from mediatypes.oci import INDEX_TYPES
from signing.authorities import Authority
from signing.bundles import LAYER_TYPES, MODEL_SIGNING, Bundle, predicate_type
from signing.documents import Members, unreadable
from signing.evidence import Attached, Evidence
from signing.manifests import Layer, layers, must_be_attached
from signing.signers import signer_of
from signing.statements import Said
from signing.steps import Refused, Step
from signing.verified import SIGNED, Form, Rejected, Statement, Verified

PREDICATE_TYPE, OLD_PREDICATE_TYPE = MODEL_SIGNING
SUFFIX: Final = ".sig"
"""How the file of a signature is named where it is a layer of the model itself (`model.sig`)."""
MOST_FILES: Final = 50_000
LONGEST_NAME: Final = 4096
EMPTY: Final = "sha256:" + hashlib.sha256(b"{}").hexdigest()
"""The digest of an empty config (image-spec manifest.md, guidance for an empty descriptor)."""
_SHA256: Final = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Files:
    """The files that are signed: SHA-256 in hexadecimal digits, by path."""

    digests: dict[str, str]

    @classmethod
    def parse(cls, said: Said) -> Self:
        """Read them of a statement. Raise Refused, also where they can't be compared with layers."""
        predicate = Members(said.statement.predicate, "the predicate")
        serialization = predicate.object("serialization")
        method = serialization.text("method")
        if method != "files":
            raise unreadable(
                f"its files are hashed in parts (method {method!r:.40}), and layers are known by the hash of whole files: "
                "sign with the method files"
            )
        resources = predicate.objects("resources", MOST_FILES)
        if not resources:
            raise unreadable("it names no files")
        found: dict[str, str] = {}
        whole = hashlib.sha256()
        for resource in resources:
            name, digest = _resource(resource)
            if name in found:
                raise unreadable(f"it names the file {name!r:.200} twice")
            found[name] = digest
            whole.update(bytes.fromhex(digest))
        if [{"sha256": whole.hexdigest()}] != list(said.subjects):
            raise unreadable("its subject is not the hash over the files that it names")
        return cls(found)


def _resource(resource: Members) -> tuple[str, str]:
    resource.only("name", "algorithm", "digest")
    name, algorithm, digest = (resource.text(each) for each in ("name", "algorithm", "digest"))
    if len(name) > LONGEST_NAME or name.startswith("/") or {"", ".", ".."} & set(name.split("/")) or "\\" in name:
        raise unreadable(f"it names a file {name!r:.200}, which is no path within a model")
    if algorithm != "sha256":
        raise unreadable(f"its files are hashed by {algorithm!r:.40}, and layers are known by sha256: sign with sha256")
    if not _SHA256.fullmatch(digest):
        raise unreadable(f"the digest of the file {name!r:.200} is not 64 hexadecimal digits in lower case")
    return name, digest


@dataclass(frozen=True, slots=True)
class ModelSignature:
    """A signature of a model's files."""

    layer: Layer
    bundle: Bundle
    files: Files

    form = Form.MODEL_SIGNING

    @property
    def where(self) -> str:
        """Return the manifest and the layer that hold it."""
        return self.layer.where

    def verify(self, evidence: Evidence, authority: Authority, *, now: datetime) -> Verified:
        """Verify it by all steps (signing.steps). Raise Refused at the first that fails."""
        signer = signer_of(self.bundle.material(), authority, now=now)
        must_be_attached(self.layer.attached, evidence)
        _must_be_all(self.files.digests, _files_of(evidence, self.layer.digest))
        return signer.verified(authority, self.form, self.where, Statement(SIGNED))


def read_model_signatures(attached: Attached) -> Iterator[ModelSignature | Rejected]:
    """Yield the model signatures of a manifest: layers that are bundles, or files named `….sig` (see candidates.Reader)."""
    for layer in layers(attached):
        is_bundle = layer.media_type.startswith(LAYER_TYPES)
        if not is_bundle and not any((layer.annotation(name) or "").endswith(SUFFIX) for name in FILE_PATH):
            continue
        try:
            content = layer.content()
        except Refused:
            continue  # What kind of a bundle it is can't be said; signing.bundles says what is missing.
        found = predicate_type(content)
        if found not in MODEL_SIGNING:
            continue
        try:
            yield _read(layer, content, found)
        except Refused as error:
            yield Rejected(layer.where, error.step.value, error.reason, Form.MODEL_SIGNING)


def _read(layer: Layer, content: bytes, found: str) -> ModelSignature:
    if found == OLD_PREDICATE_TYPE:
        raise unreadable("it is of the form that model signing had before its version 1.0: sign again with a later one")
    bundle = Bundle.parse(content, takes_chain=True)
    if bundle.envelope is None:
        raise unreadable("the bundle has no envelope")
    return ModelSignature(layer, bundle, Files.parse(Said.parse(bundle.envelope.payload)))


def _files_of(evidence: Evidence, signature: str) -> dict[str, str]:
    """Return the files of an artifact's layers, SHA-256 by path. Raise Refused where there is something else in it."""
    try:
        parse_manifest(evidence.content, evidence.media_type)
    except InvalidManifest as error:
        raise Refused(Step.SUBJECT, f"it names files, and the artifact's manifest {error}") from None
    if evidence.media_type in INDEX_TYPES:
        raise Refused(Step.SUBJECT, "it names files, and the artifact is an index: sign the manifests in it")
    artifact = parse_artifact(evidence.content, None)
    found: dict[str, str] = {}
    for number, layer in enumerate(artifact.layers, 1):
        # The signature itself can't be among what it signs.
        if layer.digest != signature:
            path = _path(layer, f"layer {number}")
            if found.setdefault(path, layer.digest) != layer.digest:
                raise Refused(Step.SUBJECT, f"the artifact has two files {path!r:.200}, which are not the same")
    config = artifact.config
    if config is not None and config.digest != EMPTY:
        path = _path(config, f"the config, {config.media_type:.120},")
        if found.setdefault(path, config.digest) != config.digest:
            raise Refused(Step.SUBJECT, f"the artifact has two files {path!r:.200}, which are not the same")
    return found


def _path(descriptor: Descriptor, what: str) -> str:
    names = {descriptor.annotations[name] for name in FILE_PATH if descriptor.annotations.get(name)}
    if len(names) != 1:
        have = "no name" if not names else f"{len(names)} names"
        raise Refused(Step.SUBJECT, f"{what} has {have}, and files are signed by name: sign the manifest instead")
    if packing_of(descriptor.media_type) is not Packing.RAW or descriptor.annotations.get(UNPACK, "false") != "false":
        raise Refused(Step.SUBJECT, f"{what} is an archive of a directory, whose files can't be compared one by one")
    return names.pop()


def _must_be_all(signed: dict[str, str], present: dict[str, str]) -> None:
    unsigned = sorted(present.keys() - signed.keys())
    if unsigned:
        raise Refused(
            Step.SUBJECT,
            f"the artifact has {_named(unsigned)}, which is not signed (what was ignored when signing is not in the signature)",
        )
    missing = sorted(signed.keys() - present.keys())
    if missing:
        raise Refused(Step.SUBJECT, f"it signs {_named(missing)}, which the artifact does not have")
    for path, digest in present.items():
        if digest != f"sha256:{signed[path]}":
            raise Refused(
                Step.SUBJECT,
                f"it signs {path!r:.200} with the digest sha256:{signed[path]}, and the artifact has {digest}",
            )


def _named(paths: list[str]) -> str:
    more = f" and {len(paths) - 3} more" if len(paths) > 3 else ""
    return ", ".join(f"{path!r:.200}" for path in paths[:3]) + more
