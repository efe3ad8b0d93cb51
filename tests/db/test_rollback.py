"""Each revision can be undone, and code of one release works beside the schema of the next until that says otherwise."""

from __future__ import annotations

import asyncio
import shutil
from functools import partial
from pathlib import Path

import asyncpg
import pytest
from alembic import command
from alembic.script import ScriptDirectory

from mediatypes.digest import Digest
from mediatypes.names import RepositoryName, Tag
from registry.db import manifests, migrate, repositories, revisions, tags
from registry.db.manifests import ManifestQuestion, NewManifest
from registry.db.migrate import DataAtStake, SchemaState, SchemaUnusable
from registry.db.pool import Connection, Database
from registry.db.schema import SCHEMA_VERSION, problem
from registry.db.tag_rules import Asker
from tests.db.statements import statements

REVISIONS = [script.revision for script in ScriptDirectory(str(revisions._REVISIONS)).walk_revisions()][::-1]
BELOW = dict(zip(REVISIONS, ["base", *REVISIONS], strict=False))
NAME = RepositoryName("team/model")
OLDEST = 1  # the oldest code that the schema of this release permits
EXPANDED = f"{SCHEMA_VERSION + 1:04}"
CONTRACTED = f"{SCHEMA_VERSION + 2:04}"
FUTURE = {
    EXPANDED: """
"Columns with defaults, and a table."
from alembic import op
revision, down_revision, LOSES = {revision!r}, {below!r}, None
TABLES = ("repositories", "blobs", "repository_blobs", "uploads", "manifests", "tags", "manifest_references")
def upgrade():
    for table in TABLES:
        op.execute(f"ALTER TABLE {{table}} ADD COLUMN added integer NOT NULL DEFAULT 7")
    op.execute("CREATE TABLE added (id integer PRIMARY KEY)")
    op.execute("UPDATE schema_state SET version = {version}")
def downgrade():
    for table in TABLES:
        op.execute(f"ALTER TABLE {{table}} DROP COLUMN added")
    op.execute("DROP TABLE added")
    op.execute("UPDATE schema_state SET version = {version} - 1")
""",
    CONTRACTED: """
"What the old code needed goes."
from alembic import op
revision, down_revision, LOSES = {revision!r}, {below!r}, "the types of artifacts"
def upgrade():
    op.execute("ALTER TABLE manifests DROP COLUMN artifact_type")
    op.execute("UPDATE schema_state SET version = {version}, oldest_code = {version} - 1")
def downgrade():
    op.execute("ALTER TABLE manifests ADD COLUMN artifact_type text")
    op.execute("UPDATE schema_state SET version = {version} - 1, oldest_code = {oldest}")
""",
}
CATALOGUE = """
SELECT 'column', table_name::text, column_name::text, concat_ws(' ', data_type, is_nullable, column_default, collation_name)
    FROM information_schema.columns WHERE table_schema = 'public'
UNION ALL SELECT 'index', tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'
UNION ALL SELECT 'constraint', conrelid::regclass::text, conname, pg_get_constraintdef(oid)
    FROM pg_constraint WHERE connamespace = 'public'::regnamespace
UNION ALL SELECT 'storage', attrelid::regclass::text, attname, attstorage::text
    FROM pg_attribute JOIN pg_class c ON c.oid = attrelid
    WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND attnum > 0 AND NOT attisdropped
ORDER BY 1, 2, 3, 4
"""


@pytest.fixture
def newer_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let `migrate` be that of a later release with two more revisions; all else is of this one."""
    place = tmp_path / "migrations"
    shutil.copytree(revisions._REVISIONS, place, ignore=shutil.ignore_patterns("__pycache__"))
    below = REVISIONS[-1]
    for version, (revision, text) in enumerate(FUTURE.items(), SCHEMA_VERSION + 1):
        (place / "versions" / f"{revision}_later.py").write_text(
            text.format(revision=revision, below=below, version=version, oldest=OLDEST)
        )
        below = revision
    monkeypatch.setattr(revisions, "_REVISIONS", place)
    for module in (migrate, revisions):
        monkeypatch.setattr(module, "SCHEMA_VERSION", SCHEMA_VERSION + 2)
    monkeypatch.setattr(migrate, "HEAD", CONTRACTED)


def up_to(url: str, revision: str) -> None:
    if revision != "base":
        revisions.run(url, lambda config, _: command.upgrade(config, revision))


def catalogue(url: str) -> list[tuple[str, ...]]:
    """Return every column, index, constraint and kind of storage."""

    async def read() -> list[tuple[str, ...]]:
        conn = await asyncpg.connect(url)
        try:
            return [tuple(row) for row in await conn.fetch(CATALOGUE) if row[1] != "schema_revision"]
        finally:
            await conn.close()

    return asyncio.run(read())


async def push(db: Database, text: bytes, tag: str) -> None:
    """Push a manifest by the statements that core uses."""
    pushed = NewManifest(Digest.of(text), "type", "artifact", None, None, text, frozenset({Digest.of(b"used")}))

    async def work(conn: Connection) -> None:
        repository = await repositories.find_or_create(conn, NAME)
        await manifests.put(conn, pushed, repository_id=repository)
        asker = Asker("team", NAME, None)
        await tags.point(conn, [Tag(tag)], repository_id=repository, digest=pushed.digest, asker=asker)

    await db.transaction("push", work)


async def pull(db: Database, tag: str) -> bytes | None:
    question = ManifestQuestion(NAME, Tag(tag), None, None, None, "team")
    ((found, _, _),) = await db.read("pull", lambda conn: manifests.look_up(conn, [question]))
    return None if found is None else found.content


def test_revisions_are_numbered_by_the_version_they_make() -> None:
    assert [f"{version:04}" for version in range(1, SCHEMA_VERSION + 1)] == REVISIONS


@pytest.mark.parametrize("revision", REVISIONS)
def test_a_revision_that_is_undone_leaves_what_was_before_and_can_be_run_again(
    empty_database_url: str, revision: str
) -> None:
    url, below = empty_database_url, BELOW[revision]
    up_to(url, below)
    before = catalogue(url)
    up_to(url, revision)
    after = catalogue(url)
    assert before != after
    migrate.downgrade(url, below, lose_data=True)
    assert catalogue(url) == before
    up_to(url, revision)
    assert catalogue(url) == after


async def test_an_index_is_made_while_pushes_go_on_and_anew_where_it_was_broken_off(
    database: Database, database_url: str, sql: asyncpg.Connection[asyncpg.Record]
) -> None:
    await push(database, b"before", "v1")
    await asyncio.to_thread(migrate.downgrade, database_url, "0001", lose_data=True)
    await sql.execute("CREATE INDEX manifests_subject_type ON manifests (digest)")  # as one of its name lies in the way
    under_way = sql.transaction()
    await under_way.start()
    await sql.execute("UPDATE manifests SET pushed_at = now()")
    upgraded = asyncio.create_task(asyncio.to_thread(migrate.upgrade, database_url))
    waits = """
        SELECT count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%INDEX CONCURRENTLY%'
    """
    for _ in range(1500):
        if await database.read("look", lambda conn: conn.fetchval(waits)):
            break
        await asyncio.sleep(0.02)
    else:
        pytest.fail("the migration does not wait for the transaction")
    # As code of that schema does: ours has tables to write to that aren't there yet.
    beside = r"INSERT INTO manifests SELECT id, '\x01', 'type', NULL, NULL, NULL, 0, '' FROM repositories"
    await database.statement("push_beside", lambda conn: conn.execute(beside))
    assert not upgraded.done()
    await under_way.commit()
    assert (await upgraded).revision == REVISIONS[-1]
    index = "SELECT pg_get_indexdef(indexrelid) FROM pg_index WHERE indisvalid AND indexrelid = $1::regclass"
    assert "(repository_id, subject, artifact_type, digest)" in await sql.fetchval(index, "manifests_subject_type")


async def test_code_goes_on_beside_a_schema_that_was_expanded_under_it_and_one_that_was_rolled_back(
    newer_code: None, database: Database, database_url: str
) -> None:
    await push(database, b"before", "v1")
    assert await pull(database, "v1") == b"before"
    await asyncio.to_thread(up_to, database_url, EXPANDED)
    # The same process, with the connections and prepared statements that it had.
    await push(database, b"beside", "v2")
    assert [await pull(database, tag) for tag in ("v1", "v2")] == [b"before", b"beside"]
    assert await database.read("check", problem) is None
    for number, statement in enumerate(statements().values()):
        await database.read("prepare", partial(prepare, number, statement))
    undone = await asyncio.to_thread(migrate.downgrade, database_url, REVISIONS[-1])
    assert undone == SchemaState(REVISIONS[-1], SCHEMA_VERSION, OLDEST)
    await push(database, b"after", "v3")
    assert [await pull(database, tag) for tag in ("v1", "v2", "v3")] == [b"before", b"beside", b"after"]
    assert await database.read("check", problem) is None


async def test_code_that_the_schema_has_left_behind_says_so(
    newer_code: None, database: Database, database_url: str
) -> None:
    state = await asyncio.to_thread(migrate.upgrade, database_url)
    assert state == SchemaState(CONTRACTED, SCHEMA_VERSION + 2, SCHEMA_VERSION + 1)
    assert "needs newer code" in str(await database.read("check", problem))
    with pytest.raises(SchemaUnusable, match="needs newer code"):
        migrate.check(state)


def test_only_a_revision_whose_undoing_loses_something_needs_a_word(newer_code: None, database_url: str) -> None:
    assert [step.id for step in migrate.pending(migrate.status(database_url))] == [EXPANDED, CONTRACTED]
    contracted = migrate.upgrade(database_url)
    assert migrate.pending(contracted) == []
    with pytest.raises(DataAtStake, match=f"^undoing {CONTRACTED} loses the types of artifacts\\. Back up"):
        migrate.downgrade(database_url, REVISIONS[-1])
    assert migrate.status(database_url) == contracted
    assert [step.id for step in migrate.undone_by(contracted, REVISIONS[-1])] == [CONTRACTED, EXPANDED]
    expanded = migrate.downgrade(database_url, EXPANDED, lose_data=True)
    assert expanded == SchemaState(EXPANDED, SCHEMA_VERSION + 1, OLDEST)
    assert migrate.downgrade(database_url, REVISIONS[-1]).revision == REVISIONS[-1]


@pytest.mark.parametrize("revision", [CONTRACTED, "-1", "head", "000", ""])
def test_a_schema_goes_back_only_to_a_revision_that_it_has_behind_it(
    newer_code: None, database_url: str, revision: str
) -> None:
    up_to(database_url, EXPANDED)
    choices = ", ".join(["base", *REVISIONS, EXPANDED])
    with pytest.raises(
        SchemaUnusable, match=f"^'{revision}' is no revision that .* can go back to; those are {choices}$"
    ):
        migrate.downgrade(database_url, revision, lose_data=True)
    assert migrate.status(database_url).revision == EXPANDED


async def prepare(number: int, statement: str, conn: Connection) -> None:
    await conn.execute(f"PREPARE one_{number} AS {statement}")
