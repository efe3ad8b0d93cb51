"""All formats that are installed, and which of them an artifact is of.

A package adds one by an entry point of the group `blacklake.formats` that names an object that is a `Format`; ours are
registered so, too. What goes wrong in another package's format is reported and changes nothing for the others.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Final, NamedTuple, TypeGuard

from mediatypes.models import files
from mediatypes.models.artifact import ENTRY_POINTS, Artifact, Description, Format, Layer
from mediatypes.models.manifest_annotations import common_facts
from mediatypes.record import Fact, Kind

DISTRIBUTION: Final = "blacklake"
"""The package whose formats are asked first, so that no other changes what they recognise."""
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9.\-]{0,62}")


class Formats(NamedTuple):
    """Formats in the order in which they are asked, and a sentence for each one that could not be loaded."""

    formats: tuple[Format, ...]
    problems: tuple[str, ...]


@functools.cache
def installed() -> Formats:
    """Load the formats of all packages, once."""
    return load(entry_points(group=ENTRY_POINTS))


def load(points: Iterable[EntryPoint]) -> Formats:
    """Load formats by their entry points: specific ones before generic ones, ours before others, and `files` at the end."""
    formats: dict[str, tuple[bool, bool, Format]] = {}
    problems = []
    for point in sorted(points, key=lambda point: (not _is_ours(point), point.name, point.value)):
        try:
            found = point.load()
        except Exception as error:  # noqa: BLE001 - another package's code: whatever it is, the other formats still count
            problems.append(f"The format {_told(point)} can't be loaded: {error!r:.500}.")
            continue
        if not _is_format(found):
            problems.append(
                f"The format {_told(point)} has no name, is_generic, recognises or describe as `Format` has them."
            )
        elif found.name in formats:
            problems.append(f"The format {_told(point)} is left out: another one has the name {found.name}.")
        else:
            formats[found.name] = (found.is_generic, not _is_ours(point), found)
    formats.pop(files.FORMAT.name, None)
    asked = [found for *_, found in sorted(formats.values(), key=lambda known: (*known[:2], known[2].name))]
    return Formats((*asked, files.FORMAT), tuple(problems))


def recognise(artifact: Artifact, formats: Iterable[Format] | None = None) -> tuple[Format, Description]:
    """Return the first format that recognises an artifact, and what it and the annotations say.

    `files` recognises all. Formats that failed are in the description's `problems`.
    """
    problems: list[str] = []
    for candidate in (*(installed().formats if formats is None else formats), files.FORMAT):
        try:
            if not candidate.recognises(artifact):
                continue
            description: Any = candidate.describe(artifact)
        except Exception as error:  # noqa: BLE001 - another package's code: whatever it is, the next format is asked
            problems.append(f"The format {candidate.name} failed: {error!r:.500}.")
            continue
        if _is_description(description):
            description.facts = [*common_facts(artifact.annotations, description.kind), *description.facts]
            description.problems += problems
            return candidate, description
        problems.append(f"The format {candidate.name} described an artifact by what is no Description.")
    raise AssertionError("files recognise everything")


def _is_ours(point: EntryPoint) -> bool:
    return point.dist is not None and point.dist.name == DISTRIBUTION


def _told(point: EntryPoint) -> str:
    return f"{point.name} ({point.value}, of {point.dist.name if point.dist else 'no package'})"


def _is_format(found: Any) -> TypeGuard[Format]:
    name = getattr(found, "name", None)
    return (
        isinstance(name, str)
        and _NAME.fullmatch(name) is not None
        and isinstance(getattr(found, "is_generic", None), bool)
        and callable(getattr(found, "recognises", None))
        and callable(getattr(found, "describe", None))
    )


def _is_description(found: Any) -> TypeGuard[Description]:
    return (
        isinstance(found, Description)
        and isinstance(found.kind, Kind)
        and all(isinstance(fact, Fact) for fact in found.facts)
        and all(isinstance(layer, Layer) for layer in found.layers)
    )
