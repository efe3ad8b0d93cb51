"""Organisations' own schemas, and where schemas are bound."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from datetime import datetime
from typing import Final, NamedTuple

from registry.core.audit import Action, Actor, Event, record
from registry.core.conformance import Mode
from registry.core.delegation import administer, oversee
from registry.core.ready_schemas import made
from registry.core.subjects import Target, parse_target
from registry.db import schema_bindings, schemas
from registry.db.pool import Connection, Database
from registry.db.schema_bindings import BindingKey, BindingRow, BoundSchema
from registry.db.schemas import NewSchema, SchemaRow
from registry.errors import IdentityRefused, IdentityUnknown, SchemaRefused
from schemas import built_in
from schemas.names import (
    URN,
    InvalidName,
    SchemaName,
    parse_id,
    parse_name,
    parse_reference,
    reference_to,
)
from schemas.schema import Schema, read_schema, references
from schemas.violations import InvalidSchema

MOST_VERSIONS: Final = 1000
"""Versions of schemas that an organisation may add, removed ones included."""
MOST_BINDINGS: Final = 500
"""Bindings of an organisation: a push may have to look at all of them."""

_NEEDED: Final = 32  # schemas that one may need
_SHOWN: Final = 10
_ARTIFACT_TYPE: Final = re.compile(r"[\x21-\x7e]{1,255}", re.ASCII)


class ListedSchema(NamedTuple):
    """A schema as lists tell it; who added it and when are None of a built-in one."""

    name: str
    applies_to: str
    is_built_in: bool
    created_at: datetime | None
    created_by: str | None


class ListedBinding(NamedTuple):
    """A binding as lists tell it; `artifact_type` is None where it is for any."""

    target: str
    artifact_type: str | None
    schema_name: str
    mode: str
    created_at: datetime
    created_by: str


class Schemas:
    """The verbs of `blacklake admin schema`. `actor` and `by` are who asks (registry.core.delegation)."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def add(self, content: bytes, *, actor: Actor) -> SchemaName:
        """Add a schema to the organisation that its `$id` names; return its name. Raise SchemaRefused and what `bind` raises.

        The same bytes again are no error. A version never changes, and comes back with the same bytes only.
        """
        try:
            name, document = await asyncio.to_thread(read_schema, content)
        except InvalidSchema as error:
            raise SchemaRefused(error.pointer, error.reason) from None
        if not name.organisation:
            raise SchemaRefused("/$id", f"names no organisation: write {URN}ORG/{name.name}:{name.version}")
        uses = sorted(urn for urn in references(document) if _is_of(urn, name.organisation))
        schema = await self._ready(name, content, uses, actor.principal_id)
        new = NewSchema(name.name, name.version, name.urn, uses, schema.applies_to, content, actor.principal)

        async def add(conn: Connection) -> None:
            organisation_id = await administer(conn, name.organisation, by=actor.principal_id)
            if await schemas.content(conn, name.urn) == content:
                return
            if len(await schemas.needed(conn, uses)) < len(uses):
                raise SchemaRefused("", "refers to a schema that has just been removed")
            if await schemas.count(conn, organisation_id=organisation_id) >= MOST_VERSIONS:
                raise IdentityRefused(
                    f"{name.organisation} has had {MOST_VERSIONS} versions of schemas, which are the most"
                )
            if not await schemas.add(conn, new, organisation_id=organisation_id):
                raise IdentityRefused(f"{name} is, or was, another schema: a version never changes, so add a new one")
            detail = {"applies_to": new.applies_to, "bytes": len(content)}
            await record(conn, Event(actor, Action.SCHEMA_ADD, f"schema:{name}", detail=detail))

        await self._db.transaction("add_schema", add)
        return name

    async def content(self, text: str, *, by: int | None) -> bytes:
        """Return the bytes of NAME/1.0.0 or ORG/NAME/1.0.0. Raise IdentityUnknown, IdentityRefused, DelegationDenied."""
        name = _named(text)
        if not name.organisation:
            found = built_in.contents().get(name)
        else:

            async def find(conn: Connection) -> bytes | None:
                await oversee(conn, name.organisation, by=by)
                return await schemas.content(conn, name.urn)

            found = await self._db.read("find_schema", find)
        if found is None:
            raise IdentityUnknown(f"there is no schema {name}")
        return found

    async def listed(self, organisation: str, *, by: int | None) -> list[ListedSchema]:
        """Return the schemas that may be bound in an organisation: those built in, and its own. Raise as `content` does."""

        async def find(conn: Connection) -> list[SchemaRow]:
            return await schemas.listed(conn, organisation_id=await oversee(conn, organisation, by=by))

        rows = await self._db.read("list_schemas", find)
        return [
            *(
                ListedSchema(str(name), built_in.schema(name).applies_to, True, None, None)
                for name in built_in.contents()
            ),
            *(
                ListedSchema(
                    f"{organisation}/{row.name}/{row.major}.{row.minor}.{row.patch}",
                    row.applies_to,
                    False,
                    row.created_at,
                    row.created_by,
                )
                for row in rows
            ),
        ]

    async def remove(self, text: str, *, actor: Actor) -> None:
        """Remove a version of a schema that is neither bound nor referred to. Raise as `content` does."""
        name = _named(text)
        if not name.organisation:
            raise IdentityRefused(f"{name} is built in")

        async def remove(conn: Connection) -> None:
            organisation_id = await administer(conn, name.organisation, by=actor.principal_id)
            bound = await schema_bindings.uses(
                conn, name.name, name.version, organisation_id=organisation_id, limit=_SHOWN
            )
            if bound:
                targets = ", ".join(str(Target(name.organisation, row.target, row.is_prefix)) for row in bound)
                raise IdentityRefused(f"{name} is bound to {targets}; unbind it first")
            users = await schemas.users(conn, name.urn, organisation_id=organisation_id, limit=_SHOWN)
            if users:
                raise IdentityRefused(f"{name} is referred to by {', '.join(str(parse_id(one)) for one in users)}")
            if not await schemas.remove(conn, name.urn):
                raise IdentityUnknown(f"there is no schema {name}")
            await record(conn, Event(actor, Action.SCHEMA_REMOVE, f"schema:{name}"))

        await self._db.transaction("remove_schema", remove)

    async def bind(
        self, target: str, schema: str, mode: Mode, *, actor: Actor, artifact_type: str | None = None
    ) -> None:
        """Let the manifests of a target, or those of one artifact type, be judged by a schema.

        A binding that is there gets another mode. `schema` may be built in, or of the target's organisation. Raise
        IdentityUnknown, IdentityRefused, DelegationDenied.
        """
        on, key = _key(target, schema, artifact_type)

        async def bind(conn: Connection) -> None:
            organisation_id = await administer(conn, on.organisation, by=actor.principal_id)
            if not await _is_there(conn, key.schema, organisation_id=organisation_id):
                raise IdentityUnknown(f"there is no schema {schema}")
            if await schema_bindings.count(conn, organisation_id=organisation_id) >= MOST_BINDINGS:
                raise IdentityRefused(f"{on.organisation} has {MOST_BINDINGS} bindings, which are the most")
            await schema_bindings.bind(conn, key, mode, organisation_id=organisation_id, created_by=actor.principal)
            detail = _detail(schema, artifact_type) | {"mode": mode}
            await record(conn, Event(actor, Action.SCHEMA_BIND, str(on), detail=detail))

        await self._db.transaction("bind_schema", bind)

    async def unbind(self, target: str, schema: str, *, actor: Actor, artifact_type: str | None = None) -> None:
        """Take the very binding back. Raise IdentityRefused, DelegationDenied."""
        on, key = _key(target, schema, artifact_type)

        async def unbind(conn: Connection) -> None:
            organisation_id = await administer(conn, on.organisation, by=actor.principal_id)
            if not await schema_bindings.unbind(conn, key, organisation_id=organisation_id):
                of = f" for {artifact_type}" if artifact_type else ""
                raise IdentityRefused(f"{schema} is not bound to {on}{of}")
            await record(conn, Event(actor, Action.SCHEMA_UNBIND, str(on), detail=_detail(schema, artifact_type)))

        await self._db.transaction("unbind_schema", unbind)

    async def bindings(self, organisation: str, *, by: int | None) -> list[ListedBinding]:
        """Return the bindings of an organisation, by target. Raise IdentityUnknown, DelegationDenied."""

        async def find(conn: Connection) -> list[BindingRow]:
            return await schema_bindings.listed(conn, organisation_id=await oversee(conn, organisation, by=by))

        return [
            ListedBinding(
                str(Target(organisation, row.target, row.is_prefix)),
                row.artifact_type or None,
                _written(organisation, row),
                row.mode,
                row.created_at,
                row.created_by,
            )
            for row in await self._db.read("list_schema_bindings", find)
        ]

    async def _ready(self, name: SchemaName, content: bytes, uses: Sequence[str], by: int | None) -> Schema:
        """Return a new schema with all that it refers to. Raise SchemaRefused, IdentityUnknown, DelegationDenied."""

        async def find(conn: Connection) -> dict[str, bytes]:
            await oversee(conn, name.organisation, by=by)
            return {row.urn: row.content for row in await schemas.needed(conn, uses)}

        contents = await self._db.read("find_schemas", find)
        if len(contents) >= _NEEDED:
            raise SchemaRefused("", f"needs {len(contents)} others; {_NEEDED - 1} are the most")
        try:
            return await asyncio.to_thread(made, name.urn, {**contents, name.urn: content})
        except InvalidSchema as error:
            raise SchemaRefused(error.pointer, error.reason) from None


async def _is_there(conn: Connection, schema: BoundSchema, *, organisation_id: int) -> bool:
    if schema.is_built_in:
        return built_in.find(reference_to("", schema.name, schema.major, schema.minor, schema.patch)) is not None
    return await schemas.is_there(
        conn, schema.name, (schema.major, schema.minor, schema.patch), organisation_id=organisation_id
    )


def _is_of(urn: str, organisation: str) -> bool:
    try:
        return parse_id(urn).organisation == organisation
    except InvalidName:
        return False


def _named(text: str) -> SchemaName:
    try:
        return parse_name(text)
    except InvalidName as error:
        raise IdentityRefused(f"schema “{text[:128]}” {error}") from None


def _key(target: str, schema: str, artifact_type: str | None) -> tuple[Target, BindingKey]:
    """Return what a binding is of. Raise IdentityRefused."""
    on = parse_target(target)
    try:
        meant = parse_reference(schema)
    except InvalidName as error:
        raise IdentityRefused(f"schema “{schema[:128]}” {error}") from None
    if meant.organisation not in ("", on.organisation):
        raise IdentityRefused(f"{schema} is of another organisation than {on}")
    if artifact_type is not None and _ARTIFACT_TYPE.fullmatch(artifact_type) is None:
        raise IdentityRefused(f"“{artifact_type[:128]}” is no media type")
    minor, patch = meant.version[1:] if meant.version is not None else (None, None)
    bound = BoundSchema(not meant.organisation, meant.name, meant.major, minor, patch)
    return on, BindingKey(on.path, on.is_prefix, artifact_type or "", bound)


def _written(organisation: str, row: BindingRow) -> str:
    return str(reference_to("" if row.is_built_in else organisation, row.name, row.major, row.minor, row.patch))


def _detail(schema: str, artifact_type: str | None) -> dict[str, str]:
    return {"schema": schema} | ({"artifact_type": artifact_type} if artifact_type is not None else {})
