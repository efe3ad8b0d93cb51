"""Schemas that are ready to judge.

It imports jsonschema, which takes its time and memory: who judges nothing does without (registry.core.conformance).
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Mapping
from typing import Final

from registry.db import schemas
from registry.db.pool import Database
from registry.db.schema_bindings import CoveringRow
from registry.errors import Unavailable
from schemas import built_in
from schemas.names import reference_to
from schemas.schema import Schema, read_schema

_READY: Final = 64  # schemas of organisations, each with those that it refers to


class ReadySchemas:
    """Those that were needed last, made once."""

    def __init__(self, db: Database) -> None:
        """Make the built-in ones ready, too: not on an event loop."""
        self._db = db
        self._ready: OrderedDict[str, Schema] = OrderedDict()  # by $id, which never means another schema
        for name in built_in.contents():
            built_in.schema(name)

    async def of(self, row: CoveringRow) -> Schema | None:
        """Return the schema that a binding means; None where that was unbound meanwhile, and removed. Raise Unavailable."""
        if row.is_built_in:
            reference = reference_to("", row.name, row.major, row.minor, row.patch)
            found = built_in.find(reference)
            if found is None:  # a release never takes a schema away, so a newer one beside this has bound it
                raise Unavailable(f"the schema {reference}, which this node's release doesn't have,")
            return built_in.schema(found)
        assert row.urn is not None  # what is bound is not removed
        ready = self._ready.get(row.urn)
        if ready is None:
            ready = await self._made(row.urn)
            if ready is None:
                return None
            self._ready[row.urn] = ready
            if len(self._ready) > _READY:
                self._ready.popitem(last=False)
        else:
            self._ready.move_to_end(row.urn)
        return ready

    async def _made(self, urn: str) -> Schema | None:
        rows = await self._db.read("find_schemas", lambda conn: schemas.needed(conn, [urn]))
        if urn not in [row.urn for row in rows]:
            return None
        return await asyncio.to_thread(made, urn, {row.urn: row.content for row in rows})


def made(urn: str, contents: Mapping[str, bytes]) -> Schema:
    """Return the schema of an `$id`, from its bytes and those of all that it refers to. Raise InvalidSchema."""
    read = {other: read_schema(content) for other, content in contents.items()}
    name, document = read.pop(urn)
    return Schema(name, document, {**built_in.documents(), **{other: one[1] for other, one in read.items()}})
