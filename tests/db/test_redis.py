"""Redis is a help and never a need: what it says is shared, and whatever becomes of it nobody waits long and nothing fails."""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator

import pytest

from mediatypes.digest import Digest
from mediatypes.names import RepositoryName, Tag
from mediatypes.oci import IMAGE_MANIFEST
from registry.compose.verbs import create_services
from registry.config import Settings
from registry.core.limits import MemoryCounter, RateLimit
from registry.core.services import Services
from registry.db import breaker
from registry.db.breaker import LIMIT
from registry.db.pool import Database
from registry.db.redis import LARGEST, Redis, RedisContents, RedisCounter
from registry.errors import ManifestUnknown
from registry.storage.memory import MemoryStore
from tests.db.redis_server import RedisServer, redis_server
from tests.db.resolver import hanging_resolver
from tests.test_metrics import increase, own

NAME, TAG = RepositoryName("team/model"), Tag("v1")
MINUTE = 60_000_000


@pytest.fixture
def server() -> Iterator[RedisServer]:
    with redis_server() as running:
        yield running


@pytest.fixture
async def redis(server: RedisServer) -> AsyncIterator[Redis]:
    made = Redis(server.url)
    yield made
    await made.close()


@pytest.fixture
async def other_redis(server: RedisServer) -> AsyncIterator[Redis]:
    made = Redis(server.url)
    yield made
    await made.close()


@pytest.fixture
def node(database_url: str, database: Database, redis: Redis) -> Services:
    """Return the verbs of a node that keeps no manifest in its own memory."""
    settings = Settings(database_url=database_url, cache_bytes=0, sparse="allow")
    return create_services(settings, database, MemoryStore(), redis=redis)


def manifest(note: str, size: int = 100_000) -> bytes:
    config = {"mediaType": "application/vnd.example.config", "digest": f"sha256:{'0' * 64}", "size": 2}
    document = {"schemaVersion": 2, "mediaType": IMAGE_MANIFEST, "config": config, "layers": []}
    return json.dumps(document | {"annotations": {note: "x" * size}}).encode()


async def push(node: Services, content: bytes) -> Digest:
    pushed = await node.manifests.push(NAME, content, media_type=IMAGE_MANIFEST, reference=TAG, extra_tags=())
    return pushed.digest


async def pull(node: Services) -> tuple[bytes, str]:
    """Return the manifest of the tag, and who gave it: `redis`, `database` or `lookup`."""
    before = own()
    found = await node.manifests.resolve(NAME, TAG)
    if increase(before, "blacklake_transaction_duration_seconds_count", name="read_large_manifest", outcome="done"):
        return found.content, "database"
    is_redis_s = increase(before, "blacklake_redis_operations_total", operation="get", outcome="done")
    return found.content, "redis" if is_redis_s else "lookup"


@contextlib.asynccontextmanager
async def answering(answer: bytes) -> AsyncIterator[str]:
    """Run a server that answers everything so, and yield its URL."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(1 << 16):
            writer.write(answer)
        writer.close()

    async with await asyncio.start_server(talk, "127.0.0.1", 0) as server:
        yield f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def heals(redis: Redis) -> None:
    """Ask until Redis answers; every question finds out at once, and one a second beside them looks."""

    async def ping() -> bool:
        await redis._ping()
        return True

    for _ in range(2000):
        if await redis.ask("ping", ping):
            return
        await asyncio.sleep(0.02)
    pytest.fail("Redis is not used again")


async def test_a_large_manifest_is_read_from_the_database_once_for_all_nodes(
    node: Services, database_url: str, other_database: Database, other_redis: Redis
) -> None:
    settings = Settings(database_url=database_url, cache_bytes=0)
    other = create_services(settings, other_database, MemoryStore(), redis=other_redis)
    content = manifest("large")
    await push(node, content)
    assert await pull(node) == (content, "database")
    assert await pull(node) == (content, "redis")
    assert await pull(other) == (content, "redis")


async def test_a_manifest_that_is_deleted_is_gone_though_redis_has_it(node: Services) -> None:
    digest = await push(node, manifest("large"))
    assert [(await pull(node))[1] for _ in range(2)] == ["database", "redis"]
    await node.manifests.delete(NAME, digest)
    for reference in (TAG, digest):
        with pytest.raises(ManifestUnknown):
            await node.manifests.resolve(NAME, reference)


async def test_bytes_that_are_not_those_of_the_digest_are_not_served(node: Services, redis: Redis) -> None:
    content = manifest("large")
    digest = await push(node, content)
    for wrong in (b"", b"wrong", manifest("other")):
        await RedisContents(redis).put(digest.to_bytes(), wrong)
        assert await pull(node) == (content, "database")
        assert await pull(node) == (content, "redis")  # what was wrong was replaced


@pytest.mark.parametrize(("size", "by"), [(100, "lookup"), (LARGEST, "database")])
async def test_small_manifests_come_with_the_lookup_and_the_largest_are_not_shared(
    node: Services, size: int, by: str
) -> None:
    content = manifest("note", size)
    await push(node, content)
    for _ in range(2):
        assert await pull(node) == (content, by)


async def test_what_redis_keeps_it_keeps_for_an_hour_at_most(node: Services, redis: Redis, server: RedisServer) -> None:
    await push(node, manifest("large"))
    await pull(node)
    await RedisCounter(redis).add("client", MINUTE, MINUTE)
    ages = [int(server.say("TTL", key)) for key in server.say("KEYS", "blacklake:owes:*").split()]
    assert len(ages) == 1
    assert 0 < ages[0] <= 60
    (left,) = [await redis.client.ttl(key) for key in await redis.client.keys("blacklake:manifest:*")]
    assert 0 < left <= 3600


async def test_a_count_that_can_not_be_read_is_no_other_client_s_trouble(redis: Redis) -> None:
    await redis.client.hset("blacklake:owes:wrong", "of another", "type")
    counter = RedisCounter(redis)
    assert await asyncio.gather(*(counter.add(name, 1, MINUTE) for name in ("wrong", "right"))) == [None, 1]


async def test_nodes_count_together(redis: Redis, other_redis: Redis) -> None:
    nodes = [RateLimit(20, MemoryCounter(), RedisCounter(one)) for one in (redis, other_redis)]
    standings = await asyncio.gather(*(node.count("client") for node in nodes for _ in range(25)))
    assert len([standing for standing in standings if not standing.is_refused]) == 20


async def test_a_clock_that_is_set_back_keeps_nobody_out_for_longer_than_a_minute(redis: Redis) -> None:
    await redis.client.set("blacklake:owes:client", str(10**16))  # in the year 2286
    owed = await RedisCounter(redis).add("client", 1, MINUTE)
    assert owed == MINUTE + 1


async def test_without_redis_each_node_counts_for_itself(server: RedisServer, redis: Redis) -> None:
    rate = RateLimit(5, MemoryCounter(), RedisCounter(redis))
    server.kill()
    assert [(await rate.count("client")).is_refused for _ in range(8)] == [False] * 5 + [True] * 3
    server.start()
    await heals(redis)
    assert (await rate.count("client")).remaining == 4


@pytest.mark.parametrize("how", ["killed", "hung"])
async def test_a_redis_that_does_not_answer_is_not_asked_any_more_until_it_does(
    server: RedisServer, redis: Redis, how: str
) -> None:
    counter = RedisCounter(redis)
    assert await counter.add("client", 1, MINUTE) == 1

    async def ask_in_vain() -> None:
        assert await asyncio.gather(*(counter.add("client", 1, MINUTE) for _ in range(LIMIT))) == [None] * LIMIT
        before = own()
        for _ in range(10):
            assert await counter.add("client", 1, MINUTE) is None
        assert increase(before, "blacklake_redis_operations_total", operation="count", outcome="skipped") == 10

    if how == "killed":
        server.kill()
        await ask_in_vain()
        server.start()
    else:
        with server.hanging():
            await ask_in_vain()
    await heals(redis)
    assert await counter.add("client", 1, MINUTE) is not None


async def test_requests_that_run_while_redis_dies_hangs_and_comes_back_notice_nothing(
    node: Services, server: RedisServer, redis: Redis
) -> None:
    content = manifest("large")
    await push(node, content)
    rate = RateLimit(1_000_000, MemoryCounter(), RedisCounter(redis))
    ends, served = asyncio.Event(), 0

    async def client(number: int) -> None:
        nonlocal served
        while not ends.is_set():
            assert not (await rate.count(str(number))).is_refused
            assert (await node.manifests.resolve(NAME, TAG)).content == content
            served += 1

    async def some_more() -> None:
        until = served + 40
        while served < until:
            await asyncio.sleep(0.005)
            for task in tasks:
                assert not task.done(), task.result()

    tasks = [asyncio.create_task(client(number)) for number in range(6)]
    for _ in range(3):
        await some_more()
        with server.hanging():
            await some_more()
        await some_more()
        server.kill()
        await some_more()
        server.start()
        await heals(redis)
    ends.set()
    await asyncio.gather(*tasks)


async def test_a_redis_that_refuses_is_done_without_and_told_once_for_each_operation(
    server: RedisServer, redis: Redis, capfd: pytest.CaptureFixture[str]
) -> None:
    counter, contents = RedisCounter(redis), RedisContents(redis)
    server.say("CONFIG", "SET", "maxmemory", "1")
    for _ in range(2 * LIMIT):
        assert await counter.add("client", 1, MINUTE) is None
        await contents.put(b"digest", b"content")
    server.say("CONFIG", "SET", "maxmemory", "0")
    assert await counter.add("client", 1, MINUTE) == 1  # it was asked all the time: it answers
    said = "".join(capfd.readouterr())
    assert said.count("Redis refuses") == 2


async def test_a_redis_that_lets_nobody_in_is_done_without(server: RedisServer) -> None:
    server.say("CONFIG", "SET", "requirepass", "s3cret")
    shut_out, let_in = Redis(server.url), Redis(server.url.replace("unix://", "unix://:s3cret@"))
    assert await RedisCounter(shut_out).add("client", 1, MINUTE) is None
    assert await RedisCounter(let_in).add("client", 1, MINUTE) == 1
    await shut_out.close()
    await let_in.close()


@pytest.mark.parametrize(
    "answer", [b":?\r\n", b"$?\r\n", b"+OK\r\n", b"*0\r\n", b"*1\r\n" * 5000, b"HTTP/1.1 400 No\r\n"]
)
async def test_what_answers_as_no_redis_does_is_done_without(answer: bytes) -> None:
    async with answering(answer) as url:
        redis = Redis(url)
        rate = RateLimit(10, MemoryCounter(), RedisCounter(redis))
        assert [(await rate.count("client")).remaining for _ in range(2)] == [9, 8]
        assert await RedisContents(redis).get(b"digest") in (None, b"OK")
        await redis.close()


async def test_nobody_is_kept_out_for_longer_by_a_number_that_makes_no_sense() -> None:
    async with answering(b":1000000000000000000\r\n") as url:
        redis = Redis(url)
        assert await RedisCounter(redis).add("client", 1, MINUTE) == MINUTE + 1
        await redis.close()


async def test_an_option_that_there_is_not_is_told_and_redis_is_done_without(
    server: RedisServer, capfd: pytest.CaptureFixture[str]
) -> None:
    redis = Redis(f"{server.url}?patience=5")
    assert await RedisCounter(redis).add("client", 1, MINUTE) is None
    await redis.close()
    assert "patience" in "".join(capfd.readouterr())


async def test_after_a_failover_the_redis_that_the_address_leads_to_is_asked(server: RedisServer, redis: Redis) -> None:
    counter = RedisCounter(redis)
    assert await counter.add("client", 1, MINUTE) == 1
    with redis_server() as new:
        server.say("REPLICAOF", "127.0.0.1", "1")
        new.take_the_place_of(server)
        assert await counter.add("client", 1, MINUTE) is None
        assert await counter.add("client", 1, MINUTE) == 1


async def test_a_name_that_the_resolver_hangs_on_is_looked_up_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(breaker, "PAUSE", 0)
    with hanging_resolver(monkeypatch) as asked:
        redis = Redis("redis://redis.example.org")
        counter = RedisCounter(redis)
        await asyncio.gather(*(counter.add("client", 1, MINUTE) for _ in range(LIMIT)))
        for _ in range(3):
            assert await counter.add("client", 1, MINUTE) is None
            assert redis._probe is not None
            await redis._probe
        assert asked == ["redis.example.org"]
    await redis.close()


async def test_a_connection_that_takes_long_to_close_keeps_nobody_waiting(
    server: RedisServer, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never_end(*, inuse_connections: bool) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(breaker, "PAUSE", 0)
    counter = RedisCounter(redis)
    async with asyncio.timeout(30):
        with monkeypatch.context() as closing:
            closing.setattr(redis.client.connection_pool, "disconnect", never_end)
            server.say("REPLICAOF", "127.0.0.1", "1")
            assert await counter.add("client", 1, MINUTE) is None
            server.kill()
            for _ in range(LIMIT):
                assert await counter.add("client", 1, MINUTE) is None
            server.start()
            await heals(redis)
            await redis.close()


async def test_few_contents_are_fetched_at_once(server: RedisServer, redis: Redis) -> None:
    contents = RedisContents(redis)
    with server.hanging():
        before = own()
        assert await asyncio.gather(*(contents.get(b"digest") for _ in range(50))) == [None] * 50
        assert increase(before, "blacklake_redis_operations_total", operation="get", outcome="failed") == 4


def test_nothing_of_redis_is_loaded_without_it() -> None:
    program = """
import sys
from registry.compose.server import create_server
from registry.config import Settings
place = {"database_url": "postgresql://x@127.0.0.1:1/x", "storage": "memory:"}
create_server(Settings(rate_limit=10, **place))
print("redis" in sys.modules or "registry.db.redis" in sys.modules)
create_server(Settings(redis_url="redis://127.0.0.1:1", **place))
print("redis" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert done.stdout.split() == ["False", "True"]
