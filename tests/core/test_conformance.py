"""Pushes where schemas are bound."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import asyncpg
import pytest

from mediatypes.digest import Digest
from mediatypes.names import RepositoryName, parse_repository_name, parse_tag
from mediatypes.oci import IMAGE_INDEX, IMAGE_MANIFEST
from registry.core import ready_schemas
from registry.core.access import CredentialKind
from registry.core.audit import Actor
from registry.core.conformance import Conformance, Mode, deciding
from registry.core.identities import Identities
from registry.core.manifests import PushedManifest
from registry.core.schemas import Schemas
from registry.core.services import Services
from registry.db.pool import Connection, Database
from registry.db.schema_bindings import CoveringRow
from registry.db.violations import NonconformingRow
from registry.errors import (
    IdentityRefused,
    IdentityUnknown,
    ManifestNonconforming,
    ManifestUnknown,
    SchemaRefused,
    Unavailable,
)
from tests.core.support import push_blob
from tests.schemas.making import written

T = TypeVar("T")

ACTOR = Actor(None, "local:tester", CredentialKind.LOCAL)
NAME = RepositoryName("acme/models/bert")
TYPE = "application/vnd.example.model"
OWNED = written(
    "acme/owned", type="object", required=["owner"], properties={"score": {"type": "number", "minimum": 0.9}}
)
OWNED_URN = "urn:blacklake:schema:acme/owned:1.0.0"


@pytest.fixture
async def schemas(database: Database) -> Schemas:
    await Identities(database).add_organisation("acme", actor=ACTOR)
    found = Schemas(database)
    await found.add(OWNED, actor=ACTOR)
    return found


async def push(
    services: Services,
    annotations: dict[str, str] | None = None,
    *,
    name: RepositoryName = NAME,
    tag: str | None = "v1",
    config: Any = None,
    **more: Any,
) -> PushedManifest:
    """Push an image of TYPE with a config, by a tag or by its digest."""
    content = config if isinstance(config, bytes) else json.dumps(config or {}).encode()
    digest = await push_blob(services, content, name)
    document = {
        "schemaVersion": 2,
        "mediaType": IMAGE_MANIFEST,
        "artifactType": TYPE,
        "config": {"mediaType": "application/json", "digest": str(digest), "size": len(content)},
        "layers": [],
        "annotations": annotations or {},
    } | more
    manifest = json.dumps(document).encode()
    reference = parse_tag(tag) if tag is not None else Digest.of(manifest, "sha256")
    return await services.manifests.push(
        name, manifest, media_type=document["mediaType"], reference=reference, extra_tags=[], actor=ACTOR
    )


async def recorded(services: Services, digest: Digest) -> list[NonconformingRow]:
    """Return where a manifest does not conform, as people see it."""
    return (await services.violations.page(before=None, limit=10, repository=NAME, digest=digest)).items


async def refused(services: Services, *arguments: Any, **options: Any) -> list[tuple[str, str]]:
    """Push what is refused, and return where and why; nothing of it stays."""
    with pytest.raises(ManifestNonconforming) as caught:
        await push(services, *arguments, **options)
    name, tag = options.get("name", NAME), options.get("tag", "v1")
    if tag is not None:
        with pytest.raises(ManifestUnknown):
            await services.manifests.resolve(name, parse_tag(tag))
    found: Any = caught.value.detail["violations"]
    return [(one["pointer"], one["rule"]) for one in found]


async def test_without_bindings_anything_is_pushed(services: Services, schemas: Schemas) -> None:
    assert (await push(services, {"score": "bad"})).warnings == ()


async def test_enforced_is_refused_with_what_is_wrong_where_and_nothing_of_it_stays(
    services: Services, schemas: Schemas, sql: asyncpg.Connection[asyncpg.Record]
) -> None:
    await schemas.bind("acme/models/*", "acme/owned/1.0.0", Mode.ENFORCE, actor=ACTOR)
    with pytest.raises(ManifestNonconforming) as caught:
        await push(services, {"score": "0.5"})
    assert caught.value.detail == {
        "violations": [
            {"pointer": "/annotations", "rule": "required", "message": 'lacks "owner"', "schema": OWNED_URN},
            {
                "pointer": "/annotations/score",
                "rule": "minimum",
                "message": "must be at least 0.9, and is 0.5",
                "schema": OWNED_URN,
            },
        ]
    }
    assert "/annotations/score must be at least 0.9, and is 0.5 (acme/owned/1.0.0)" in caught.value.message
    for table in ("manifests", "tags", "manifest_references", "outbox", "schema_violations"):
        assert await sql.fetchval(f"SELECT count(*) FROM {table}") == 0, table
    assert (await push(services, {"owner": "ada", "score": "0.95"})).warnings == ()
    assert (await push(services, {}, name=RepositoryName("acme/other"))).warnings == ()


async def test_warned_is_stored_told_and_recorded(services: Services, schemas: Schemas) -> None:
    await schemas.bind("acme", "acme/owned/1", Mode.WARN, actor=ACTOR)
    pushed = await push(services, {"score": "0.5"})
    assert pushed.warnings == (
        '/annotations lacks "owner" (acme/owned/1.0.0)',
        "/annotations/score must be at least 0.9, and is 0.5 (acme/owned/1.0.0)",
    )
    (verdict,) = await recorded(services, pushed.digest)
    assert (verdict.applies_to, verdict.schema, verdict.mode) == ("annotations", OWNED_URN, "warn")
    assert [one["rule"] for one in verdict.violations] == ["required", "minimum"]
    await schemas.bind("acme/models/*", "acme/owned/1", Mode.OFF, actor=ACTOR)
    await push(services, {"score": "0.5"})
    assert await recorded(services, pushed.digest) != [], "nothing was judged, and nothing forgotten"


async def test_what_conforms_by_now_is_recorded_no_more(services: Services, schemas: Schemas) -> None:
    stricter = written("acme/owned", "1.1.0", required=["owner", "licence"])
    await schemas.add(stricter, actor=ACTOR)
    await schemas.bind("acme", "acme/owned/1", Mode.WARN, actor=ACTOR)
    pushed = await push(services, {"owner": "ada"})
    assert len(await recorded(services, pushed.digest)) == 1
    await schemas.remove("acme/owned/1.1.0", actor=ACTOR)
    assert (await push(services, {"owner": "ada"})).digest == pushed.digest
    assert await recorded(services, pushed.digest) == []


async def test_the_newest_of_a_major_version_judges_from_when_it_is_added(services: Services, schemas: Schemas) -> None:
    await schemas.bind(NAME, "acme/owned/1", Mode.ENFORCE, actor=ACTOR)
    await push(services, {"owner": "ada"})
    await schemas.add(written("acme/owned", "1.10.0", required=["licence"]), actor=ACTOR)
    await schemas.add(written("acme/owned", "1.9.0"), actor=ACTOR)
    await schemas.add(written("acme/owned", "2.0.0", required=["never"]), actor=ACTOR)
    assert await refused(services, {"owner": "ada"}, tag="v2") == [("/annotations", "required")]
    assert (await push(services, {"licence": "MIT"})).warnings == ()


async def test_the_config_is_judged_by_schemas_for_it(services: Services, schemas: Schemas) -> None:
    schema = written(
        "acme/config", x_applies_to="config", required=["epochs"], properties={"epochs": {"type": "integer"}}
    )
    await schemas.add(schema, actor=ACTOR)
    await schemas.bind("acme/*", "acme/config/1", Mode.ENFORCE, actor=ACTOR)
    await push(services, config={"epochs": 3})
    assert await refused(services, config={"epochs": "3"}, tag="v2") == [("/epochs", "type")]
    assert await refused(services, config=b"{", tag="v2") == [("", "config")]
    assert await refused(services, config=b'{"epochs":' + b" " * 300_000 + b"1}", tag="v2") == [("", "limit")]
    index = json.dumps({"schemaVersion": 2, "mediaType": IMAGE_INDEX, "manifests": []}).encode()
    await services.manifests.push(NAME, index, media_type=IMAGE_INDEX, reference=parse_tag("v3"), extra_tags=[])


async def test_bindings_of_an_artifact_type_are_for_that_only(services: Services, schemas: Schemas) -> None:
    await schemas.bind("acme", "acme/owned/1", Mode.ENFORCE, actor=ACTOR, artifact_type="application/vnd.example.other")
    await push(services)
    await schemas.bind("acme", "acme/owned/1", Mode.ENFORCE, actor=ACTOR, artifact_type=TYPE)
    await refused(services, tag="v2")


async def test_signatures_are_stored_where_everything_is_judged(services: Services, schemas: Schemas) -> None:
    signed = await push(services, {"owner": "ada"})
    await schemas.bind("acme", "acme/owned/1", Mode.ENFORCE, actor=ACTOR)
    subject = {"mediaType": IMAGE_MANIFEST, "digest": str(signed.digest), "size": 1}
    await push(services, {"of": "1"}, tag=None, subject=subject)
    await push(services, {"of": "2"}, tag=f"sha256-{'0' * 64}.sig")
    assert await refused(services, {"of": "3"}, tag="v9", subject=subject) == [("/annotations", "required")]
    assert await refused(services, {"of": "4"}, tag=None) == [("/annotations", "required")]
    await schemas.bind("acme", "acme/owned/1", Mode.ENFORCE, actor=ACTOR, artifact_type=TYPE)
    await refused(services, {"of": "5"}, tag=None, subject=subject)


async def test_what_is_bound_twice_is_judged_once_in_the_stricter_mode(services: Services, schemas: Schemas) -> None:
    await schemas.bind(NAME, "acme/owned/1.0.0", Mode.ENFORCE, actor=ACTOR)
    await schemas.bind(NAME, "acme/owned/1", Mode.WARN, actor=ACTOR)
    assert await refused(services) == [("/annotations", "required")]
    await schemas.bind(NAME, "acme/owned/1.0.0", Mode.WARN, actor=ACTOR)
    await schemas.bind(NAME, "acme/owned/1", Mode.ENFORCE, actor=ACTOR)
    assert await refused(services) == [("/annotations", "required")]


async def test_another_node_s_binding_is_in_force_at_once(
    services: Services, other_services: Services, schemas: Schemas, other_database: Database
) -> None:
    await schemas.bind(NAME, "acme/owned/1", Mode.ENFORCE, actor=ACTOR)
    await refused(services)
    await Schemas(other_database).unbind(NAME, "acme/owned/1", actor=ACTOR)
    await push(services)
    await Schemas(other_database).bind(NAME, "acme/owned/1", Mode.ENFORCE, actor=ACTOR)
    await refused(services, tag="v2")
    await refused(other_services, tag="v2")


async def test_pushes_go_on_where_what_was_bound_is_unbound_and_removed_elsewhere(
    services: Services, schemas: Schemas, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ready_schemas, "_READY", 0)  # this node has made others ready since
    await schemas.bind("acme/models/*", "acme/owned/1.0.0", Mode.ENFORCE, actor=ACTOR)
    await push(services, {"owner": "ada"})
    await schemas.unbind("acme/models/*", "acme/owned/1.0.0", actor=ACTOR)
    await schemas.remove("acme/owned/1.0.0", actor=ACTOR)
    assert (await push(services, {})).warnings == ()


async def test_a_built_in_schema_that_a_newer_release_has_bound_makes_pushes_wait_for_a_node_of_that(
    database: Database,
) -> None:
    row = CoveringRow("", True, "", True, "model", 999, None, None, Mode.ENFORCE, None)
    with pytest.raises(Unavailable, match="model/999"):
        await ready_schemas.ReadySchemas(database).of(row)


async def test_records_are_judged_afterwards_and_refuse_nothing(services: Services, schemas: Schemas) -> None:
    await schemas.bind("acme", "model/1", Mode.ENFORCE, actor=ACTOR)
    pushed = await push(services)
    record = {"kind": "model", "name": "bert", "parameters": -1}
    found = await services.conformance.judge_record(NAME, pushed.digest, record, artifact_type=TYPE)
    assert {(one.pointer, one.rule) for one in found} == {("", "required"), ("/parameters", "minimum")}
    (verdict,) = await recorded(services, pushed.digest)
    assert (verdict.applies_to, verdict.mode, len(verdict.violations)) == ("record", "enforce", 2)
    fine = {"kind": "model", "name": "bert", "format": "gguf"}
    assert await services.conformance.judge_record(NAME, pushed.digest, fine, artifact_type=TYPE) == []
    assert await recorded(services, pushed.digest) == []
    with pytest.raises(ManifestUnknown):
        await services.conformance.judge_record(NAME, Digest.of(b"none"), fine, artifact_type=TYPE)


class Unbinding(Database):
    """Unbinds and removes a schema just before it is looked up."""

    def __init__(self, url: str, schemas: Schemas) -> None:
        super().__init__(url, size=2, timeout=10)
        self._schemas = schemas

    async def read(self, name: str, work: Callable[[Connection], Awaitable[T]]) -> T:
        if name == "find_schemas":
            await self._schemas.unbind(NAME, "acme/recorded/1.0.0", actor=ACTOR)
            await self._schemas.remove("acme/recorded/1.0.0", actor=ACTOR)
        return await super().read(name, work)


@pytest.mark.parametrize("judged", ["a record", "a sample"])
async def test_what_is_unbound_and_removed_while_something_is_judged_judges_nothing(
    services: Services, schemas: Schemas, database_url: str, judged: str
) -> None:
    part = "record" if judged == "a record" else "annotations"
    await schemas.add(written("acme/recorded", x_applies_to=part, required=["owner"]), actor=ACTOR)
    digest = (await push(services)).digest
    content = (await services.manifests.resolve(NAME, digest)).content
    await schemas.bind(NAME, "acme/recorded/1.0.0", Mode.ENFORCE, actor=ACTOR)
    db = Unbinding(database_url, schemas)
    await db.open()
    conformance = Conformance(db, services.blobs)
    try:
        if judged == "a record":
            assert await conformance.judge_record(NAME, digest, {"kind": "model"}, artifact_type=TYPE) == []
        else:
            assert (await conformance.sample(NAME, content, media_type=IMAGE_MANIFEST, by=None)).found == []
    finally:
        await db.close()


def row(target: str, *, is_prefix: bool = True, artifact_type: str = "", mode: str = "enforce") -> CoveringRow:
    return CoveringRow(target, is_prefix, artifact_type, True, "model", 1, None, None, mode, None)


ORG, PART, EXACT = row("acme/"), row("acme/mo"), row("acme/model", is_prefix=False)
TYPED = row("acme/model", is_prefix=False, artifact_type=TYPE)
OFF = row("acme/mo", mode="off")


@pytest.mark.parametrize(
    ("covering", "artifact_type", "expected"),
    [
        ((), None, []),
        ((ORG, PART), None, [PART]),
        ((ORG, PART, EXACT), None, [EXACT]),
        ((ORG, row("acme/model"), EXACT), None, [EXACT]),
        ((ORG, EXACT, TYPED), TYPE, [EXACT, TYPED]),
        ((ORG, TYPED), "another", [ORG]),
        ((ORG, OFF), None, []),
        ((ORG, OFF, PART), None, [PART]),
        ((ORG, OFF, row("acme/mo", artifact_type=TYPE)), "another", []),
    ],
)
def test_the_most_specific_target_decides_and_all_of_its_bindings_count(
    covering: tuple[CoveringRow, ...], artifact_type: str | None, expected: list[CoveringRow]
) -> None:
    assert list(deciding(covering, artifact_type, is_attached=False)) == expected


async def test_a_schema_never_changes(schemas: Schemas) -> None:
    other = written("acme/owned", description="another one")
    await schemas.add(OWNED, actor=ACTOR)
    with pytest.raises(IdentityRefused, match="a version never changes"):
        await schemas.add(other, actor=ACTOR)
    await schemas.remove("acme/owned/1.0.0", actor=ACTOR)
    with pytest.raises(IdentityUnknown):
        await schemas.content("acme/owned/1.0.0", by=None)
    with pytest.raises(IdentityRefused, match="a version never changes"):
        await schemas.add(other, actor=ACTOR)
    await schemas.add(OWNED, actor=ACTOR)
    assert await schemas.content("acme/owned/1.0.0", by=None) == OWNED


async def test_what_is_bound_or_referred_to_is_not_removed(schemas: Schemas) -> None:
    await schemas.add(written("acme/more", ref=OWNED_URN), actor=ACTOR)
    await schemas.add(written("acme/owned", "1.1.0"), actor=ACTOR)
    with pytest.raises(IdentityRefused, match=r"referred to by acme/more/1\.0\.0"):
        await schemas.remove("acme/owned/1.0.0", actor=ACTOR)
    await schemas.bind("acme/x*", "acme/owned/1", Mode.WARN, actor=ACTOR)
    await schemas.remove("acme/owned/1.1.0", actor=ACTOR)
    await schemas.remove("acme/more/1.0.0", actor=ACTOR)
    with pytest.raises(IdentityRefused, match=r"bound to acme/x\*"):
        await schemas.remove("acme/owned/1.0.0", actor=ACTOR)
    await schemas.unbind("acme/x*", "acme/owned/1", actor=ACTOR)
    await schemas.remove("acme/owned/1.0.0", actor=ACTOR)
    with pytest.raises(IdentityUnknown):
        await schemas.remove("acme/owned/1.0.0", actor=ACTOR)


async def test_schemas_refer_to_built_in_ones_and_to_others_of_their_organisation(
    services: Services, schemas: Schemas, database: Database
) -> None:
    more = written(
        "acme/more",
        allOf=[{"$ref": OWNED_URN}, {"$ref": "urn:blacklake:schema:annotations:1.0.0"}],
        unevaluatedProperties=False,
    )
    await schemas.add(more, actor=ACTOR)
    await schemas.bind(NAME, "acme/more/1", Mode.ENFORCE, actor=ACTOR)
    assert await refused(services, {"owner": "x", "score": "0.1"}) == [
        ("/annotations/score", "minimum"),
        ("/annotations/owner", "unevaluatedProperties"),
    ]
    await Identities(database).add_organisation("rival", actor=ACTOR)
    for urn in (OWNED_URN, "urn:blacklake:schema:acme/none:1.0.0", "urn:blacklake:schema:model:9.0.0"):
        with pytest.raises(SchemaRefused, match="is not there"):
            await schemas.add(written("rival/more", ref=urn), actor=ACTOR)


async def test_a_binding_is_of_a_schema_that_may_be_bound_there(schemas: Schemas, database: Database) -> None:
    await Identities(database).add_organisation("rival", actor=ACTOR)
    for target, schema, error in (
        ("rival", "acme/owned/1", "another organisation"),
        ("acme", "acme/owned/2", "no schema acme/owned/2"),
        ("acme", "acme/owned/1.0.1", "no schema"),
        ("acme", "none/1", "no schema"),
        ("acme", "acme/owned", "is none of NAME"),
        ("acme/x/../y", "acme/owned/1", "target"),
        ("none", "model/1", "no organisation none"),
    ):
        with pytest.raises(IdentityRefused, match=error):
            await schemas.bind(target, schema, Mode.WARN, actor=ACTOR)
    with pytest.raises(IdentityRefused, match="no media type"):
        await schemas.bind("acme", "model/1", Mode.WARN, actor=ACTOR, artifact_type="a b")
    with pytest.raises(SchemaRefused, match="names no organisation"):
        await schemas.add(written("review"), actor=ACTOR)
    with pytest.raises(IdentityRefused, match="built in"):
        await schemas.remove("model/1.0.0", actor=ACTOR)


async def test_lists_tell_schemas_and_bindings(schemas: Schemas) -> None:
    listed = await schemas.listed("acme", by=None)
    assert [one.name for one in listed if not one.is_built_in] == ["acme/owned/1.0.0"]
    assert "model/1.0.0" in [one.name for one in listed if one.is_built_in]
    await schemas.bind("acme", "acme/owned/1", Mode.WARN, actor=ACTOR)
    await schemas.bind("acme", "acme/owned/1", Mode.ENFORCE, actor=ACTOR)
    await schemas.bind("acme/x", "model/1.0.0", Mode.OFF, actor=ACTOR, artifact_type=TYPE)
    assert [one[:4] for one in await schemas.bindings("acme", by=None)] == [
        ("acme", None, "acme/owned/1", "enforce"),
        ("acme/x", TYPE, "model/1.0.0", "off"),
    ]


async def test_the_library_s_repositories_are_bound_as_they_are_granted(services: Services, database: Database) -> None:
    schemas = Schemas(database)
    await Identities(database).add_organisation("library", actor=ACTOR)
    await schemas.add(written("library/owned", required=["owner"]), actor=ACTOR)
    await schemas.bind("library", "library/owned/1", Mode.ENFORCE, actor=ACTOR)
    assert await refused(services, name=parse_repository_name("alone")) == [("/annotations", "required")]


async def test_pushes_and_bindings_at_the_same_time_leave_nothing_that_a_binding_refuses(
    services: Services, schemas: Schemas, sql: asyncpg.Connection[asyncpg.Record]
) -> None:
    async def try_push(number: int) -> bool:
        try:
            await push(services, {"note": str(number)}, tag=f"t{number}")
        except ManifestNonconforming:
            return False
        return True

    bound = asyncio.create_task(schemas.bind(NAME, "acme/owned/1", Mode.ENFORCE, actor=ACTOR))
    done = await asyncio.gather(*(try_push(number) for number in range(20)))
    await bound
    assert await sql.fetchval("SELECT count(*) FROM tags") == sum(done)
    assert not await try_push(99)
