"""What layers hold, by the conventions that many tools share: packing by media type, path by annotation, role by file name."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Mapping
from typing import Final

from mediatypes.models.artifact import Descriptor, Layer, Packing, Role
from mediatypes.record import is_storable

TITLE: Final = "org.opencontainers.image.title"
FILE_PATH: Final = ("org.cncf.model.filepath", "org.cnai.model.filepath", TITLE)
"""Annotations of a layer that name its file, the best first (ModelPack, its legacy name, ORAS)."""

PACKINGS: Final = (
    (re.compile(r".*[.+/]tar[.+]gzip|application/(?:x-)?tgz"), Packing.TAR_GZIP),
    (re.compile(r".*[.+/]tar[.+]zstd"), Packing.TAR_ZSTD),
    (re.compile(r".*[.+/](?:x-)?tar"), Packing.TAR),
)
"""How media types say that a layer is an archive (RFC 6838 suffixes, Docker's with a point, and bare ones)."""

SUFFIXES: Final[Mapping[Role, tuple[str, ...]]] = {
    Role.WEIGHTS: (
        *(
            ".safetensors",
            ".gguf",
            ".ggml",
            ".onnx",
            ".pt",
            ".pth",
            ".ckpt",
            ".bin",
            ".pkl",
            ".pickle",
            ".joblib",
            ".keras",
        ),
        *(".h5", ".hdf5", ".pb", ".tflite", ".npz", ".mlmodel", ".dduf", ".msgpack", ".ubj", ".skops", ".llamafile"),
    ),
    Role.DATASET: (
        ".npy",
        ".parquet",
        ".arrow",
        ".feather",
        ".csv",
        ".tsv",
        ".jsonl",
        ".ndjson",
        ".tfrecord",
        ".lance",
        ".orc",
        ".avro",
    ),
    Role.CODE: (".py", ".ipynb", ".sh", ".js", ".ts", ".go", ".rs", ".cpp", ".c", ".h", ".cu", ".r", ".jl"),
    Role.TEMPLATE: (".jinja", ".jinja2", ".tmpl"),
    Role.DOCUMENTATION: (".md", ".rst", ".pdf", ".html", ".txt"),
    Role.CONFIG: (".json", ".yaml", ".yml", ".toml", ".ini", ".model", ".vocab", ".tiktoken"),
}
NAMES: Final[Mapping[Role, re.Pattern[str]]] = {
    Role.WEIGHTS: re.compile(r".*\.onnx[._]data(?:_\d+)?|.*\.data-\d+-of-\d+"),  # beside ONNX and TensorFlow files
    Role.LICENSE: re.compile(r"(?:licen[cs]e|copying|notice|usage_policy|use_policy)(?:[.\-_].*)?"),
    Role.DOCUMENTATION: re.compile(r"readme(?:\..*)?"),
    Role.CONFIG: re.compile(
        r"mlmodel|requirements.*\.txt|conda\.ya?ml|vocab\.txt|merges\.txt|(?:optimizer|scheduler)\.pt|training_args\.bin"
    ),
    Role.DATASET: re.compile(r"croissant.*\.json|.*croissant\.json|dataset_infos?\.json|dataset_dict\.json"),
}
"""Names of files, in lower case, that say more than their suffix."""

_COMPRESSED: Final = re.compile(r"\.(?:gz|zst|bz2|xz|lz4)$")
_PATH_LIMIT: Final = 1024  # characters


def packing_of(media_type: str) -> Packing:
    """Return how a layer holds files by its media type: RAW where that names no archive."""
    essence = media_type.partition(";")[0].strip().lower()
    return next((packing for pattern, packing in PACKINGS if pattern.fullmatch(essence)), Packing.RAW)


def role_of(path: str) -> Role:
    """Return what a file is for by its name."""
    name = _COMPRESSED.sub("", posixpath.basename(path).lower())
    for role, pattern in NAMES.items():
        if pattern.fullmatch(name):
            return role
    return next((role for role, suffixes in SUFFIXES.items() if name.endswith(suffixes)), Role.OTHER)


def clean_path(path: object) -> str:
    """Return a path relative to the artifact's root; "" for what is none, leaves the root or no file system would take."""
    if not isinstance(path, str) or not is_storable(path):
        return ""
    relative = posixpath.normpath(path.strip()).lstrip("/")
    if relative in ("", ".") or relative.split("/")[0] == ".." or len(relative) > _PATH_LIMIT:
        return ""
    return relative


def path_of(descriptor: Descriptor, names: Iterable[str] = FILE_PATH) -> str:
    """Return the path that a layer's annotations give it, by the first of `names` that is there; "" where none does."""
    paths = (clean_path(descriptor.annotations.get(name)) for name in names)
    return next((path for path in paths if path), "")


def layer(descriptor: Descriptor, packing: Packing, role: Role | None = None, path: str | None = None) -> Layer:
    """Return a layer; path and role by annotations and name where they are not given.

    Tools write the whole paths of files into their archives, so an archive lies at the artifact's root, whatever it is called.
    """
    named = path_of(descriptor) if path is None else path
    return Layer(descriptor, named if packing is Packing.RAW else "", packing, role or role_of(named))
