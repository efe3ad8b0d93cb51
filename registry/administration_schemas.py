"""Schemas of artifacts, looked after in process: beside a running server, or alone."""

from __future__ import annotations

from typing import Any

from mediatypes.names import InvalidName, parse_repository_name
from registry.compose.verbs import create_services, create_store
from registry.config import Settings
from registry.core.conformance import Mode
from registry.core.schemas import Schemas
from registry.core.subjects import parse_target
from registry.db.pool import Database
from registry.http.api.schema_models import Binding, Schema
from registry.http.api.schemas import judged
from registry.in_process import local_actor, organised, run
from registry.upkeep import UpkeepFailed
from schemas.schema import read_schema
from schemas.violations import InvalidSchema

Rows = list[dict[str, Any]]


def add_schema(settings: Settings, content: bytes) -> str:
    """Add a schema to the organisation that its `$id` names; return its name. Raise UpkeepFailed."""

    async def act(db: Database) -> str:
        try:
            organisation = read_schema(content)[0].organisation
        except InvalidSchema:
            organisation = ""  # the verb says why
        await organised(settings, db, organisation)
        return str(await Schemas(db).add(content, actor=local_actor()))

    return run(settings, act)


def remove_schema(settings: Settings, schema: str) -> None:
    """Remove a version of a schema. Raise UpkeepFailed."""
    run(settings, lambda db: Schemas(db).remove(schema, actor=local_actor()))


def schema_content(settings: Settings, schema: str) -> str:
    """Return a schema as it was added. Raise UpkeepFailed."""
    return run(settings, lambda db: Schemas(db).content(schema, by=None)).decode()


def schemas(settings: Settings, organisation: str) -> Rows:
    """Return the schemas that may be bound in an organisation. Raise UpkeepFailed."""
    found = run(settings, lambda db: Schemas(db).listed(organisation, by=None))
    return [Schema(**one._asdict()).model_dump(mode="json") for one in found]


def bind_schema(settings: Settings, target: str, schema: str, mode: str, *, artifact_type: str | None) -> None:
    """Let the manifests of a target be judged by a schema. Raise UpkeepFailed."""

    async def act(db: Database) -> None:
        await organised(settings, db, parse_target(target).organisation)
        await Schemas(db).bind(target, schema, Mode(mode), actor=local_actor(), artifact_type=artifact_type)

    run(settings, act)


def unbind_schema(settings: Settings, target: str, schema: str, *, artifact_type: str | None) -> None:
    """Take a binding back. Raise UpkeepFailed."""
    run(settings, lambda db: Schemas(db).unbind(target, schema, actor=local_actor(), artifact_type=artifact_type))


def schema_bindings(settings: Settings, organisation: str) -> Rows:
    """Return where schemas are bound in an organisation. Raise UpkeepFailed."""
    found = run(settings, lambda db: Schemas(db).bindings(organisation, by=None))
    return [Binding(**one._asdict()).model_dump(mode="json") for one in found]


def check_manifest(
    settings: Settings, repository: str, manifest: bytes, *, media_type: str, config: bytes | None
) -> dict[str, Any]:
    """Say what would become of a manifest if it were pushed with a tag. Raise UpkeepFailed."""
    try:
        name = parse_repository_name(repository)
    except InvalidName as error:
        raise UpkeepFailed(f"repository “{repository[:128]}” {error}") from error

    async def act(db: Database) -> dict[str, Any]:
        store = create_store(settings)
        try:
            conformance = create_services(settings, db, store).conformance
            found = await conformance.sample(name, manifest, media_type=media_type, config=config, by=None)
        finally:
            await store.close()
        return judged(found).model_dump(mode="json")

    return run(settings, act)
