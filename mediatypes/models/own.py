"""Blacklake's own artifacts, only where no standard has any: datasets, experiments, lineage, tensor indexes, scans.

Their config (of datasets and experiments), or else their one layer, is an envelope: `{"schema": "blacklake/KIND",
"schemaVersion": "1.0.0", "spec": {…}}`. What a config says in `spec` is read here; files are layers as `oras` pushes them.
"""

from __future__ import annotations

from typing import Any, Final

from mediatypes.documents import objects
from mediatypes.models import values
from mediatypes.models.artifact import Artifact, Description, Descriptor, Layer, Role
from mediatypes.models.layers import layer, packing_of, path_of, role_of
from mediatypes.models.places import Place, extra, stated
from mediatypes.record import Kind

_PREFIX: Final = "application/vnd.blacklake."
TYPES: Final = {
    _PREFIX + "dataset.manifest.v1+json": Kind.DATASET,
    _PREFIX + "experiment.manifest.v1+json": Kind.EXPERIMENT,
    _PREFIX + "lineage.v1+json": Kind.LINEAGE,
    _PREFIX + "tensorindex.v1+json": Kind.TENSOR_INDEX,
    _PREFIX + "scan.v1+json": Kind.SCAN,
}
CONFIGS: Final = {
    _PREFIX + "dataset.config.v1+json": Kind.DATASET,
    _PREFIX + "experiment.config.v1+json": Kind.EXPERIMENT,
}
"""Types of artifacts, and those of configs, which say what an artifact is where it has no type of its own."""


def _references(listed: Any) -> list[dict[str, Any]]:
    """Return an experiment's inputs or outputs, which may name what they are by `digest` instead of `ref`."""
    found = [
        {**item, "ref": item["digest"]} if "ref" not in item and "digest" in item else item for item in objects(listed)
    ]
    return [{name: value for name, value in item.items() if name != "digest"} for item in values.references(found)]


def _edges(edges: Any) -> dict[str, Any]:
    return {"edges": [edge for edge in objects(edges) if {"subject", "predicate", "object"} <= edge.keys()]}


_NAMED: Final = (
    Place("/spec/name", "name"),
    Place("/spec/version", "version", values.version),
    Place("/spec/description", "description"),
    Place("/spec/created", "created", values.moment),
    Place("/spec/authors", "authors"),
    Place("/spec/licenses", "licenses", values.license_names),
    Place("/spec/license", "licenses", values.license_names),
)
PLACES: Final[dict[Kind, tuple[Place, ...]]] = {
    Kind.DATASET: (
        *_NAMED,
        Place("/spec/languages", "languages", values.lower),
        Place("/spec/task_categories", "tasks", values.lower),
        Place("/spec/tags", "tags"),
        Place("/spec/format", "format", values.weights_format),
        Place("/spec/size/rows", "rows", values.count),
        Place("/spec/splits", "splits", values.named),
        Place("/spec/features", "features", values.named),
        Place("/spec/provenance", "provenance"),
        extra("/spec/sensitivity", "sensitivity"),
        extra("/spec/bias", "bias"),
        extra("/spec/intended_use", "intended_use"),
    ),
    Kind.EXPERIMENT: (
        *_NAMED,
        Place("/spec/run_id", "run"),
        Place("/spec/status", "status"),
        Place("/spec/start", "created", values.moment),
        Place("/spec/params", "hyperparameters"),
        Place("/spec/hyperparameters", "hyperparameters"),
        Place("/spec/metrics", "metrics", values.metrics),
        Place("/spec/inputs", "inputs", _references),
        Place("/spec/outputs", "outputs", _references),
        Place("/spec/code/repo", "source_url"),
        Place("/spec/code/commit", "revision"),
        Place("/spec/environment", "environment"),
        Place("/spec/tags", "tags"),
        extra("/spec/start", "start"),
        extra("/spec/end", "end"),
        extra("/spec/code/dirty", "code_dirty"),
        extra("/spec/parent_run", "parent_run"),
    ),
    Kind.LINEAGE: (Place("/spec/edges", "provenance", _edges),),
    Kind.TENSOR_INDEX: (
        Place("/spec/tensors", "tensors", values.count),
        Place("/spec/parameters", "parameters", values.count),
        Place("/spec/precision", "precision", values.precision),
    ),
    Kind.SCAN: (
        extra("/spec/scanner", "scanner"),
        extra("/spec/verdict", "verdict"),
        extra("/spec/findings", "findings"),
    ),
}
ROLES: Final = {Kind.DATASET: Role.DATASET}
"""What files are for whose names don't say it."""


class Own:
    """An artifact of one of our types."""

    name = "blacklake"
    is_generic = False

    def recognises(self, artifact: Artifact) -> bool:
        """Say whether the type of the artifact or of its config is ours."""
        return _kind(artifact) is not None

    def describe(self, artifact: Artifact) -> Description:
        """Return what the type says that it is, and what the config says of it."""
        kind = _kind(artifact) or Kind.FILES
        return Description(
            kind,
            stated(artifact.config_document, PLACES.get(kind, ()), "config"),
            [_packed(item, ROLES.get(kind, Role.OTHER)) for item in artifact.layers],
        )


def _packed(descriptor: Descriptor, otherwise: Role) -> Layer:
    role = role_of(path_of(descriptor))
    return layer(descriptor, packing_of(descriptor.media_type), otherwise if role is Role.OTHER else role)


def _kind(artifact: Artifact) -> Kind | None:
    config = artifact.config.media_type if artifact.config else ""
    return TYPES.get(artifact.artifact_type or "") or CONFIGS.get(config)


FORMAT: Final = Own()
