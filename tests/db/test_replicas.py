"""A replica answers what it has and what may be stale; whatever becomes of it, every answer is right and none is missing."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import asyncpg
import pytest

from mediatypes.names import RepositoryName, Tag
from mediatypes.oci import IMAGE_MANIFEST
from registry.compose.verbs import create_services
from registry.config import Settings
from registry.core.access import ANONYMOUS, EVERYONE, Caller
from registry.core.services import Services
from registry.db.embedded import EmbeddedPostgres
from registry.db.pool import Connection, Database
from registry.db.replicas import Replicas
from registry.db.schema import SCHEMA_VERSION
from registry.errors import Unavailable
from registry.storage.memory import MemoryStore
from tests.artifacts import Made, add
from tests.db.postgres import Prepared, running, sql
from tests.db.replication import catch_up, follow, hanging, kill, pause, promote, replica_of, resume
from tests.db.resolver import hanging_resolver
from tests.test_metrics import increase, own

NAME, TAG = RepositoryName("team/model"), Tag("v1")


@dataclass
class Node:
    """The verbs of a node that keeps no manifest in memory, its replicas, and its clock."""

    services: Services
    replicas: Replicas
    now: float = 1000.0

    async def push(self, note: str, name: RepositoryName = NAME) -> bytes:
        """Push a manifest of about 100 KiB under the tag and return it."""
        content = large(note)
        await self.services.manifests.push(name, content, media_type=IMAGE_MANIFEST, reference=TAG, extra_tags=())
        return content

    async def pull(self) -> tuple[bytes, str]:
        """Return what the tag names, and who answered: `replica`, `fallback` or `primary`."""
        before = own()
        found = await self.services.manifests.resolve(NAME, TAG)
        return found.content, answered(before)

    async def catalog(self, max_stale: float) -> tuple[list[str], float]:
        """Return the catalog and how old it may be."""
        page = await self.services.repositories.page(after="", limit=100, max_stale=max_stale)
        return page.items, page.age


def answered(before: dict[tuple[str, frozenset[tuple[str, str]]], float]) -> str:
    names = ("replica", "fallback", "primary")
    counts = {name: increase(before, "blacklake_replica_reads_total", answered_by=name) for name in names}
    (name,) = (name for name, count in counts.items() if count)
    return name


def large(note: str) -> bytes:
    config = {"mediaType": "application/vnd.example.config", "digest": f"sha256:{'0' * 64}", "size": 2}
    document = {"schemaVersion": 2, "mediaType": IMAGE_MANIFEST, "config": config, "layers": []}
    return json.dumps(document | {"annotations": {note: "x" * 100_000}}).encode()


def either(*servers: EmbeddedPostgres) -> str:
    """Return a URL that leads to the first of the servers that lets one in."""
    places = [parse_qs(urlsplit(server.url).query) for server in servers]
    hosts, ports = (",".join(place[name][0] for place in places) for name in ("host", "port"))
    return f"postgresql://blacklake@/blacklake?host={hosts}&port={ports}"


async def make_node(stack: list[Database], primary_url: str, *replica_urls: str) -> Node:
    database = Database(primary_url, size=4, timeout=10)
    copies = [Database(url, size=2, timeout=0.5, attempts=1, what="a replica", server="any") for url in replica_urls]
    node: Node
    replicas = Replicas(database, copies, clock=lambda: node.now)
    settings = Settings(database_url=primary_url, cache_bytes=0, sparse="allow")
    node = Node(create_services(settings, database, MemoryStore(), replicas), replicas)
    for db in (database, *copies):
        await db.open()
        stack.append(db)
    return node


@pytest.fixture
async def opened() -> AsyncIterator[list[Database]]:
    """Return a list of pools to close at last."""
    found: list[Database] = []
    yield found
    for db in found:
        await db.close()


@pytest.fixture
def primary(prepared: Prepared, tmp_path: Path) -> Iterator[EmbeddedPostgres]:
    """Return a PostgreSQL of this test's own, with the schema."""
    with running(EmbeddedPostgres(prepared.migrated(tmp_path / "primary"))) as server:
        yield server


@pytest.fixture
def replica(prepared: Prepared, primary: EmbeddedPostgres, tmp_path: Path) -> Iterator[EmbeddedPostgres]:
    """Return a streaming replica of it, which begins where it began."""
    directory = prepared.migrated(tmp_path / "replica")
    follow(directory, primary)
    with running(EmbeddedPostgres(directory)) as server:
        yield server


@pytest.fixture
async def node(opened: list[Database], primary: EmbeddedPostgres, replica: EmbeddedPostgres) -> Node:
    """Return a node with both."""
    return await make_node(opened, primary.url, replica.url)


async def test_a_replica_gives_what_it_has_and_the_primary_what_it_has_not_yet(
    node: Node, primary: EmbeddedPostgres, replica: EmbeddedPostgres
) -> None:
    first = await node.push("first")
    assert await node.pull() == (first, "primary")  # nobody has looked at the replica yet
    catch_up(replica, primary)
    await node.replicas.look()
    assert await node.pull() == (first, "replica")
    pause(replica)
    second = await node.push("second")
    assert await node.pull() == (second, "fallback")
    resume(replica)
    catch_up(replica, primary)
    assert await node.pull() == (second, "replica")


async def test_pulls_go_on_while_a_replica_is_killed_and_it_is_used_again_when_it_is_back(
    node: Node, primary: EmbeddedPostgres, replica: EmbeddedPostgres
) -> None:
    content = await node.push("pulled")
    catch_up(replica, primary)
    await node.replicas.look()
    killed = asyncio.Event()

    async def pull_again_and_again() -> None:
        after = 0
        while after < 20:
            assert (await node.services.manifests.resolve(NAME, TAG)).content == content
            after += killed.is_set()

    pulls = [asyncio.create_task(pull_again_and_again()) for _ in range(4)]
    await asyncio.sleep(0.05)
    kill(replica)
    killed.set()
    await asyncio.gather(*pulls)
    await node.replicas.look()
    assert await node.pull() == (content, "primary")
    await asyncio.to_thread(replica.start)
    for _ in range(600):
        await node.replicas.look()
        if await node.pull() == (content, "replica"):
            break
        await asyncio.sleep(0.05)
    else:
        pytest.fail("the replica is not used again")


async def test_a_replica_that_hangs_is_waited_for_once(
    node: Node, primary: EmbeddedPostgres, replica: EmbeddedPostgres
) -> None:
    content = await node.push("pulled")
    catch_up(replica, primary)
    await node.replicas.look()
    assert await node.pull() == (content, "replica")
    with hanging(replica):
        assert await node.pull() == (content, "fallback")
        assert await node.pull() == (content, "primary")
        await node.replicas.look()
        assert await node.pull() == (content, "primary")
    await node.replicas.look()
    assert await node.pull() == (content, "replica")


async def test_no_request_waits_until_the_read_of_a_replica_that_hangs_has_ended(
    node: Node, opened: list[Database], primary: EmbeddedPostgres, replica: EmbeddedPostgres
) -> None:
    content = await node.push("pulled")
    catch_up(replica, primary)
    await node.replicas.look()
    assert await node.pull() == (content, "replica")
    with hanging(replica):
        assert await node.pull() == (content, "fallback")
        assert opened[1].usage == (1, 1)  # the connection is still being closed
    for _ in range(1000):
        if not node.replicas._given_up:
            break
        await asyncio.sleep(0.01)
    assert opened[1].usage[0] == 0


async def test_a_name_that_the_resolver_hangs_on_is_looked_up_once(
    opened: list[Database], database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with hanging_resolver(monkeypatch) as asked:
        node = await make_node(opened, database_url, "postgresql://x@replica.example.org/x")
        for _ in range(3):
            await node.replicas.look()
        assert asked == ["replica.example.org"]
        assert node.replicas._replicas[0].misfit == "does not answer"


async def test_bytes_that_are_not_the_manifest_s_are_not_served(
    node: Node, primary: EmbeddedPostgres, replica: EmbeddedPostgres
) -> None:
    content = await node.push("pulled")
    catch_up(replica, primary)
    await node.replicas.look()
    promote(replica)  # by mistake, and somebody writes to it
    sql(replica, "UPDATE manifests SET content = 'wrong'")
    assert await node.pull() == (content, "fallback")
    await node.replicas.look()
    assert await node.pull() == (content, "primary")


async def test_what_is_no_replica_of_the_primary_or_has_no_schema_that_fits_is_not_asked(
    opened: list[Database], primary: EmbeddedPostgres, replica: EmbeddedPostgres, database_url: str
) -> None:
    sql(primary, "CREATE DATABASE other TEMPLATE blacklake")  # another registry of the same PostgreSQL
    catch_up(replica, primary)
    urls = [
        primary.url,
        database_url,
        replica.url.replace("/blacklake?", "/other?"),
        primary.url.replace("blacklake@", "nobody@"),
        "postgresql://x@127.0.0.1:1/x",
    ]
    node = await make_node(opened, primary.url, *urls)
    content = await node.push("pulled")
    await node.replicas.look()
    assert [await node.pull() for _ in urls] == [(content, "primary")] * len(urls)
    reasons = [replica.misfit for replica in node.replicas._replicas]
    assert reasons == [
        "is no replica but a primary",
        "belongs to another database than BLACKLAKE_DATABASE_URL",
        "belongs to another database than BLACKLAKE_DATABASE_URL",
        "does not answer",
        "does not answer",
    ]


async def test_a_replica_whose_schema_is_older_than_the_code_is_not_asked(
    node: Node, primary: EmbeddedPostgres, replica: EmbeddedPostgres
) -> None:
    content = await node.push("pulled")
    sql(primary, f"UPDATE schema_state SET version = {SCHEMA_VERSION - 1}")
    catch_up(replica, primary)
    pause(replica)
    # What a migration does, and the replica has not replayed.
    sql(primary, f"UPDATE schema_state SET version = {SCHEMA_VERSION}")
    await node.replicas.look()
    assert await node.pull() == (content, "primary")
    resume(replica)
    catch_up(replica, primary)
    await node.replicas.look()
    assert await node.pull() == (content, "replica")


async def test_a_statement_that_a_replica_cancels_is_answered_by_the_primary(
    node: Node, primary: EmbeddedPostgres, replica: EmbeddedPostgres
) -> None:
    await node.replicas.look()
    asked = []

    async def conflict(conn: asyncpg.Connection[asyncpg.Record]) -> bool:
        in_recovery: bool = await conn.fetchval("SELECT pg_is_in_recovery()")
        asked.append(in_recovery)
        if in_recovery:
            raise asyncpg.SerializationError("canceling statement due to conflict with recovery")
        return in_recovery

    for _ in range(2):  # and the next one asks the replica again
        assert await node.replicas.stale("ask", conflict, within=60) == (False, 0)
    assert asked == [True, False] * 2


async def test_a_replica_whose_connections_are_all_in_use_is_asked_again_when_they_are_not(
    node: Node, opened: list[Database], primary: EmbeddedPostgres, replica: EmbeddedPostgres
) -> None:
    content = await node.push("pulled")
    catch_up(replica, primary)
    await node.replicas.look()
    all_hold, ends = asyncio.Barrier(3), asyncio.Event()

    async def hold(conn: Connection) -> None:
        await all_hold.wait()
        await ends.wait()

    held = [asyncio.create_task(opened[1].read("hold", hold)) for _ in range(2)]
    await all_hold.wait()
    assert await node.pull() == (content, "fallback")
    ends.set()
    await asyncio.gather(*held)
    assert await node.pull() == (content, "replica")


async def test_a_catalog_that_may_be_stale_says_how_old_it_may_be(
    node: Node, primary: EmbeddedPostgres, replica: EmbeddedPostgres
) -> None:
    await node.push("first")
    catch_up(replica, primary)
    await node.replicas.look()
    node.now += 5
    assert await node.catalog(60) == (["team/model"], 5)
    assert await node.catalog(4) == (["team/model"], 0)  # the primary's
    pause(replica)
    await node.push("other", RepositoryName("team/other"))
    for _ in range(3):
        node.now += 10
        await node.replicas.look()
    assert await node.catalog(60) == (["team/model"], 35)
    assert await node.catalog(30) == (["team/model", "team/other"], 0)
    assert await node.catalog(0) == (["team/model", "team/other"], 0)
    resume(replica)
    catch_up(replica, primary)
    node.now += 10
    await node.replicas.look()
    node.now += 1
    assert await node.catalog(60) == (["team/model", "team/other"], 1)


async def test_a_search_that_may_be_stale_says_how_old_it_may_be_and_one_for_whom_rights_count_never_is(
    node: Node, primary: EmbeddedPostgres, replica: EmbeddedPostgres
) -> None:
    async def found(caller: Caller, max_stale: float) -> tuple[int, float]:
        page = await node.services.search.page("kind:model", caller=caller, max_stale=max_stale)
        counts = await node.services.search.facets("kind:model", caller=caller, max_stale=max_stale)
        assert (len(page.items), page.age) == (counts.counted, counts.age)
        return counts.counted, counts.age

    conn = await asyncpg.connect(primary.url)
    await add(conn, Made())
    catch_up(replica, primary)
    await node.replicas.look()
    pause(replica)
    await add(conn, Made())
    await conn.close()
    node.now += 5
    assert await found(EVERYONE, 60) == (1, 5)
    assert await found(EVERYONE, 4) == (2, 0)  # the primary's
    assert await found(ANONYMOUS, 60) == (0, 0)
    resume(replica)


async def test_a_catalog_is_as_old_as_the_server_that_gives_it_though_another_was_looked_at(
    opened: list[Database], primary: EmbeddedPostgres, replica: EmbeddedPostgres, tmp_path: Path
) -> None:
    with replica_of(primary, tmp_path / "second") as second:
        node = await make_node(opened, primary.url, either(replica, second))
        catch_up(second, primary)
        pause(second)
        await node.replicas.look()
        await node.push("pushed")
        node.now += 10
        catch_up(replica, primary)
        await node.replicas.look()
        assert await node.catalog(60) == (["team/model"], 0)
        replica.stop()
        for _ in range(1000):
            if not opened[1].usage[1]:
                break
            await asyncio.sleep(0.01)
        assert await node.catalog(60) == ([], 10)
        assert await node.catalog(5) == (["team/model"], 0)


async def test_a_replica_of_a_primary_that_writes_nothing_is_as_new_as_the_last_look(
    node: Node, primary: EmbeddedPostgres, replica: EmbeddedPostgres
) -> None:
    await node.push("first")
    catch_up(replica, primary)
    for _ in range(3):
        node.now += 100
        await node.replicas.look()
    assert await node.catalog(60) == (["team/model"], 0)
    assert own()["blacklake_replica_lag_seconds", frozenset({("replica", "1")})] == 0


async def test_a_replica_that_is_away_gets_older(
    node: Node, primary: EmbeddedPostgres, replica: EmbeddedPostgres
) -> None:
    lag = "blacklake_replica_lag_seconds", frozenset({("replica", "1")})
    replica.stop()
    await node.replicas.look()
    assert own()[lag] == float("inf")
    await asyncio.to_thread(replica.start)
    catch_up(replica, primary)
    await node.replicas.look()
    assert own()[lag] == 0
    replica.stop()
    node.now += 100
    await node.replicas.look()
    assert own()[lag] == 100


async def test_a_replica_that_follows_a_primary_of_the_past_is_not_taken_for_a_new_one(
    opened: list[Database], primary: EmbeddedPostgres, replica: EmbeddedPostgres, tmp_path: Path
) -> None:
    with replica_of(primary, tmp_path / "second") as second:
        catch_up(second, primary)
        promote(replica)  # the new primary; the old one lives on, and `second` follows it
        sql(primary, "INSERT INTO repositories (name) SELECT 'x' || n FROM generate_series(1, 10000) AS n")
        catch_up(second, primary)
        node = await make_node(opened, replica.url, second.url)
        await node.push("new")
        await node.replicas.look()
        assert await node.catalog(float("inf")) == (["team/model"], 0)


async def test_a_replica_does_not_stand_in_for_the_primary(
    opened: list[Database], primary: EmbeddedPostgres, replica: EmbeddedPostgres
) -> None:
    node = await make_node(opened, primary.url, replica.url)
    await node.push("pulled")
    catch_up(replica, primary)
    await node.replicas.look()
    primary.stop()
    with pytest.raises(Unavailable):
        await node.pull()


async def test_a_replica_is_never_taken_for_the_primary(
    opened: list[Database], primary: EmbeddedPostgres, replica: EmbeddedPostgres
) -> None:
    node = await make_node(opened, either(replica, primary))
    pause(replica)
    content = await node.push("pushed")
    assert (await node.services.manifests.resolve(NAME, TAG)).content == content
    primary.stop()
    with pytest.raises(Unavailable):
        await node.services.manifests.resolve(NAME, TAG)


async def test_several_replicas_take_turns(
    opened: list[Database], primary: EmbeddedPostgres, replica: EmbeddedPostgres, tmp_path: Path
) -> None:
    with replica_of(primary, tmp_path / "second") as second:
        node = await make_node(opened, primary.url, replica.url, second.url)
        for server in (replica, second):
            catch_up(server, primary)
        await node.replicas.look()
        where = "SELECT current_setting('data_directory')"
        found = [await node.replicas.stale("where", lambda conn: conn.fetchval(where), within=60) for _ in range(4)]
        assert len({place for place, _ in found[:2]}) == 2
        assert found[:2] == found[2:]
        second.stop()
        await node.replicas.look()
        found = [await node.replicas.stale("where", lambda conn: conn.fetchval(where), within=60) for _ in range(2)]
        assert {place for place, _ in found} == {str(replica.directory)}
