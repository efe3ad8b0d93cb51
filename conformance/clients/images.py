"""What is pushed: tiny images and indexes made here, byte by byte the same for the same seed, and OCI layouts of them."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import random
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

Json = dict[str, Any]

OCI_MANIFEST: Final = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX: Final = "application/vnd.oci.image.index.v1+json"
OCI_CONFIG: Final = "application/vnd.oci.image.config.v1+json"
OCI_LAYER: Final = "application/vnd.oci.image.layer.v1.tar"
OCI_LAYER_GZIP: Final = "application/vnd.oci.image.layer.v1.tar+gzip"
DOCKER_MANIFEST: Final = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST: Final = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_CONFIG: Final = "application/vnd.docker.container.image.v1+json"
DOCKER_LAYER: Final = "application/vnd.docker.image.rootfs.diff.tar.gzip"

PLATFORMS: Final = ("linux/amd64", "linux/arm64", "linux/s390x")
_NAME: Final = "org.opencontainers.image.ref.name"


@dataclass(frozen=True)
class Content:
    """A manifest or an index with all that it names: `blobs` and `children` by digest; `files` is what it unpacks to."""

    media_type: str
    manifest: bytes
    digest: str
    blobs: Mapping[str, bytes]
    files: Mapping[str, bytes]
    children: Sequence[Content] = ()
    platform: str | None = None

    @property
    def json(self) -> Json:
        """The manifest, parsed."""
        parsed: Json = json.loads(self.manifest)
        return parsed

    @property
    def descriptor(self) -> Json:
        """The descriptor by which an index names this."""
        described = {"mediaType": self.media_type, "digest": self.digest, "size": len(self.manifest)}
        if self.platform is None:
            return described
        system, architecture = self.platform.split("/")
        return {**described, "platform": {"os": system, "architecture": architecture}}


def digest_of(content: bytes, algorithm: str = "sha256") -> str:
    """Return the digest of bytes in the form that OCI writes."""
    return f"{algorithm}:{hashlib.new(algorithm, content).hexdigest()}"


def noise(seed: str, size: int) -> bytes:
    """Return bytes that don't compress, always the same for a seed."""
    return random.Random(seed).randbytes(size)


def image(
    seed: str,
    *,
    platform: str = PLATFORMS[0],
    docker: bool = False,
    algorithm: str = "sha256",
    large: int = 0,
) -> Content:
    """Return an image of two compressed layers and a plain one; of Docker's types all are compressed.

    `large` is the size in bytes of one more file in the last layer.
    """
    trees: list[dict[str, bytes]] = [
        {"etc/seed": seed.encode(), "usr/share/doc/empty": b""},
        {"srv/model/weights.bin": noise(seed, 70_000), "srv/model/config.json": b'{"layers": 3}\n'},
        {
            "srv/data/very/deep/down/a file with spaces": b"text\n",
            **({"srv/large": noise(seed, large)} if large else {}),
        },
    ]
    layers, diffs, blobs = [], [], {}
    for number, tree in enumerate(trees):
        tar = _tar(tree)
        packed = docker or number < 2
        blob = gzip.compress(tar, 1, mtime=0) if packed else tar
        media_type = DOCKER_LAYER if docker else OCI_LAYER_GZIP if packed else OCI_LAYER
        digest = digest_of(blob, algorithm)
        blobs[digest] = blob
        layers.append({"mediaType": media_type, "digest": digest, "size": len(blob)})
        diffs.append(digest_of(tar, algorithm))
    system, architecture = platform.split("/")
    config = _encoded(
        {
            "created": "2026-01-01T00:00:00Z",
            "architecture": architecture,
            "os": system,
            "config": {"Labels": {"seed": seed}},
            "rootfs": {"type": "layers", "diff_ids": diffs},
            "history": [{"created": "2026-01-01T00:00:00Z", "created_by": f"layer {n}"} for n in range(len(layers))],
        }
    )
    config_digest = digest_of(config, algorithm)
    blobs[config_digest] = config
    media_type = DOCKER_MANIFEST if docker else OCI_MANIFEST
    manifest = _encoded(
        {
            "schemaVersion": 2,
            "mediaType": media_type,
            "config": {
                "mediaType": DOCKER_CONFIG if docker else OCI_CONFIG,
                "digest": config_digest,
                "size": len(config),
            },
            "layers": layers,
        }
    )
    files = {path: content for tree in trees for path, content in tree.items()}
    return Content(media_type, manifest, digest_of(manifest, algorithm), blobs, files, platform=platform)


def platforms(seed: str, *, docker: bool = False) -> Content:
    """Return an index of one image for each platform."""
    children = [image(f"{seed} {platform}", platform=platform, docker=docker) for platform in PLATFORMS]
    media_type = DOCKER_LIST if docker else OCI_INDEX
    manifest = _encoded(
        {"schemaVersion": 2, "mediaType": media_type, "manifests": [child.descriptor for child in children]}
    )
    return Content(media_type, manifest, digest_of(manifest), {}, {}, children)


def artifact(artifact_type: str, blobs: Mapping[str, bytes], *, subject: Content | None = None) -> Content:
    """Return an artifact of a type with one blob for each media type."""
    layers = [{"mediaType": kind, "digest": digest_of(blob), "size": len(blob)} for kind, blob in blobs.items()]
    empty = b"{}"
    document: Json = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "artifactType": artifact_type,
        "config": {"mediaType": "application/vnd.oci.empty.v1+json", "digest": digest_of(empty), "size": 2},
        "layers": layers,
        "annotations": {"org.example.note": "ü – kept as it is"},
    }
    if subject is not None:
        document["subject"] = subject.descriptor
    manifest = _encoded(document)
    held = {digest_of(blob): blob for blob in (empty, *blobs.values())}
    return Content(OCI_MANIFEST, manifest, digest_of(manifest), held, {})


def every(content: Content) -> list[Content]:
    """Return the content and everything below it, children first."""
    return [*(found for child in content.children for found in every(child)), content]


def write_layout(content: Content, directory: Path, tag: str) -> Path:
    """Write content as an OCI layout in which `tag` names it, and return the directory."""
    for part in every(content):
        for digest, blob in {**part.blobs, part.digest: part.manifest}.items():
            path = _blob_path(directory, digest)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(blob)
    index = {"schemaVersion": 2, "manifests": [{**content.descriptor, "annotations": {_NAME: tag}}]}
    (directory / "index.json").write_bytes(_encoded(index))
    (directory / "oci-layout").write_bytes(_encoded({"imageLayoutVersion": "1.0.0"}))
    return directory


def blobs_of_layout(directory: Path) -> dict[str, bytes]:
    """Return all blobs and manifests of an OCI layout by digest."""
    files = (directory / "blobs").glob("*/*")
    return {f"{path.parent.name}:{path.name}": path.read_bytes() for path in files}


def write_docker_archive(content: Content, path: Path, name: str) -> Path:
    """Write an image in the form that `docker load` reads, under a name with its tag, and return the path."""
    manifest = content.json
    layers = [gunzipped(content.blobs[layer["digest"]]) for layer in manifest["layers"]]
    names = [f"{number}/layer.tar" for number in range(len(layers))]
    table = [{"Config": "config.json", "RepoTags": [name], "Layers": names}]
    files = {"config.json": content.blobs[manifest["config"]["digest"]], **dict(zip(names, layers, strict=True))}
    path.write_bytes(_tar({**files, "manifest.json": json.dumps(table).encode()}))
    return path


def gunzipped(blob: bytes) -> bytes:
    """Return what a layer holds: the bytes themselves where they are not compressed."""
    return gzip.decompress(blob) if blob.startswith(b"\x1f\x8b") else blob


def unpacked_archive(path: Path) -> dict[str, bytes]:
    """Return the files of an image in the form that `docker save` writes."""
    with tarfile.open(path) as archive:
        table = json.loads(_read(archive, archive.getmember("manifest.json")))
        layers = [_read(archive, archive.getmember(name)) for name in table[0]["Layers"]]
    return {name: content for layer in layers for name, content in untar(layer).items()}


def untar(blob: bytes) -> dict[str, bytes]:
    """Return the files of a layer by path, directories left out."""
    with tarfile.open(fileobj=io.BytesIO(gunzipped(blob))) as archive:
        return {member.name: _read(archive, member) for member in archive if member.isfile()}


def tree(directory: Path) -> dict[str, bytes]:
    """Return the files below a directory by path."""
    found = sorted(path for path in directory.rglob("*") if path.is_file() and not path.is_symlink())
    return {str(path.relative_to(directory)): path.read_bytes() for path in found}


def write_tree(files: Mapping[str, bytes], directory: Path) -> Path:
    """Write files by path below a directory, and return the directory."""
    for path, content in files.items():
        (directory / path).parent.mkdir(parents=True, exist_ok=True)
        (directory / path).write_bytes(content)
    return directory


def _read(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    opened = archive.extractfile(member)
    return opened.read() if opened else b""


def _tar(files: Mapping[str, bytes]) -> bytes:
    output = io.BytesIO()
    with tarfile.open(fileobj=output, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name in sorted({str(up) for path in files for up in Path(path).parents} - {"."}):
            member = tarfile.TarInfo(name)
            member.type, member.mode = tarfile.DIRTYPE, 0o755
            archive.addfile(member)
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(content), 0o644
            archive.addfile(member, io.BytesIO(content))
    return output.getvalue()


def _blob_path(directory: Path, digest: str) -> Path:
    algorithm, _, encoded = digest.partition(":")
    return directory / "blobs" / algorithm / encoded


def _encoded(document: object) -> bytes:
    """Return JSON that no client would write itself, so that one that writes it anew shows."""
    return json.dumps(document, indent=3, ensure_ascii=False).encode()
