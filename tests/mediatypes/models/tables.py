"""What the formats' modules say in tables: places, and media types."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from importlib import import_module
from importlib.metadata import entry_points
from types import ModuleType
from typing import Any, Final

from mediatypes.models.artifact import ENTRY_POINTS
from mediatypes.models.places import Place

_MEDIA_TYPE: Final = re.compile(r"(?:application|text)/\S+")


def modules() -> dict[ModuleType, list[str]]:
    """Return the modules of our formats, and the names of the formats of each."""
    found: dict[ModuleType, list[str]] = defaultdict(list)
    for point in sorted(entry_points(group=ENTRY_POINTS), key=lambda point: point.name):
        found[import_module(point.module)].append(point.name)
    return found


def places(module: ModuleType) -> list[Place]:
    """Return the places of a module's tables, each once, in their order."""
    return list({(place.at, field_of(place)): place for place in _within(vars(module).values(), Place)}.values())


def media_types(module: ModuleType) -> set[str]:
    """Return the media types of a module's tables, those without patterns."""
    return {text for text in _within(vars(module).values(), str) if _MEDIA_TYPE.fullmatch(text)}


def field_of(place: Place) -> str:
    """Return the field that a place states, with the name that a value without a field has in `extra`."""
    stated = place.read("text") if place.field == "extra" else None
    return f"extra.{next(iter(stated))}" if isinstance(stated, dict) and len(stated) == 1 else place.field


def _within(values: Iterable[Any], wanted: type) -> Iterator[Any]:
    for value in values:
        if isinstance(value, wanted):
            yield value
        elif isinstance(value, Mapping):
            yield from _within([*value.keys(), *value.values()], wanted)
        elif isinstance(value, tuple | frozenset):
            yield from _within(value, wanted)
