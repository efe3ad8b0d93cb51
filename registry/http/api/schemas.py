"""Schemas of artifacts: those of an organisation, where they are bound, and what a manifest would be told."""

from __future__ import annotations

from registry.core.audit import Action
from registry.core.conformance import Judgement, Mode
from registry.errors import FieldsInvalid
from registry.http.api.asked import Asked
from registry.http.api.models import Page
from registry.http.api.organisations import ORGANISATION
from registry.http.api.route import Route
from registry.http.api.schema_models import (
    Binding,
    BindingQuery,
    NewBinding,
    NewSchema,
    Sample,
    SampleJudged,
    Schema,
    SchemaAdded,
    SchemaContent,
    Violation,
)
from registry.http.api.services import AdminServices
from registry.http.parse import name_of


async def listed(services: AdminServices, asked: Asked, organisation: str) -> Page[Schema]:
    """List the schemas that may be bound in an organisation: those built in, then its own, by name and version."""
    found = await services.schemas.listed(organisation, by=asked.standing.id)
    return Page(items=[Schema(**one._asdict()) for one in found], next=None)


async def add(services: AdminServices, asked: Asked, data: NewSchema) -> SchemaAdded:
    """Add a schema to the organisation that its `$id` names."""
    name = await services.schemas.add(data.content.encode(), actor=asked.actor)
    return SchemaAdded(name=str(name))


async def show(services: AdminServices, asked: Asked, organisation: str, schema: str, version: str) -> SchemaContent:
    """Show a schema of an organisation."""
    return await _shown(services, asked, f"{organisation}/{schema}/{version}")


async def show_built_in(services: AdminServices, asked: Asked, schema: str, version: str) -> SchemaContent:
    """Show a schema that is built in."""
    return await _shown(services, asked, f"{schema}/{version}")


async def remove(services: AdminServices, asked: Asked, organisation: str, schema: str, version: str) -> None:
    """Remove a schema that is neither bound nor referred to."""
    await services.schemas.remove(f"{organisation}/{schema}/{version}", actor=asked.actor)


async def bindings(services: AdminServices, asked: Asked, organisation: str) -> Page[Binding]:
    """List where schemas are bound in an organisation, by target."""
    found = await services.schemas.bindings(organisation, by=asked.standing.id)
    return Page(items=[Binding(**one._asdict()) for one in found], next=None)


async def bind(services: AdminServices, asked: Asked, data: NewBinding) -> None:
    """Bind a schema, or let a binding that is there have another mode."""
    await services.schemas.bind(
        data.target, data.schema_name, mode_of(data.mode), actor=asked.actor, artifact_type=data.artifact_type
    )


async def unbind(services: AdminServices, asked: Asked, query_args: BindingQuery) -> None:
    """Take a binding back."""
    await services.schemas.unbind(
        query_args.target, query_args.schema_name, actor=asked.actor, artifact_type=query_args.artifact_type
    )


async def judge(services: AdminServices, asked: Asked, data: Sample) -> SampleJudged:
    """Say what would become of a manifest if it were pushed with a tag; nothing is stored."""
    found = await services.conformance.sample(
        name_of(data.repository),
        data.manifest.encode(),
        media_type=data.media_type,
        config=data.config.encode() if data.config is not None else None,
        by=asked.standing.id,
    )
    return judged(found)


def judged(found: Judgement) -> SampleJudged:
    """Return what is said of a judgement."""
    return SampleJudged(
        is_refused=bool(found.by(Mode.ENFORCE)),
        violations=[
            Violation(mode=mode, pointer=one.pointer, rule=one.rule, message=one.message, schema_name=one.schema)
            for mode, _, one in found.found
        ],
    )


def mode_of(text: str) -> Mode:
    """Return a mode. Raise FieldsInvalid."""
    try:
        return Mode(text)
    except ValueError:
        raise FieldsInvalid({"mode": f"is none of {', '.join(Mode)}"}) from None


async def _shown(services: AdminServices, asked: Asked, name: str) -> SchemaContent:
    content = await services.schemas.content(name, by=asked.standing.id)
    return SchemaContent(name=name, content=content.decode())


_SCHEMAS = "/admin/schemas"
_OWN = f"{ORGANISATION}/schemas"
_ONE = f"{_OWN}/<schema>/<version>"
_BINDINGS = "/admin/schema-bindings"
ROUTES = (
    Route(method="GET", path=_OWN, handler=listed, gives=Page[Schema], is_delegated=True),
    Route(
        method="POST",
        path=_SCHEMAS,
        handler=add,
        body=NewSchema,
        gives=SchemaAdded,
        status=201,
        action=Action.SCHEMA_ADD,
        is_delegated=True,
    ),
    Route(method="GET", path=_ONE, handler=show, gives=SchemaContent, is_delegated=True),
    Route(
        method="GET",
        path=f"{_SCHEMAS}/<schema>/<version>",
        handler=show_built_in,
        gives=SchemaContent,
        is_delegated=True,
    ),
    Route(method="DELETE", path=_ONE, handler=remove, status=204, action=Action.SCHEMA_REMOVE, is_delegated=True),
    Route(
        method="GET", path=f"{ORGANISATION}/schema-bindings", handler=bindings, gives=Page[Binding], is_delegated=True
    ),
    Route(
        method="POST",
        path=_BINDINGS,
        handler=bind,
        body=NewBinding,
        status=204,
        action=Action.SCHEMA_BIND,
        is_delegated=True,
    ),
    Route(
        method="DELETE",
        path=_BINDINGS,
        handler=unbind,
        query=BindingQuery,
        status=204,
        action=Action.SCHEMA_UNBIND,
        is_delegated=True,
    ),
    Route(
        method="POST",
        path=f"{_SCHEMAS}/judgements",
        handler=judge,
        body=Sample,
        gives=SampleJudged,
        is_delegated=True,
    ),
)
