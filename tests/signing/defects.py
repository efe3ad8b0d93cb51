"""What is signed badly: each defect by its name, with the step at which it is refused and words of the reason.

A defect is a function of World, which makes the evidence and whom is trusted. All but the defect is in order:
`test_refusals` verifies the same without it.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from types import ModuleType
from typing import Any

from signing.authorities import Authority
from signing.evidence import Attached, Evidence
from signing.steps import Step
from tests.signing import attachments as made
from tests.signing.services import NOW
from tests.signing.world import World

Judged = tuple[Attached | Evidence, Authority] | tuple[Attached | Evidence, Authority, datetime]


@dataclass(frozen=True)
class Defect:
    """A defect, and how it is refused."""

    name: str
    step: Step
    words: str
    make: Callable[[World], Judged]

    def made(self, world: World) -> tuple[Evidence, Authority, datetime]:
        evidence, authority, *rest = self.make(world)
        if isinstance(evidence, Attached):
            evidence = made.evidence(evidence)
        return evidence, authority, rest[0] if rest else NOW


_DEFECTS: list[Defect] = []


def registered_by(module: ModuleType) -> list[Defect]:
    """Return the defects of a module."""
    return [defect for defect in _DEFECTS if defect.make.__module__ == module.__name__]


def refused(step: Step, words: str) -> Callable[[Callable[[World], Judged]], Callable[[World], Judged]]:
    """Register a defect."""

    def register(make: Callable[[World], Judged]) -> Callable[[World], Judged]:
        _DEFECTS.append(Defect(make.__name__, step, words, make))
        return make

    return register


def edited(document: dict[str, Any], place: str, value: Any) -> dict[str, Any]:
    """Return a document with another value at a place, such as `a/0/b`; `...` takes it out."""
    found = copy.deepcopy(document)
    *steps, last = [int(step) if step.isdigit() else step for step in place.split("/")]
    inner: Any = found
    for step in steps:
        inner = inner[step]
    if value is ...:
        del inner[last]
    else:
        inner[last] = value
    return found


def at(document: Any, place: str) -> Any:
    """Return the value at a place."""
    for step in place.split("/"):
        document = document[int(step) if step.isdigit() else step]
    return document


ENTRY = "verificationMaterial/tlogEntries/0"


def with_entry(document: dict[str, Any], place: str, value: Any) -> dict[str, Any]:
    """Return a bundle with its log entry edited."""
    return edited(document, f"{ENTRY}/{place}", value)


def flipped(text: str) -> str:
    """Return base64 with one bit of the content turned, in the middle of it."""
    content = bytearray(made.from_base64(text))
    content[len(content) // 2] ^= 1
    return made.b64(bytes(content))


def tag_edited(attached: Attached, **annotations: str | None) -> Attached:
    """Return an attached manifest with other annotations of its first layer; None takes one out."""
    manifest = json.loads(attached.content)
    layer = manifest["layers"][0]
    for name, value in annotations.items():
        key = made.ANNOTATIONS[name]
        layer["annotations"].pop(key, None)
        if value is not None:
            layer["annotations"][key] = value
    content = made.compact(manifest)
    return Attached(attached.origin, made.digest(content), attached.media_type, content, attached.blobs)
