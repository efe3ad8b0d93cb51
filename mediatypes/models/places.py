"""Where documents and annotations say what: tables of places, and the facts that they give.

A format is mostly such a table. What stands at a place is other people's: whatever its field can't have is left out.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from itertools import islice
from typing import Any, NamedTuple

from mediatypes.documents import at, objects, texts
from mediatypes.record import FIELDS, MOST_ITEMS, Fact, Provenance, Shape, fits


def as_it_is(value: Any) -> Any:
    """Return the value itself."""
    return value


class Place(NamedTuple):
    """A JSON Pointer into a document, or an annotation's name; the field that its value states, as `read` understands it.

    `read` takes any JSON value and returns one of the field's shape, or what isn't: then nothing is stated.
    """

    at: str
    field: str
    read: Callable[[Any], Any] = as_it_is


def extra(at: str, name: str) -> Place:
    """Return a place whose value has no field of its own: it goes into `extra` under a name."""
    return Place(at, "extra", lambda value: {name: value})


def stated(document: object, places: Iterable[Place], source: str) -> list[Fact]:
    """Return what a document that configures an artifact says at places; `source` is what the document is: "config"."""
    return [
        fact
        for place in places
        for fact in facts(place, at(document, place.at), Provenance.CONFIG, f"{source}#{place.at}")
    ]


def annotated(annotations: Mapping[str, str], places: Iterable[Place]) -> list[Fact]:
    """Return what annotations say by their names."""
    return [
        fact for place in places for fact in facts(place, annotations.get(place.at), Provenance.ANNOTATION, place.at)
    ]


def facts(place: Place, found: Any, provenance: Provenance, source: str) -> list[Fact]:
    """Return the one fact that a value found at a place states, or none."""
    value = None if found is None else fitting(FIELDS[place.field], place.read(found))
    return [] if value is None else [Fact(place.field, value, provenance, source)]


def fitting(shape: Shape, value: Any) -> Any:
    """Return what of a value a field of a shape can have; None where that is nothing.

    Items of a list or an object that don't fit are left out, and those that are there already or are too many.
    """
    match shape:
        case Shape.TEXT:
            kept: Any = value.strip() if isinstance(value, str) else None
        case Shape.INTEGER:
            kept = value
        case Shape.TEXTS:
            kept = _distinct(text for text in texts(value) if fits(Shape.TEXT, text))
        case Shape.OBJECTS:
            kept = _distinct(item for item in objects(value) if item and fits(Shape.OBJECT, item))
        case Shape.OBJECT:
            kept = _filled(value) if isinstance(value, dict) else None
    return kept if fits(shape, kept) else None


def _filled(value: dict[str, Any]) -> dict[str, Any] | None:
    said = ((name, item) for name, item in value.items() if item not in (None, "", [], {}))
    return dict(islice(((name, item) for name, item in said if fits(Shape.OBJECT, {name: item})), MOST_ITEMS)) or None


def _distinct(items: Iterable[Any]) -> list[Any]:
    # By their JSON, since objects can't be keys, and lists from outside may be long.
    return list(islice({json.dumps(item, sort_keys=True): item for item in items}.values(), MOST_ITEMS))
