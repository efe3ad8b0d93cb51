"""What is known of an artifact, whatever tool made it: facts, each with its source, and the record that they make together.

A fact has one of the `FIELDS`; of several facts of one field those of the best source count (`Provenance`), and beside one
another where the field holds a list. What nobody says is absent.
"""

from __future__ import annotations

import enum
import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final, TypeGuard


class Provenance(enum.IntEnum):
    """Where a fact comes from, the best first."""

    ANNOTATION = 1
    """A manifest's annotation, by whoever pushed it."""
    CONFIG = 2
    """The artifact's config blob, or a file that configures the model, such as config.json."""
    CARD = 3
    """A model card or another file for people."""
    HEADER = 4
    """Inferred from the bytes themselves: a tensor file's header."""


class Kind(enum.StrEnum):
    """What an artifact is to its users."""

    MODEL = "model"
    DATASET = "dataset"
    EXPERIMENT = "experiment"
    CHART = "chart"
    WASM = "wasm"
    SBOM = "sbom"
    ATTESTATION = "attestation"
    SIGNATURE = "signature"
    LINEAGE = "lineage"
    TENSOR_INDEX = "tensor-index"
    SCAN = "scan"
    IMAGE = "image"
    INDEX = "index"
    FILES = "files"
    """Files of which nothing more is known."""


class Shape(enum.StrEnum):
    """What values a field has."""

    TEXT = "text"
    """One str."""
    INTEGER = "integer"
    """One int, not negative."""
    TEXTS = "texts"
    """A list of str, each once."""
    OBJECTS = "objects"
    """A list of objects (dict with str keys, JSON values), each once."""
    OBJECT = "object"
    """One object: names and JSON values."""


FIELDS: Final[dict[str, Shape]] = {
    "name": Shape.TEXT,
    "version": Shape.TEXT,
    "title": Shape.TEXT,
    "description": Shape.TEXT,
    "created": Shape.TEXT,  # RFC 3339
    "authors": Shape.TEXTS,
    "vendor": Shape.TEXT,
    "licenses": Shape.TEXTS,  # SPDX identifiers where they are such, else as they stand
    "languages": Shape.TEXTS,  # ISO 639
    "tags": Shape.TEXTS,  # free words, such as a model card's
    "source_url": Shape.TEXT,
    "documentation_url": Shape.TEXT,
    "revision": Shape.TEXT,
    # Models
    "framework": Shape.TEXT,  # pytorch, tensorflow, keras, jax, sklearn, onnx, transformers … in lower case
    "framework_version": Shape.TEXT,
    "format": Shape.TEXT,  # of the weights: safetensors, gguf, onnx, pytorch, pickle, joblib, savedmodel, keras, hdf5, npz …
    "architecture": Shape.TEXT,  # as its framework calls it: LlamaForCausalLM, llama
    "family": Shape.TEXT,  # llama, bert, qwen2 …
    "parameters": Shape.INTEGER,
    "precision": Shape.TEXT,  # that most parameters have: float32, bfloat16, float16, int8 … (ModelPack's words)
    "quantization": Shape.TEXT,  # Q4_K_M, gptq, awq …
    "context_length": Shape.INTEGER,  # tokens
    "vocabulary_size": Shape.INTEGER,  # tokens
    "tensors": Shape.INTEGER,
    "tasks": Shape.TEXTS,  # Hugging Face's words: text-generation …
    "input_types": Shape.TEXTS,  # text, image, audio, video, embedding, other (ModelPack's words)
    "output_types": Shape.TEXTS,
    "base_models": Shape.OBJECTS,  # {ref, relation?}; relation: finetune, adapter, quantized, merge
    "datasets": Shape.OBJECTS,  # {ref}: a digest, a URL or a name, that the model was trained on
    "metrics": Shape.OBJECTS,  # {name, value (a number), dataset?, split?, task?}
    "hyperparameters": Shape.OBJECT,
    "inputs": Shape.OBJECTS,  # {name, dtype?, shape?}: of a graph; of an experiment {ref, role?}
    "outputs": Shape.OBJECTS,
    # Datasets
    "rows": Shape.INTEGER,
    "splits": Shape.OBJECTS,  # {name, rows?, bytes?}
    "features": Shape.OBJECTS,  # {name, type}
    "provenance": Shape.OBJECT,
    # Experiments
    "run": Shape.TEXT,
    "status": Shape.TEXT,
    "environment": Shape.OBJECT,
    # What else a format says, by its own names
    "extra": Shape.OBJECT,
}
"""The names that every reader, query, page and schema uses."""

LONGEST_TEXT: Final = 4096  # characters of one text
MOST_ITEMS: Final = 1000  # of one list or object
DEEPEST: Final = 8  # objects and lists inside one another in a value
_LONGEST_PATH: Final = 1024  # bytes


class InvalidFact(ValueError):
    """A value that its field cannot have."""


@dataclass(frozen=True, slots=True)
class Fact:
    """What one source says of one field. `at` tells where: an annotation's name, or a file's path and a JSON Pointer in it."""

    field: str
    value: Any
    provenance: Provenance
    at: str

    def __post_init__(self) -> None:
        """Raise InvalidFact where the value isn't of the field's shape."""
        if not fits(FIELDS[self.field], self.value):
            raise InvalidFact(f"{self.field} can't be {self.value!r:.100}")


@dataclass(frozen=True, slots=True)
class Record:
    """What is known: `values` by field, and by field whence that is: {"provenance": …, "at": …}, of lists for each source."""

    kind: Kind
    format: str
    """What the artifact is packed as, by the name of what recognised it: modelpack, kitops, docker, ollama …"""
    values: dict[str, Any]
    sources: dict[str, list[dict[str, str]]]


def recorded(kind: Kind, packed_as: str, facts: Iterable[Fact]) -> Record:
    """Return what facts say together: of each field the best source's, of two as good the first's; objects are merged.

    Each value is one that its field can have: what is too many for a list or an object is left out.
    """
    values: dict[str, Any] = {}
    sources: dict[str, list[dict[str, str]]] = {}
    best: dict[str, Provenance] = {}
    there: dict[str, set[str]] = {}
    for fact in sorted(facts, key=lambda fact: fact.provenance):
        known: Any = values.get(fact.field)
        shape = FIELDS[fact.field]
        if known is None:
            values[fact.field] = _copied(fact.value)
            best[fact.field] = fact.provenance
        elif shape in (Shape.OBJECT, Shape.TEXTS, Shape.OBJECTS) and len(known) >= MOST_ITEMS:
            continue
        elif shape is Shape.OBJECT:
            others = ((name, value) for name, value in fact.value.items() if name not in known)
            added = dict(islice(others, MOST_ITEMS - len(known)))
            if not added:
                continue
            known.update(added)
        elif shape in (Shape.TEXTS, Shape.OBJECTS) and fact.provenance == best[fact.field]:
            # By their JSON: to compare each item with each would take minutes where many files have long lists.
            seen = there.setdefault(fact.field, {_identity(item) for item in known})
            found = {text: item for item in fact.value if (text := _identity(item)) not in seen}
            if not found:
                continue
            new = dict(islice(found.items(), MOST_ITEMS - len(known)))
            known.extend(new.values())
            seen.update(new)
        else:
            continue
        sources.setdefault(fact.field, []).append({"provenance": fact.provenance.name.lower(), "at": fact.at})
    return Record(kind, packed_as, values, sources)


def _identity(item: Any) -> str:
    return item if isinstance(item, str) else json.dumps(item, sort_keys=True)


def _copied(value: Any) -> Any:
    if isinstance(value, dict):
        return dict(value)
    return list(value) if isinstance(value, list) else value


def fits(shape: Shape, value: object) -> bool:
    """Say whether a field of a shape can have a value."""
    match shape:
        case Shape.TEXT:
            return isinstance(value, str) and 0 < len(value) <= LONGEST_TEXT and is_storable(value)
        case Shape.INTEGER:
            return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 63
        case Shape.TEXTS:
            return _is_list(value) and all(fits(Shape.TEXT, item) for item in value)
        case Shape.OBJECTS:
            return _is_list(value) and all(fits(Shape.OBJECT, item) for item in value)
        case Shape.OBJECT:
            return isinstance(value, dict) and is_plain(value)


def _is_list(value: object) -> TypeGuard[list[Any]]:
    return isinstance(value, list) and 0 < len(value) <= MOST_ITEMS


def is_plain(value: object, depth: int = DEEPEST) -> bool:
    """Say whether a value is JSON that PostgreSQL can hold, with few items and levels and no long text."""
    match value:
        case None | bool():
            return True
        case int():
            return -(1 << 63) <= value < 1 << 63
        case float():
            return math.isfinite(value)
        case str():
            return len(value) <= LONGEST_TEXT and is_storable(value)
        case list():
            return depth > 0 and len(value) <= MOST_ITEMS and all(is_plain(item, depth - 1) for item in value)
        case dict():
            return (
                depth > 0
                and len(value) <= MOST_ITEMS
                and all(isinstance(name, str) and is_plain(name) for name in value)
                and all(is_plain(item, depth - 1) for item in value.values())
            )
        case _:
            return False


def storable(text: str) -> str:
    """Return a text as PostgreSQL can hold it: NUL and halves of surrogate pairs are written out."""
    return text.replace("\0", "\\0").encode(errors="backslashreplace").decode()


def storable_path(path: str) -> str:
    """Return a file's path likewise, and no longer than an index of the database takes."""
    return storable(path).encode()[:_LONGEST_PATH].decode(errors="ignore")


def is_storable(text: str) -> bool:
    """Say whether PostgreSQL can hold a text: no NUL, no half of a surrogate pair."""
    return "\0" not in text and not any("\ud800" <= char <= "\udfff" for char in text)
