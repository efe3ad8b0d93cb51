"""What a manifest's annotations say of any artifact: those of the image specification, and ours for each field of the record.

`ai.blacklake.FIELD` states a field (docs/formats.md): of a list also by its name in the singular, with commas between its items
or as a JSON array. `ai.blacklake.metric.NAME`, `ai.blacklake.hyperparameter.NAME` and the like state one item.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any, Final

from mediatypes.documents import parsed
from mediatypes.models import values
from mediatypes.models.places import Place, annotated, extra, facts
from mediatypes.record import FIELDS, Fact, Kind, Provenance, Shape

# image-spec annotations.md, Pre-Defined Annotation Keys
_IMAGE: Final = "org.opencontainers.image."
IMAGE_PLACES: Final = (
    Place(_IMAGE + "title", "title"),
    Place(_IMAGE + "description", "description"),
    Place(_IMAGE + "licenses", "licenses", values.license_names),
    Place(_IMAGE + "created", "created", values.moment),
    Place(_IMAGE + "authors", "authors"),
    Place(_IMAGE + "vendor", "vendor"),
    Place(_IMAGE + "version", "version"),
    Place(_IMAGE + "revision", "revision"),
    Place(_IMAGE + "source", "source_url"),
    Place(_IMAGE + "documentation", "documentation_url"),
    extra(_IMAGE + "url", "url"),
)
BASE_NAME: Final = _IMAGE + "base.name"
"""The image or model that this one was made from: of models in `base_models`, of others in `extra` as `base`."""

PREFIX: Final = "ai.blacklake."
KIND: Final = PREFIX + "kind"
"""What plain files are, where their names don't say it: one of `Kind`."""

SINGULARS: Final = {
    "authors": "author",
    "licenses": "license",
    "languages": "language",
    "tags": "tag",
    "tasks": "task",
    "input_types": "input_type",
    "output_types": "output_type",
    "base_models": "base_model",
    "datasets": "dataset",
}
"""Fields with lists that have an annotation in the singular, too."""
ITEMS: Final = {
    "metric": "metrics",
    "hyperparameter": "hyperparameters",
    "base_model": "base_models",
    "environment": "environment",
    "provenance": "provenance",
    "extra": "extra",
}
"""Annotations `ai.blacklake.WORD.NAME` and the field of which they state an item; of base models NAME is the relation."""

_WORDS: Final = {
    "licenses": values.license_names,
    "languages": values.lower,
    "tasks": values.lower,
    "framework": values.framework,
    "format": values.weights_format,
    "precision": values.precision,
    "created": values.moment,
    "base_models": values.references,
    "datasets": values.references,
    "metrics": values.metrics,
    "splits": values.named,
    "features": values.named,
}
"""How fields' values are brought to our words."""
_LIMIT: Final = 1000  # annotations of ours that one manifest's facts are read from


@functools.cache
def own_places() -> tuple[Place, ...]:
    """Return our annotations that state a whole field."""
    names = [(PREFIX + field, field) for field in FIELDS] + [(PREFIX + one, field) for field, one in SINGULARS.items()]
    return tuple(Place(name, field, functools.partial(_value, field)) for name, field in names)


def common_facts(annotations: Mapping[str, str], kind: Kind) -> list[Fact]:
    """Return what a manifest's annotations say of an artifact of a kind, ours first."""
    base = Place(BASE_NAME, "base_models", values.references) if kind is Kind.MODEL else extra(BASE_NAME, "base")
    return [*annotated(annotations, own_places()), *_items(annotations), *annotated(annotations, (*IMAGE_PLACES, base))]


def stated_kind(annotations: Mapping[str, str]) -> Kind | None:
    """Return what the artifact is by its annotation KIND; None without one that names a kind."""
    word = annotations.get(KIND, "").strip().lower()
    return next((kind for kind in Kind if kind.value == word), None)


def _value(field: str, text: str) -> Any:
    match FIELDS[field]:
        case Shape.TEXT:
            found: Any = text
        case Shape.INTEGER:
            return values.count(text)
        case Shape.TEXTS:
            found = _listed(text)
        case Shape.OBJECTS:
            found = _listed(text)
        case Shape.OBJECT:
            return parsed(text)
    return _WORDS[field](found) if field in _WORDS else found


def _listed(text: str) -> list[Any]:
    """Return the items of a JSON array, else those between commas."""
    found = parsed(text) if text.lstrip().startswith("[") else None
    return found if isinstance(found, list) else [item.strip() for item in text.split(",")]


def _items(annotations: Mapping[str, str]) -> list[Fact]:
    stated: list[Fact] = []
    for annotation, text in list(annotations.items())[:_LIMIT]:
        word, point, name = annotation.removeprefix(PREFIX).partition(".")
        if annotation.startswith(PREFIX) and point and name and word in ITEMS:
            place = Place(annotation, ITEMS[word], functools.partial(_item, word, name))
            stated += facts(place, text, Provenance.ANNOTATION, annotation)
    return stated


def _item(word: str, name: str, text: str) -> Any:
    value = parsed(text)
    match word:
        case "metric":
            return values.metrics({name: value})
        case "base_model":
            return [{**reference, "relation": name} for reference in values.references(_listed(text))]
        case _:
            # What isn't JSON is text: `adam` as well as `"adam"`.
            return {name: text if value is None else value}
