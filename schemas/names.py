"""How schemas are called.

A schema is NAME/1.0.0 where it is built in and ORG/NAME/1.0.0 where it is an organisation's, by Semantic Versioning 2.0.0
without pre-releases; NAME/1 and ORG/NAME/1 mean the newest of a major version. Its `$id` is the same as a URN, which nobody
can fetch: `urn:blacklake:schema:ORG/NAME:1.0.0`.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

URN: Final = "urn:blacklake:schema:"

_WORD: Final = r"[a-z0-9]+(?:[._-][a-z0-9]+)*"
_NUMBER: Final = r"(?:0|[1-9][0-9]{0,5})"
_NAME: Final = rf"(?:(?P<organisation>{_WORD})/)?(?P<name>{_WORD})"
_SCHEMA: Final = re.compile(rf"{_NAME}/(?P<major>{_NUMBER})(?:\.(?P<minor>{_NUMBER})\.(?P<patch>{_NUMBER}))?", re.ASCII)
_ID: Final = re.compile(rf"{URN}{_NAME}:(?P<major>{_NUMBER})\.(?P<minor>{_NUMBER})\.(?P<patch>{_NUMBER})", re.ASCII)
_LONGEST: Final = 255  # characters


class InvalidName(ValueError):
    """A text that names no schema; the message completes “schema … ”."""


class Version(NamedTuple):
    """A version: a change of `major` may refuse what was fine before, and needs a migration (schemas.migrations)."""

    major: int
    minor: int
    patch: int

    def __str__(self) -> str:
        return ".".join(map(str, self))


class SchemaName(NamedTuple):
    """A version of a schema; `organisation` is "" where it is built in."""

    organisation: str
    name: str
    version: Version

    @property
    def path(self) -> str:
        """The name without its version."""
        return f"{self.organisation}/{self.name}" if self.organisation else self.name

    @property
    def urn(self) -> str:
        """The schema's `$id`."""
        return f"{URN}{self.path}:{self.version}"

    def __str__(self) -> str:
        return f"{self.path}/{self.version}"


class SchemaReference(NamedTuple):
    """A schema that is meant: one version, or with None the newest of a major one."""

    organisation: str
    name: str
    major: int
    version: Version | None

    def __str__(self) -> str:
        path = f"{self.organisation}/{self.name}" if self.organisation else self.name
        return f"{path}/{self.version or self.major}"


def reference_to(organisation: str, name: str, major: int, minor: int | None, patch: int | None) -> SchemaReference:
    """Return the reference whose version is kept as numbers: without `minor` and `patch` the newest of a major one."""
    version = Version(major, minor, patch) if minor is not None and patch is not None else None
    return SchemaReference(organisation, name, major, version)


def parse_reference(text: str) -> SchemaReference:
    """Return what NAME/1, NAME/1.0.0, ORG/NAME/1 or ORG/NAME/1.0.0 means. Raise InvalidName."""
    found = _SCHEMA.fullmatch(text) if len(text) <= _LONGEST else None
    if found is None:
        raise InvalidName("is none of NAME/1, NAME/1.0.0, ORG/NAME/1 and ORG/NAME/1.0.0")
    version = _version(found) if found["minor"] is not None else None
    return SchemaReference(found["organisation"] or "", found["name"], int(found["major"]), version)


def parse_name(text: str) -> SchemaName:
    """Return the schema that NAME/1.0.0 or ORG/NAME/1.0.0 names. Raise InvalidName."""
    found = _SCHEMA.fullmatch(text) if len(text) <= _LONGEST else None
    if found is None or found["minor"] is None:
        raise InvalidName("is neither NAME/1.0.0 nor ORG/NAME/1.0.0")
    return SchemaName(found["organisation"] or "", found["name"], _version(found))


def parse_id(text: str) -> SchemaName:
    """Return the schema whose `$id` this is. Raise InvalidName."""
    found = _ID.fullmatch(text) if len(text) <= _LONGEST else None
    if found is None:
        raise InvalidName(f"has no $id like {URN}ORG/NAME:1.0.0")
    return SchemaName(found["organisation"] or "", found["name"], _version(found))


def _version(found: re.Match[str]) -> Version:
    return Version(int(found["major"]), int(found["minor"]), int(found["patch"]))
