"""Digests of tensors: filled in by a full read where a repository asks for it, and what comparisons make of them."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import json
import struct
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

import asyncpg
import pytest

from mediatypes.digest import Digest
from mediatypes.files import tensor_index
from mediatypes.files.reading import Tensor
from mediatypes.ranges import ByteRange
from registry.core import comparisons as comparisons_module
from registry.core import digests as digests_module
from registry.core import layer_readings
from registry.core import tensors as tensors_module
from registry.core.access import EVERYONE
from registry.core.comparison import Comparison
from registry.core.comparisons import Comparisons, Referenced
from registry.core.digests import DigestRequests, Digests
from registry.core.extraction import Extraction
from registry.core.jobs import DIGEST, Jobs
from registry.core.outbox import Outbox
from registry.core.pace import Pace
from registry.core.publication import Publication
from registry.core.scanning import Scanning
from registry.core.services import Services
from registry.core.subjects import parse_target
from registry.core.switches import Switch, Switches
from registry.core.tensors import Wanted
from registry.db.jobs import BegunJob
from registry.db.pool import Database
from registry.db.queue import enqueue
from registry.errors import RequestInvalid
from registry.jobs.describing import describing
from registry.jobs.digesting import digesting
from registry.sandbox import Sandbox
from registry.storage.base import BlobStore, ObjectMissing, StorageKey
from tests.actors import OPERATOR
from tests.core.support import NAME, WrappedStore, own_referrers
from tests.core.test_extraction import push, tar
from tests.core.test_pace import Clock
from tests.jobs.support import eventually, someone_waits

Sql = asyncpg.Connection
TAR = "application/vnd.oci.image.layer.v1.tar"

pytestmark = pytest.mark.parametrize("store", ["filesystem"], indirect=True)


def model(**tensors: bytes) -> bytes:
    """Return a safetensors file of tensors of bytes, by name."""
    header, offset = {}, 0
    for name, content in tensors.items():
        header[name] = {"dtype": "U8", "shape": [len(content)], "data_offsets": [offset, offset + len(content)]}
        offset += len(content)
    head = json.dumps(header).encode()
    return struct.pack("<Q", len(head)) + head + b"".join(tensors.values())


TENSORS = {"embed": b"e" * 5000, "norm": b"n" * 70, "head": b"h" * 5000}
TUNED = TENSORS | {"head": b"H" * 5000}
BASE = model(**TENSORS)


class Metered(WrappedStore):
    """Counts what is read of each key, and may lose blobs."""

    def __init__(self, inner: BlobStore) -> None:
        super().__init__(inner, self._on_call)
        self.reads: list[ByteRange] = []
        self.is_losing = False

    async def read(self, key: StorageKey, span: ByteRange) -> AsyncGenerator[bytes, None]:
        self.reads.append(span)
        if self.is_losing:
            raise ObjectMissing("nothing is there")
        async for piece in super().read(key, span):
            yield piece

    async def _on_call(self, moment: str, call: str) -> None:
        pass


class Work:
    """Does jobs as workers do, one after another, and leaves the queue alone."""

    def __init__(self, db: Database, store: BlobStore, sandbox: Sandbox, services: Services, sql: Sql) -> None:
        self.db = db
        self.sql = sql
        self.store = Metered(store)
        self.clock = Clock()
        self.jobs = Jobs(db)
        extraction = Extraction(db, store, sandbox, services.conformance, services.blobs)
        publication = Publication(db, own_referrers(db, services), enqueue)
        digests = Digests(db, self.store, enqueue, Pace(1000, clock=self.clock, sleep=self.clock.sleep))
        scanning = Scanning(db, store, sandbox, (), enqueue)
        self.verbs = {
            "describe": describing(extraction, publication, digests, scanning, self.jobs),
            DIGEST: digesting(digests, self.jobs),
        }

    async def switch(self, target: str, *, is_on: bool = True) -> None:
        await Switches(self.db).decide(Switch.DIGESTS, target, is_on=is_on, actor=OPERATOR)

    async def describe(self) -> None:
        """Describe what was pushed."""
        await Outbox(self.db, enqueue).relay()
        await self._do("describe")

    async def digest(self) -> int:
        """Do what is to be digested, and return how many jobs that were."""
        return await self._do(DIGEST)

    async def _do(self, kind: str) -> int:
        rows = await self.sql.fetch("SELECT id FROM jobs WHERE kind = $1 AND state = 'queued' ORDER BY id", kind)
        for row in rows:
            begun = await self.jobs.begin(row["id"])
            assert begun is not None
            await self.verbs[kind](begun)
        return len(rows)

    async def attempt(self) -> BegunJob:
        """Begin the one job that is to digest, and let what it raises through."""
        job_id = await self.sql.fetchval("SELECT id FROM jobs WHERE kind = $1", DIGEST)
        begun = await self.jobs.begin(job_id)
        assert begun is not None
        await self.verbs[DIGEST](begun)
        return begun

    async def digests(self) -> list[dict[str, str | None]]:
        """Return for each tensor index the digests of its tensors, by name."""
        rows = await self.sql.fetch("SELECT content, digests FROM tensor_indexes ORDER BY digest, manner, path")
        return [
            {
                tensor.name: found.hex() if found is not None else None
                for tensor, found in tensor_index.digested(row["content"], row["digests"])
            }
            for row in rows
        ]


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    made = Sandbox("registry.reading:answer")
    yield made
    await made.close()


@pytest.fixture
def work(database: Database, store: BlobStore, sandbox: Sandbox, services: Services, sql: Sql) -> Work:
    return Work(database, store, sandbox, services, sql)


def expected(tensors: dict[str, bytes]) -> dict[str, str | None]:
    return {name: hashlib.sha256(content).hexdigest() for name, content in tensors.items()}


async def compared(work: Work, before: Digest, after: Digest) -> Comparison:
    *_, found = await Comparisons(work.db).compare(
        Referenced(NAME, before), Referenced(NAME, after), most=10, caller=EVERYONE
    )
    return found


async def test_a_tensor_that_holds_other_bytes_is_changed(work: Work, services: Services) -> None:
    await work.switch("team/*")
    one = await push(services, {"model.safetensors": BASE}, tag="base")
    two = await push(services, {"model.safetensors": model(**TUNED)}, tag="tuned")
    await work.describe()
    assert await work.digest() == 2
    assert sorted(map(str, await work.digests())) == sorted(map(str, [expected(TENSORS), expected(TUNED)]))
    found = await compared(work, one, two)
    ((before, after),) = found.tensors.changed
    assert (before.tensor.name, after.tensor.name) == ("head", "head")
    assert after.sha256 == hashlib.sha256(TUNED["head"]).digest()
    assert (found.tensors.unchanged_total, found.tensor_bytes.compared, found.tensor_bytes.not_compared) == (2, 3, 0)


async def test_nothing_is_read_where_nobody_asks_for_it_and_the_comparison_says_which_side_lacks_digests(
    work: Work, services: Services
) -> None:
    one = await push(services, {"model.safetensors": BASE}, tag="base")
    await work.describe()
    await work.switch("team/other")
    assert await work.digest() == 0
    await work.switch(NAME)
    two = await push(services, {"model.safetensors": model(**TUNED)}, tag="tuned")
    await work.describe()
    assert await work.digest() == 1
    found = await compared(work, one, two)
    assert (found.tensors.changed_total, found.tensors.unchanged_total) == (0, 3)
    bytes_compared = found.tensor_bytes
    assert (bytes_compared.not_compared, bytes_compared.without_before, bytes_compared.without_after) == (3, 3, 0)
    assert bytes_compared.impossible == 0


async def test_digests_that_others_have_asked_for_are_not_told(work: Work, services: Services) -> None:
    """They would say that the same blob is somewhere else, too."""
    await work.switch(NAME)
    one = await push(services, {"model.safetensors": BASE}, tag="base")
    two = await push(services, {"model.safetensors": model(**TUNED)}, tag="tuned")
    await work.describe()
    assert await work.digest() == 2
    assert (await compared(work, one, two)).tensor_bytes.compared == 3
    await work.switch(NAME, is_on=False)  # as it is in a repository that has never asked
    assert (await compared(work, one, two)).tensor_bytes.not_compared == 3
    listed = await services.tensors.page(NAME, one, Wanted(), after="", limit=10, caller=EVERYONE)
    assert [found.sha256 for _, found in listed.items] == [None] * 3


@pytest.mark.parametrize("most", [1, 3, 5])
async def test_a_page_of_tensors_ends_where_many_were_looked_through_and_the_next_goes_on_there(
    work: Work, services: Services, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    monkeypatch.setattr(tensors_module, "_LOOKED_THROUGH", most)
    monkeypatch.setattr(tensors_module, "_FILES_AT_ONCE", 2)
    files = {f"{name}.safetensors": BASE for name in "abcd"} | {"e.safetensors": model(last=b"l")}
    one = await push(services, files, tag="one")
    await work.describe()
    found, after, pages = [], "", 0
    while pages == 0 or after:
        page = await services.tensors.page(NAME, one, Wanted(prefix="last"), after=after, limit=10, caller=EVERYONE)
        found += [(path, one.tensor.name) for path, one in page.items]
        after, pages = page.next_after or "", pages + 1
    assert found == [("e.safetensors", "last")]
    assert pages == {1: 5, 3: 3, 5: 3}[most]


@pytest.mark.parametrize(
    ("bound", "most", "what"),
    [
        ("_MOST_INDEXES", 1, "more than 1 files with tensors"),
        ("_MOST_TENSORS", 3, "more than 3 tensors"),
        ("_MOST_BYTES", 70, "indexes of tensors of more than 70 bytes"),
        ("_MOST_UNPACKED", 66, "names of tensors of more than 66 bytes"),
    ],
)
async def test_what_has_too_much_of_tensors_is_not_compared(
    work: Work, services: Services, monkeypatch: pytest.MonkeyPatch, bound: str, most: int, what: str
) -> None:
    monkeypatch.setattr(comparisons_module, bound, most)
    one = await push(services, {"model.safetensors": BASE, "README.md": b"# one"}, tag="one")
    two = await push(services, {"model.safetensors": BASE, "more.safetensors": model(more=b"m")}, tag="two")
    await work.describe()
    assert (await compared(work, one, one)).tensors.unchanged_total == 3
    for before, after in ((one, two), (two, one)):
        with pytest.raises(RequestInvalid, match=f"{two} has {what}"):
            await compared(work, before, after)


async def test_the_same_file_has_the_same_tensors_without_any_digest(work: Work, services: Services) -> None:
    one = await push(services, {"model.safetensors": BASE}, tag="one")
    two = await push(services, {"model.safetensors": BASE, "README.md": b"# more"}, tag="two")
    await work.describe()
    found = (await compared(work, one, two)).tensor_bytes
    assert (found.compared, found.not_compared) == (3, 0)


async def test_switching_on_asks_for_what_is_there_and_lacks_digests(work: Work, services: Services, sql: Sql) -> None:
    await push(services, {"README.md": b"# nothing here"}, tag="card")
    await push(services, {"model.safetensors": BASE}, tag="base")
    await work.describe()
    requests = DigestRequests(work.db)
    assert await requests.ask(parse_target(NAME)) == 0
    await work.switch("team/*")
    assert await requests.ask(parse_target("team")) == 1
    await Outbox(work.db, enqueue).relay()
    assert await work.digest() == 1
    assert await work.digests() == [expected(TENSORS)]
    assert await requests.ask(parse_target("team/*")) == 0
    await work.switch(NAME, is_on=False)
    await sql.execute("UPDATE tensor_indexes SET digests = NULL")
    assert await requests.ask(parse_target("team/*")) == 0


async def test_more_artifacts_than_are_looked_at_in_one_go_are_asked_for(
    work: Work, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(digests_module, "_BATCH", 2)
    for number in range(4):
        await push(services, {"model.safetensors": model(a=bytes([number]))}, tag=f"v{number}")
    await work.describe()
    await work.switch(NAME)
    assert await DigestRequests(work.db).ask(parse_target(NAME)) == 4


async def test_what_was_switched_off_meanwhile_is_not_read(work: Work, services: Services) -> None:
    await work.switch(NAME)
    await push(services, {"model.safetensors": BASE})
    await work.describe()
    await work.switch(NAME, is_on=False)
    assert await work.digest() == 1
    assert (work.store.reads, await work.digests()) == ([], [dict.fromkeys(TENSORS)])


async def test_artifacts_that_share_a_blob_cost_one_read_under_whichever_names(work: Work, services: Services) -> None:
    await work.switch(NAME)
    await push(services, {"model.safetensors": BASE}, tag="one")
    await push(services, {"model.safetensors": BASE, "README.md": b"# two"}, tag="two")
    await push(services, {"weights.safetensors": BASE}, tag="three")
    await work.describe()
    assert await work.digest() == 3
    assert [len(span) for span in work.store.reads] == [sum(map(len, TENSORS.values()))]
    await push(services, {"later.safetensors": BASE}, tag="four")
    await work.describe()
    assert await work.digest() == 1
    assert len(work.store.reads) == 1
    assert await work.digests() == [expected(TENSORS)] * 3


async def test_files_of_a_plain_archive_are_digested_where_they_lie_and_those_of_a_compressed_one_are_not(
    work: Work, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    await work.switch(NAME)
    packed = tar(a__safetensors=BASE, between=b"-" * 3000, b__safetensors=model(**TUNED))
    plain = await push(services, {"model.tar": packed}, media_type=TAR, tag="plain")
    await work.describe()
    monkeypatch.setattr(digests_module, "_MOST_TENSORS", 1)  # so that each file is a step of its own
    assert await work.digest() == 1
    assert await work.digests() == [expected(TENSORS), expected(TUNED)]
    assert len(work.store.reads) == 2
    squeezed = await push(services, {"model.tar": gzip.compress(packed)}, media_type=TAR + "+gzip", tag="gzip")
    await work.describe()
    assert await work.digest() == 0
    found = (await compared(work, plain, squeezed)).tensor_bytes
    assert (found.not_compared, found.without_before, found.without_after, found.impossible) == (6, 0, 6, 6)


async def test_a_blob_that_has_gone_meanwhile_is_let_be(work: Work, services: Services, sql: Sql) -> None:
    await work.switch(NAME)
    await push(services, {"model.safetensors": BASE})
    await work.describe()
    work.store.is_losing = True
    with pytest.raises(ObjectMissing):  # of a blob that should be there somebody must hear
        await work.attempt()
    blob = Digest.of(BASE).to_bytes()
    read = work.store.read

    async def losing(key: StorageKey, span: ByteRange) -> AsyncGenerator[bytes, None]:
        await sql.execute("DELETE FROM repository_blobs WHERE digest = $1", blob)
        await sql.execute("DELETE FROM blobs WHERE digest = $1", blob)
        async for piece in read(key, span):
            yield piece

    work.store.read = losing  # type: ignore[method-assign]
    assert (await work.attempt()).attempts == 2
    assert await sql.fetchval("SELECT state FROM jobs WHERE kind = $1", DIGEST) == "done"
    assert await work.digests() == []


async def test_a_description_locks_its_own_job_before_those_that_follow_it_as_relays_do(
    work: Work, services: Services, sql: Sql
) -> None:
    await work.switch("team/*")
    await push(services, {"model.safetensors": BASE})
    await Outbox(work.db, enqueue).relay()
    await sql.execute(
        "INSERT INTO jobs (kind, repository_id, digest, state) SELECT $1, repository_id, digest, 'running' FROM jobs",
        DIGEST,
    )
    async with sql.transaction():
        begun = await work.jobs.begin(await sql.fetchval("SELECT id FROM jobs WHERE kind = 'describe'"))
        assert begun is not None
        await sql.execute("SELECT FROM jobs WHERE kind = 'describe' FOR UPDATE")
        description = asyncio.create_task(work.verbs["describe"](begun))
        await eventually(lambda: someone_waits(sql))
        await sql.execute("SELECT FROM jobs WHERE kind = $1 FOR UPDATE NOWAIT", DIGEST)
    await description
    assert await sql.fetchval("SELECT is_asked_again FROM jobs WHERE kind = $1", DIGEST)


async def test_what_is_read_counts_against_the_rate(work: Work, services: Services) -> None:
    await work.switch(NAME)
    await push(services, {"model.safetensors": BASE})
    await work.describe()
    begin = work.clock.now
    await work.digest()
    assert work.clock.now - begin == pytest.approx(sum(map(len, TENSORS.values())) / 1000)


async def test_how_far_it_is_is_told_in_bytes_of_the_blob(work: Work, services: Services, sql: Sql) -> None:
    await work.switch(NAME)
    await push(services, {"model.safetensors": BASE})
    await work.describe()
    told: list[tuple[int, int]] = []

    async def tell(total: int, progress: int) -> None:
        told.append((total, progress))

    async def also(_conn: Any) -> None:
        pass

    row = await sql.fetchrow("SELECT repository_id, digest FROM jobs WHERE kind = $1", DIGEST)
    assert row is not None
    await Digests(work.db, work.store, enqueue, Pace(10**9)).fill(*row, tell=tell, also=also)
    assert told[0][0] == len(BASE)
    assert [progress for _, progress in told] == sorted(progress for _, progress in told)
    assert told[-1] == (len(BASE), len(BASE))


@pytest.mark.parametrize("most", [1, 2])
async def test_tensors_that_overlap_are_digested_unless_too_many_do(
    most: int, work: Work, services: Services, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As views of one storage do, which readers of other formats find."""
    await work.switch(NAME)
    await push(services, {"model.safetensors": BASE})
    await work.describe()
    begin = len(BASE) - 10070
    places = {"all": (begin, 10), "part": (begin + 3, 5), "gone": (None, 5), "beyond": (len(BASE) - 10, 50)}
    tensors = [Tensor(name, "uint8", (size,), offset, size) for name, (offset, size) in places.items()]
    await sql.execute("UPDATE tensor_indexes SET content = $1, tensors = 4", tensor_index.packed(tensors))
    monkeypatch.setattr(digests_module, "_MOST_OVERLAPPING", most)
    await work.digest()
    known = {"all": BASE[begin : begin + 10], "part": BASE[begin + 3 : begin + 8]} if most == 2 else {}
    assert await work.digests() == [dict.fromkeys(("all", "part", "gone", "beyond")) | expected(known)]
    assert len(work.store.reads) == most - 1
    assert await DigestRequests(work.db).ask(parse_target(NAME)) == 0  # not again and again


async def test_an_index_that_was_replaced_meanwhile_keeps_no_digests_of_the_one_before(
    work: Work, services: Services, sql: Sql
) -> None:
    await work.switch(NAME)
    await push(services, {"model.safetensors": BASE})
    await work.describe()
    other = tensor_index.packed([Tensor("head", "uint8", (70,), len(BASE) - 70, 70)])
    read = work.store.read

    async def meanwhile(key: StorageKey, span: ByteRange) -> AsyncGenerator[bytes, None]:
        await sql.execute("UPDATE tensor_indexes SET content = $1, tensors = 1", other)
        async for piece in read(key, span):
            yield piece

    work.store.read = meanwhile  # type: ignore[method-assign]
    await work.digest()
    assert await work.digests() == [{"head": hashlib.sha256(BASE[-70:]).hexdigest()}]


async def test_files_that_are_read_again_keep_the_digests_of_what_is_found_again(
    work: Work, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    await work.switch(NAME)
    await push(services, {"model.safetensors": BASE}, tag="one")
    await work.describe()
    await work.digest()
    monkeypatch.setattr(layer_readings, "READERS_VERSION", layer_readings.READERS_VERSION + 1)
    await push(services, {"model.safetensors": BASE, "README.md": b"# two"}, tag="two")
    await work.describe()
    assert await work.digest() == 0
    assert await work.digests() == [expected(TENSORS)]
