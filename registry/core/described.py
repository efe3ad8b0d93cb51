"""What an artifact is, of all that its format and its files say: the row that is kept, its metrics and its files. Pure."""

from __future__ import annotations

import contextlib
import json
import posixpath
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, TypeAlias

from mediatypes.digest import Digest
from mediatypes.models.artifact import Artifact, Description, Layer, Packing
from mediatypes.record import Fact, InvalidFact, Kind, Provenance, Record, recorded, storable, storable_path
from registry.db.artifacts import ArtifactRow, FileRow, MetricRow
from schemas.migrations import MIGRATIONS, Unnamed, read_envelope
from schemas.names import Version

RECORD_VERSION: Final = 2
"""Of what is made of facts. Raise it when records come out otherwise: artifacts of another one are described again."""

_LONGEST: Final = 255  # characters of a value that is looked for by an index
_MOST: Final = 100  # values of a list likewise
_LONGEST_PROBLEM: Final = 2000  # characters
_LEVELS: Final = ("dangerous", "suspicious")
_UNREAD: Final = (
    "unread"  # nothing was found, and not all was looked into: what is hidden so must not pass for harmless
)
_SHARD: Final = re.compile(r"(?P<name>.*)-\d{5,6}-of-\d{5,6}(?P<suffix>\.[^/]+)")
_OF_MODELS: Final = frozenset(
    ("adapter-config", "diffusers-pipeline", "mlmodel", "model-card", "savedmodel", "transformers-config")
)
_OF_DATASETS: Final = frozenset(("croissant", "dataset-card", "dataset-dict", "dataset-infos"))
"""Formats of files that only models and only datasets have."""
_COUNTED: Final = ("parameters", "tensors", "rows")


@dataclass(slots=True)
class ReadLayer:
    """A layer and what was read of it: {"files": …, "problem": …} of registry.reading; None where its blob is absent."""

    layer: Layer
    digest: bytes
    manner: str
    """How its blob is read, by which the reading is kept: by its packing, and by its name where the blob is one file."""
    reading: dict[str, Any] | None
    problem: str | None = None


_File: TypeAlias = tuple[ReadLayer, dict[str, Any]]
_Child: TypeAlias = tuple[str, str, dict[str, Any]]
"""A child's digest, its kind and its record."""


@dataclass(slots=True)
class Described:
    """All that is kept of an artifact."""

    row: ArtifactRow
    metrics: list[MetricRow]
    files: list[FileRow]
    values: dict[str, Any]
    """What schemas of records speak of: the record's values, and the kind."""
    artifact_type: str | None
    has_subject: bool


def describe(
    artifact: Artifact,
    packed_as: str,
    description: Description,
    layers: Sequence[ReadLayer],
    children: Sequence[_Child],
    problems: Iterable[str],
    *,
    size: int,
    readers_version: int,
) -> Described:
    """Return what is kept of an artifact; `children` are an index's, `size` the manifest's own bytes."""
    files = [(layer, file) for layer in layers for file in (layer.reading or {}).get("files", ())]
    facts = [*description.facts, *_facts_of_files(files), *_facts_of_children(children)]
    record = recorded(_kind(description.kind, files, children), packed_as, facts)
    said = [*problems, *_problems(layers, files)]
    values = record.values
    row = ArtifactRow(
        kind=record.kind,
        format=packed_as,
        artifact_type=_cut(artifact.artifact_type),
        size=size + sum(item.size for item in (*artifact.layers, *filter(None, [artifact.config]))),
        framework=_cut(values.get("framework")),
        weights_format=_cut(values.get("format")),
        architecture=_cut(values.get("architecture")),
        family=_cut(values.get("family")),
        parameters=values.get("parameters"),
        precision=_cut(values.get("precision")),
        quantization=_cut(values.get("quantization")),
        context_length=values.get("context_length"),
        rows=values.get("rows"),
        licenses=_several(values.get("licenses")),
        languages=_several(values.get("languages")),
        tasks=_several(values.get("tasks")),
        base_models=_several(item.get("ref") for item in values.get("base_models", ())),
        datasets=_several(item.get("ref") for item in values.get("datasets", ())),
        labels=_several(values.get("tags")),
        finding=_worst(files) or (_UNREAD if said else None),
        record=json.dumps({"values": values, "sources": record.sources}, ensure_ascii=False),
        record_version=RECORD_VERSION,
        readers_version=readers_version,
        is_complete=not said,
        problem=storable("; ".join(said))[:_LONGEST_PROBLEM] if said else None,
    )
    return Described(
        row,
        _metrics(record),
        _listed(files),
        {**values, "kind": record.kind},
        artifact.artifact_type,
        artifact.subject is not None,
    )


def newest(document: Any) -> Any:
    """Return a config as one of the newest major version of its schema, where it is a document of an older one."""
    try:
        schema, spec = read_envelope(document)
        to = MIGRATIONS.newest(schema.path, schema.version.major)
        if to == schema.version.major:
            return document
        spec = MIGRATIONS.migrated(schema.path, spec, major=schema.version.major, to=to)
    except Unnamed:
        return document
    return {**document, "schemaVersion": str(Version(to, 0, 0)), "spec": spec}


def _facts_of_files(files: Sequence[_File]) -> list[Fact]:
    """Return what files say; what is counted of parts of one thing, such as a model's shards, is counted together.

    The rows of files of which one doesn't tell its own are no number: that of the others would be too small.
    """
    facts: list[Fact] = []
    firsts: dict[tuple[str, ...], int] = {}
    uncounted = {str(file.get("format")) for _, file in files if not _has_rows(file)}
    for layer, file in files:
        for fact in _facts(file):
            if fact.field == "rows" and fact.provenance is Provenance.HEADER and str(file.get("format")) in uncounted:
                continue
            together = _together(fact, path_of(layer, file["path"]), str(file.get("format")))
            place = firsts.setdefault(together, len(facts)) if together is not None else len(facts)
            if place == len(facts):
                facts.append(fact)
            else:
                first = facts[place]
                facts[place] = replace(first, value=min(first.value + fact.value, (1 << 63) - 1))
    return facts


def _has_rows(file: dict[str, Any]) -> bool:
    return "rows" in file.get("raw", {}) or any(name == "rows" for name, *_ in file.get("facts", ()))


def _facts(file: dict[str, Any]) -> Iterator[Fact]:
    for name, value, provenance, at in file.get("facts", ()):
        with contextlib.suppress(InvalidFact, KeyError, ValueError):  # of a reader that says what no field can have
            yield Fact(name, value, Provenance(provenance), at)


def _together(fact: Fact, path: str, form: str) -> tuple[str, ...] | None:
    """Return what a count is to be added up by; None where it stands for itself."""
    if fact.provenance is not Provenance.HEADER or fact.field not in _COUNTED:
        return None
    if fact.field == "rows":
        return fact.field, form
    shard = _SHARD.fullmatch(path)
    return (fact.field, shard["name"], shard["suffix"]) if shard is not None else None


def _facts_of_children(children: Sequence[_Child]) -> Iterator[Fact]:
    for digest, _, record in children:
        for name, value in record["values"].items():
            provenance = Provenance[record["sources"][name][0]["provenance"].upper()]
            yield Fact(name, value, provenance, f"manifests/{digest}")


def _kind(kind: Kind, files: Sequence[_File], children: Sequence[_Child]) -> Kind:
    """Return the kind that the format tells; where it tells none, what its files or all of its children are."""
    if kind is Kind.INDEX and len({child for _, child, _ in children}) == 1:
        return Kind(children[0][1])
    if kind is not Kind.FILES:
        return kind
    formats = {str(file.get("format")) for _, file in files}
    if any(file.get("tensors") for _, file in files) or formats & _OF_MODELS:
        return Kind.MODEL
    if formats & _OF_DATASETS:
        return Kind.DATASET
    # Of a long file only the beginning is read, which tells no number of rows.
    return (
        Kind.DATASET if any(fact.field in ("features", "rows") for _, file in files for fact in _facts(file)) else kind
    )


def _listed(files: Sequence[_File]) -> list[FileRow]:
    rows = {}
    for layer, file in files:
        path = path_of(layer, file["path"])
        rows[path] = FileRow(
            path,
            layer.digest,
            str(layer.layer.packing),
            layer.manner,
            inner_path(layer.layer, file["path"]),
            file.get("start"),
            file["size"],
            str(layer.layer.role),
            file.get("format"),
        )
    return list(rows.values())


def inner_path(layer: Layer, path: str) -> str:
    """Return by what path a file is known in its layer, of which a reading says it: what is the whole layer has none."""
    return "" if layer.packing is Packing.RAW else path


def path_of(layer: ReadLayer, path: str) -> str:
    """Return a file's path in the artifact, of that in its layer; what nobody has named is called by its digest."""
    inner = inner_path(layer.layer, path)
    path = posixpath.join(layer.layer.path, inner) if inner else layer.layer.path
    return storable_path(path or str(Digest.from_bytes(layer.digest)))


def _problems(layers: Sequence[ReadLayer], files: Sequence[_File]) -> Iterator[str]:
    for layer in layers:
        name = layer.layer.path or layer.layer.descriptor.digest
        problem = layer.problem or (layer.reading or {}).get("problem")
        if problem:
            yield f"the file {name} {problem}"
    for layer, file in files:
        if file.get("problem"):
            yield f"the file {path_of(layer, file['path'])} {file['problem']}"


def _metrics(record: Record) -> list[MetricRow]:
    return [
        MetricRow(item["name"][:_LONGEST], float(value), _cut(item.get("dataset")), _cut(item.get("split")))
        for item in record.values.get("metrics", ())
        if isinstance(value := item.get("value"), (int, float))
        and not isinstance(value, bool)
        and isinstance(item.get("name"), str)
    ]


def _worst(files: Sequence[_File]) -> str | None:
    levels = {finding["level"] for _, file in files for finding in file.get("findings", ())}
    return next((level for level in _LEVELS if level in levels), None)


def _cut(text: object) -> str | None:
    return storable(text)[:_LONGEST] if isinstance(text, str) else None


def _several(found: Iterable[object] | None) -> list[str]:
    cut = (_cut(item) for item in found or ())
    return list(dict.fromkeys(item for item in cut if item is not None))[:_MOST]
