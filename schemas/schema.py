"""A schema that is ready to judge."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any, Final
from urllib.parse import urldefrag

from jsonschema.exceptions import ValidationError
from referencing import Registry
from referencing.exceptions import Unresolvable
from referencing.jsonschema import DRAFT202012

from schemas.checks import DEPTH, LARGEST, check_form, check_references, walk
from schemas.keywords import BoundedValidator, Budget, Checks, budget
from schemas.messages import message_of
from schemas.names import InvalidName, SchemaName, parse_id
from schemas.parts import APPLIES_TO, LARGEST_DOCUMENT, AppliesTo
from schemas.reading import InvalidJson, read_json
from schemas.types import AnnotationTypes
from schemas.violations import LIMIT_RULE, MOST, InvalidSchema, TooMuch, Violation, escaped

STEPS: Final = 25_000
"""What judging a document by a schema may take (schemas.keywords)."""


class Schema:
    """A schema. `judge` is free of side effects, and may be called from any thread."""

    def __init__(self, name: SchemaName, document: dict[str, Any], others: Mapping[str, Any]) -> None:
        """Take a document that `read_schema` has returned, and all that it and those refer to, by `$id`.

        Raise InvalidSchema where its references lead nowhere, or in a circle.
        """
        self.name = name
        self.applies_to = AppliesTo(document.get(APPLIES_TO, AppliesTo.ANNOTATIONS))
        self.references = references(document)
        documents = {**others, name.urn: document}
        # With no way to retrieve what isn't in it, a registry fetches nothing.
        registry: Registry[Any] = Registry().with_resources(
            (urn, DRAFT202012.create_resource(one)) for urn, one in documents.items()
        )
        self._registry = registry.crawl()
        self._size = sum(len(json.dumps(one)) for one in documents.values())
        check_references(document, name.urn, documents.values(), self._resolve)
        self._validator = BoundedValidator(document, registry=self._registry)
        self._types = AnnotationTypes(document, self._resolve)
        self._checks: dict[int, Checks | None] = {}

    def judge(self, instance: Any, *, steps: int = STEPS) -> list[Violation]:
        """Return where a document doesn't fit, up to MOST violations. Annotations are strings: see `schemas.types`.

        The document is JSON as `read_json` returns it. Raise TooMuch where it would take more steps.
        """
        if self.applies_to is AppliesTo.ANNOTATIONS:
            instance = self._types.read(instance)
        size = len(json.dumps(instance))
        if size > LARGEST_DOCUMENT:
            raise TooMuch
        token = budget.set(Budget(steps, size + self._size, self._checks))
        try:
            return [self._violation(error) for error in islice(self._validator.iter_errors(instance), MOST)]
        except RecursionError:
            raise TooMuch from None
        finally:
            budget.reset(token)

    def judged(self, instance: Any) -> list[Violation]:
        """Return what `judge` does, or the one violation that it would take too much."""
        try:
            return self.judge(instance)
        except TooMuch:
            return [self.too_much()]

    def too_much(self) -> Violation:
        """Return the violation of what can't be judged within the bounds."""
        where = {
            AppliesTo.ANNOTATIONS: "the annotations",
            AppliesTo.CONFIG: "the config",
            AppliesTo.RECORD: "the record",
        }
        message = (
            f"{where[self.applies_to]} can't be judged by this schema within {STEPS} steps: make them, or it, simpler"
        )
        return Violation(self._base, LIMIT_RULE, message, self.name.urn)

    @property
    def _base(self) -> str:
        return "/annotations" if self.applies_to is AppliesTo.ANNOTATIONS else ""

    def _violation(self, error: ValidationError) -> Violation:
        pointer = self._base + "".join(f"/{escaped(str(part))}" for part in error.absolute_path)
        return Violation(pointer, str(error.validator or "false"), message_of(error), self.name.urn)

    def _resolve(self, reference: str) -> Any:
        """Return what a reference leads to. Raise LookupError."""
        try:
            return self._registry.resolver(self.name.urn).lookup(reference).contents
        except Unresolvable as error:
            raise LookupError(reference) from error


def read_schema(content: bytes) -> tuple[SchemaName, dict[str, Any]]:
    """Return the name and the document of a schema that is one by itself (schemas.checks). Raise InvalidSchema.

    References to itself are written out in the document, so that they mean the same wherever they are looked up.
    """
    if len(content) > LARGEST:
        raise InvalidSchema("", f"has {len(content)} bytes; {LARGEST} are the most")
    try:
        document = read_json(content, depth=DEPTH)
    except InvalidJson as error:
        raise InvalidSchema("", str(error)) from None
    check_form(document)
    try:
        name = parse_id(document.get("$id", ""))
    except InvalidName as error:
        raise InvalidSchema("/$id", str(error)) from None
    # A schema that said it again would be judged by jsonschema's own keywords, which nothing bounds.
    document.pop("$schema", None)
    for found in walk(document):
        if isinstance(found.schema, dict) and found.schema.get("$ref", "").startswith("#"):
            found.schema["$ref"] = name.urn + found.schema["$ref"]
    return name, document


def references(document: Any) -> frozenset[str]:
    """Return the `$id`s of the other schemas that a document refers to."""
    found = {urldefrag(reference).url for reference in _references(document)}
    return frozenset(found - {"", document.get("$id")})


def _references(document: Any) -> Iterator[str]:
    for found in walk(document):
        if isinstance(found.schema, dict) and isinstance(found.schema.get("$ref"), str):
            yield found.schema["$ref"]
