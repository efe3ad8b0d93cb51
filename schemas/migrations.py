"""Documents of older versions, read as those of the newest.

A document that says of which schema it is: {"schema": "blacklake/experiment", "schemaVersion": "1.0.0", "spec": {…}}. A minor
version only adds, and readers leave what they don't know; from each major version to the next leads a pure function. The
bytes that somebody pushed are never written anew: a document becomes another one each time that it is read.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from schemas.names import InvalidName, SchemaName, parse_name

PREFIX: Final = "blacklake/"
"""What the name of a built-in schema begins with in a document."""

Document = dict[str, Any]
Migration = Callable[[Document], Document]


class NoMigration(LookupError):
    """A document of a version from which nothing leads to the one that is wanted; the message says which."""


class Unnamed(ValueError):
    """A document that doesn't say of which schema it is; the message completes “it …”."""


class Enveloped(NamedTuple):
    """A document as it was written: of which schema, and what it holds."""

    schema: SchemaName
    spec: Document


@dataclass(slots=True)
class Migrations:
    """The ways from each major version of a schema to the next."""

    _steps: dict[tuple[str, int], Migration] = field(default_factory=dict)

    def step(self, path: str, major: int) -> Callable[[Migration], Migration]:
        """Register the way from a major version of a schema to the next. Raise ValueError for a second one."""

        def register(function: Migration) -> Migration:
            if (path, major) in self._steps:
                raise ValueError(f"there are two ways from {path}/{major} to {path}/{major + 1}")
            self._steps[path, major] = function
            return function

        return register

    def newest(self, path: str, major: int) -> int:
        """Return the major version to which a document of `major` can be brought."""
        while (path, major) in self._steps:
            major += 1
        return major

    def migrated(self, path: str, document: Mapping[str, Any], *, major: int, to: int) -> Document:
        """Return a document of a `major` version as one of another; the given one stays as it is. Raise NoMigration."""
        found = copy.deepcopy(dict(document))
        if to < major:
            raise NoMigration(f"{path}/{major} is newer than {path}/{to}, and nothing leads back")
        for step in range(major, to):
            migration = self._steps.get((path, step))
            if migration is None:
                raise NoMigration(f"nothing leads from {path}/{step} to {path}/{step + 1}")
            found = migration(found)
        return found


def read_envelope(document: object) -> Enveloped:
    """Return what a document that names its schema holds. Raise Unnamed."""
    if not isinstance(document, dict) or not isinstance(document.get("schema"), str):
        raise Unnamed("names no schema")
    if not isinstance(document.get("spec"), dict):
        raise Unnamed("has no object `spec`")
    text = f"{document['schema'].removeprefix(PREFIX)}/{document.get('schemaVersion')}"
    try:
        return Enveloped(parse_name(text), document["spec"])
    except InvalidName:
        raise Unnamed(f"names the schema {text[:100]!r}, which is none") from None


MIGRATIONS: Final = Migrations()
"""Those of the built-in schemas."""


@MIGRATIONS.step("experiment", 1)
def _metrics_say_on_what(document: Document) -> Document:
    """Make of `metrics` and `params` by name, as runs log them, a list of measurements and hyperparameters.

    Version 2 says of each metric on what it was measured, which an object of numbers has no place for.
    """
    metrics = document.get("metrics")
    if metrics == {}:
        del document["metrics"]
    elif isinstance(metrics, dict):  # else it is none of version 1 either, and left as it is
        document["metrics"] = [{"name": name, "value": value} for name, value in metrics.items()]
    if "params" in document:
        document["hyperparameters"] = document.pop("params")
    if "run_id" in document:
        document["run"] = document.pop("run_id")
    return document
