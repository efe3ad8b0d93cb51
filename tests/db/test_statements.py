"""Every statement is one that PostgreSQL understands, and the hot ones look things up by index."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import asyncpg
import pytest

from mediatypes.digest import Digest
from tests.cluster import Cluster
from tests.db.statements import statements

Sql = asyncpg.Connection

TAGS = 50_000


@pytest.fixture(scope="module")
def filled_url(cluster: Cluster, template: str) -> Iterator[str]:
    """Return a database with 50,000 tags, manifests and blobs in one repository, and half as many in others."""
    yield cluster.create("filled", template=template)
    cluster.drop("filled")


@pytest.fixture
async def filled(filled_url: str) -> AsyncIterator[Sql]:
    conn = await asyncpg.connect(filled_url)
    if not await conn.fetchval("SELECT EXISTS (SELECT FROM repositories)"):
        await conn.execute(
            f"""
            INSERT INTO repositories (name) SELECT 'team/model' || n FROM generate_series(1, 100) AS n;
            CREATE FUNCTION digest(n bigint) RETURNS bytea IMMUTABLE LANGUAGE sql
                RETURN '\\x01'::bytea || sha256(n::text::bytea);
            CREATE TEMP VIEW numbers AS
                SELECT n, CASE WHEN n <= {TAGS} THEN 1 ELSE n % 99 + 2 END AS repository_id
                FROM generate_series(1, {TAGS * 3 // 2}) AS n;
            INSERT INTO blobs (digest, size, storage_key) SELECT digest(n), n, 'key' || n FROM numbers;
            INSERT INTO repository_blobs (repository_id, digest) SELECT repository_id, digest(n) FROM numbers;
            INSERT INTO manifests (repository_id, digest, media_type, artifact_type, subject, referrer, size, content)
                SELECT repository_id, digest(n), 'type', 'artifact', digest(n % 1000), '{{}}', 2, '{{}}' FROM numbers;
            INSERT INTO tags (repository_id, name, digest) SELECT repository_id, 'v' || n, digest(n) FROM numbers;
            INSERT INTO manifest_references (digest, repository_id, manifest)
                SELECT digest(n + 1), repository_id, digest(n) FROM numbers;
            INSERT INTO uploads (repository_id, id, storage_key, algorithm)
                SELECT repository_id, gen_random_uuid(), 'upload' || n, 'sha256' FROM numbers WHERE n % 10 = 0;
            INSERT INTO dead_objects (storage_key, due_at)
                SELECT 'dead' || n, now() + make_interval(secs => n - 100) FROM numbers WHERE n % 10 = 0;
            """
        )
        await conn.execute("VACUUM ANALYZE")
    yield conn
    await conn.close()


async def test_every_statement_can_be_prepared(database_url: str) -> None:
    conn = await asyncpg.connect(database_url)
    found = statements()
    for name, statement in found.items():
        try:
            await conn.prepare(statement)
        except asyncpg.PostgresError as error:
            pytest.fail(f"{name}: {error}")
    await conn.close()
    assert len(found) >= 30
    assert {"blobs._LOOKUP", "manifests._LOOKUP", "tags._PAGE", "uploads._TAKE", "schema._STATE"} <= set(found)


def packed(number: int) -> bytes:
    return Digest.of(str(number).encode()).to_bytes()


NAMES = [f"team/model{number % 100 + 1}" for number in range(128)]
DIGESTS = [packed(number) for number in range(1, 129)]
REPOSITORY = 1

HOT: dict[str, tuple[Any, ...]] = {
    "blobs._LOOKUP": (NAMES, DIGESTS),
    "blobs._HELD": (REPOSITORY, DIGESTS),
    "blobs._INSERT": (packed(1), 1, "key"),
    "blobs._KEY": (packed(1),),
    "blobs._MOVE": (packed(1), "key1", "moved"),
    "blobs._LINK": (REPOSITORY, packed(1)),
    "blobs._MOUNT": (2, packed(1), "team/model1"),
    "blobs._LOCK_LINK": (REPOSITORY, packed(1)),
    "blobs._UNLINK": (REPOSITORY, packed(1)),
    "manifests._LOOKUP": (NAMES, [f"v{number}" for number in range(128)], [None] * 128, [None] * 128),
    "manifests._CONTENT": (REPOSITORY, packed(1)),
    "manifests._HELD": (REPOSITORY, DIGESTS),
    "manifests._LOCK": (REPOSITORY, packed(1)),
    "manifests._LOCK_TAGS": (REPOSITORY, packed(1)),
    "manifests._DELETE": (REPOSITORY, packed(1)),
    "manifests._USERS": (REPOSITORY, packed(1), 10),
    "manifests._REFERRERS": (REPOSITORY, packed(1), b"", None, 500, 3 << 20),
    "repositories._ID": ("team/model1",),
    "tags._PAGE": (REPOSITORY, "v2", 101),
    "tags._DELETE": (REPOSITORY, "v2"),
    "uploads._CREATE": ("team/model1", "00000000-0000-0000-0000-000000000000", "upload", "sha256", 1),
    "uploads._TAKE": ("team/model1", "00000000-0000-0000-0000-000000000000"),
    "uploads._SAVE": (
        REPOSITORY, "00000000-0000-0000-0000-000000000000", 1, 10, None, b"", True, "sha256",
    ),
    "uploads._RENEW": (REPOSITORY, "00000000-0000-0000-0000-000000000000", 1),
    "uploads._IS_OURS": (REPOSITORY, "00000000-0000-0000-0000-000000000000", 1),
    "uploads._RELEASE": (REPOSITORY, "00000000-0000-0000-0000-000000000000", 1),
    "uploads._RECEIVED": ("team/model1", "00000000-0000-0000-0000-000000000000"),
    "uploads._DROP": (REPOSITORY, "00000000-0000-0000-0000-000000000000", 1),
    "uploads._CANCEL": ("team/model1", "00000000-0000-0000-0000-000000000000"),
    "uploads._EXPIRE": (86400.0, 100),
    "objects._CLAIM": (100,),
    "objects._ADD_UNNAMED": ("upload10",),
    "objects._FORGET": (["dead10", "dead20"],),
}  # fmt: skip


@pytest.mark.parametrize("mode", ["force_custom_plan", "force_generic_plan"])
@pytest.mark.parametrize("name", HOT)
async def test_a_hot_statement_reads_no_table_from_end_to_end(filled: Sql, name: str, mode: str) -> None:
    statement = statements()[name]
    await filled.execute(f"SET plan_cache_mode = {mode}")
    async with _undone(filled):
        plan = json.loads(await filled.fetchval(f"EXPLAIN (FORMAT JSON, ANALYZE) {statement}", *HOT[name]))[0]["Plan"]
    nodes = list(_nodes(plan))
    scanned = [
        node["Relation Name"]
        for node in nodes
        # The 100 repositories fit into two pages: reading both is an index's work, too.
        if node["Node Type"] == "Seq Scan" and node["Relation Name"] != "repositories"
    ]
    assert scanned == [], json.dumps(plan, indent=1)
    read = sum(
        (node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"]
        for node in nodes
        if "Relation Name" in node and node["Relation Name"] != "repositories"
    )
    assert read <= 1000, json.dumps(plan, indent=1)


@contextlib.asynccontextmanager
async def _undone(conn: Sql) -> AsyncIterator[None]:
    transaction = conn.transaction()
    await transaction.start()
    try:
        yield
    finally:
        await transaction.rollback()


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", []):
        yield from _nodes(child)
