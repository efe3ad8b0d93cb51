"""A push to S3 writes each byte once and copies none: by the S3 server's own access log, and by what it was sent."""

from __future__ import annotations

import hashlib
import random
import re
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Final, NamedTuple, Self
from urllib.parse import parse_qs, urljoin, urlsplit

import pytest
import requests

from tests import s3_servers
from tests.cluster import Cluster
from tests.lifecycle.serving import Registry
from tests.storage.meter import Meter, metered

MIB: Final = 1 << 20
UNKNOWN_PART: Final = 64 * MIB  # bytes of a part where nothing says how large the blob is
SIZE: Final = 96 * MIB + 17  # bytes; 1 GiB in the soak
HEAD: Final = 4096  # bytes at most that a request or an answer has beside its body
MEMORY: Final = 400_000_000  # bytes of PSS that the node's processes may use together

_LINE: Final = re.compile(
    r"\S+ \S+ \[[^]]+\] \S+ \S+ \S+ s3_(?P<operation>\S+) (?P<key>\S+) (?P<url>\S+) (?P<status>\d+) \S+ \d+ (?P<size>\d+) "
)


class Request(NamedTuple):
    """A line of the access log. `size` is that of the object put, in bytes; of a part the server doesn't tell."""

    operation: str
    key: str
    query: dict[str, list[str]]
    status: int
    size: int


class Traffic(NamedTuple):
    """What a push has caused: requests, bytes to the S3 server and back, and the greatest PSS of the node in bytes."""

    requests: list[Request]
    sent: int
    returned: int
    memory: float

    def count(self, operation: str) -> int:
        return sum(request.operation == operation for request in self.requests)


@dataclass(frozen=True)
class Node:
    """A node, its way to versitygw, and versitygw's access log."""

    registry: Registry
    meter: Meter
    log: Path

    def traffic(self, push: Callable[[str], None]) -> Traffic:
        """Return what a push to the node causes."""
        logged, sent, returned = self.log.stat().st_size, self.meter.sent, self.meter.returned
        with _Watch(self.registry) as watch:
            push(f"{self.registry.url}/v2/team/bert/blobs/uploads/")
        lines = self.log.read_bytes()[logged:].decode().splitlines()
        found = [_request(line) for line in lines]
        return Traffic(found, self.meter.sent - sent, self.meter.returned - returned, watch.greatest)


class _Watch(threading.Thread):
    """Looks at a node's memory again and again."""

    def __init__(self, registry: Registry) -> None:
        super().__init__()
        self._registry = registry
        self._end = threading.Event()
        self.greatest = 0.0

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self.join()

    def run(self) -> None:
        while True:
            sizes = [process.memory_full_info().pss for process in self._registry.family()]
            self.greatest = max(self.greatest, sum(sizes))
            if self._end.wait(0.2):
                return


def _request(line: str) -> Request:
    found = _LINE.match(line)
    assert found is not None, line
    query = parse_qs(urlsplit(found["url"]).query)
    return Request(found["operation"], found["key"], query, int(found["status"]), int(found["size"]))


@pytest.fixture(scope="module")
def node(cluster: Cluster, template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    if "versitygw" not in s3_servers.available():
        pytest.skip("versitygw, whose access log is read, is not built: `python -m conformance tools storage`")
    home = tmp_path_factory.mktemp("write-once")
    (home / "s3").mkdir()
    with pytest.MonkeyPatch.context() as environment:
        for name, value in {**s3_servers.CREDENTIALS, "VGW_ACCESS_LOG": str(home / "access.log")}.items():
            environment.setenv(name, value)
        with (
            s3_servers.running("versitygw", home / "s3") as server,
            metered(urlsplit(server.endpoint).port or 0) as meter,
        ):
            storage = (
                f"s3://{server.make_bucket().bucket}/p?endpoint=http://127.0.0.1:{meter.port}"
                f"&region={s3_servers.REGION}&path_style=true"
            )
            database = cluster.create("write_once", template=template)
            with Registry(home / "node", database_url=database, storage=storage) as registry:
                registry.start()
                yield Node(registry, meter, home / "access.log")
                assert registry.stop() == 0
    cluster.drop("write_once")


@pytest.fixture(scope="module")
def size(pytestconfig: pytest.Config) -> int:
    return 1 << 30 if pytestconfig.getoption("--soak", False) else SIZE


@pytest.fixture
def blob(tmp_path: Path, size: int) -> Path:
    """Return a file of that many bytes, in which no MiB is like another, nor like that of another test."""
    noise, path = random.randbytes(MIB - 8), tmp_path / "blob"
    with path.open("wb") as file:
        for number in range(size // MIB):
            file.write(number.to_bytes(8) + noise)
        file.write(noise[: size % MIB])
    return path


def digest(blob: Path) -> str:
    with blob.open("rb") as file:
        return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"


def expect(answer: requests.Response, status: int) -> requests.Response:
    assert answer.status_code == status, answer.text
    return answer


def in_chunks(blob: Path, start: int, stop: int) -> Iterator[bytes]:
    """Yield a body whose length is not said."""
    with blob.open("rb") as file:
        file.seek(start)
        while piece := file.read(min(MIB, stop - file.tell())):
            yield piece


def push_by_post(blob: Path, url: str) -> None:
    with blob.open("rb") as file:
        expect(requests.post(url, file, params={"digest": digest(blob)}), 201)


def push_by_put(blob: Path, url: str) -> None:
    location = expect(requests.post(url), 202).headers["Location"]
    with blob.open("rb") as file:
        expect(requests.put(absolute(url, location), file, params={"digest": digest(blob)}), 201)


def push_by_streamed_put(blob: Path, url: str) -> None:
    location = expect(requests.post(url), 202).headers["Location"]
    body = in_chunks(blob, 0, blob.stat().st_size)
    expect(requests.put(absolute(url, location), body, params={"digest": digest(blob)}), 201)


def push_by_patches(ends: list[int], blob: Path, url: str) -> None:
    """Push by a streamed PATCH up to each of these ends, and a PUT without a body."""
    location = expect(requests.post(url), 202).headers["Location"]
    for start, stop in pairwise([0, *ends]):
        sent = requests.patch(absolute(url, location), in_chunks(blob, start, stop))
        location = expect(sent, 202).headers["Location"]
    expect(requests.put(absolute(url, location), params={"digest": digest(blob)}), 201)


def absolute(url: str, location: str) -> str:
    return urljoin(url, location)


def assert_served(node: Node, blob: Path) -> None:
    found = hashlib.sha256()
    with requests.get(f"{node.registry.url}/v2/team/bert/blobs/{digest(blob)}", stream=True) as answer:
        for piece in expect(answer, 200).iter_content(MIB):
            found.update(piece)
    assert f"sha256:{found.hexdigest()}" == digest(blob)


def assert_written_once(traffic: Traffic, size: int, part: int, tails: list[int]) -> None:
    """Each part was sent once; beside them only `tails`, the ends of requests, were put, and read back once."""
    assert {request.status for request in traffic.requests} == {200}
    assert not [request for request in traffic.requests if "Copy" in request.operation]
    uploads = {request.query["uploadId"][0] for request in traffic.requests if "uploadId" in request.query}
    assert len(uploads) == traffic.count("CreateMultipartUpload") == traffic.count("CompleteMultipartUpload") == 1
    sent = Counter(
        int(request.query["partNumber"][0]) for request in traffic.requests if request.operation == "UploadPart"
    )
    assert sent == Counter(range(1, -(-size // part) + 1))
    assert sorted(request.size for request in traffic.requests if request.operation == "PutObject") == sorted(tails)
    assert traffic.count("GetObject") == traffic.count("DeleteObject") == len(tails)
    heads = HEAD * len(traffic.requests)
    assert size + sum(tails) <= traffic.sent <= size + sum(tails) + heads
    assert sum(tails) <= traffic.returned <= sum(tails) + heads
    assert 0 < traffic.memory < MEMORY


@pytest.mark.parametrize(
    ("push", "is_known"),
    [(push_by_post, True), (push_by_put, True), (push_by_streamed_put, False)],
    ids=["POST", "PUT", "streamed PUT"],
)
def test_a_push_in_one_request_writes_each_byte_once(
    node: Node, blob: Path, size: int, push: Callable[[Path, str], None], is_known: bool
) -> None:
    traffic = node.traffic(partial(push, blob))
    known_part = max(8 * MIB, min(size // 32, UNKNOWN_PART))
    assert_written_once(traffic, size, known_part if is_known else UNKNOWN_PART, tails=[])
    assert_served(node, blob)


@pytest.mark.parametrize("chunks", [1, 5])
def test_a_push_in_patches_writes_less_than_a_part_twice_for_each(
    node: Node, blob: Path, size: int, chunks: int
) -> None:
    """What is no whole part at the end of a PATCH is durable before the answer, and sent again with what follows."""
    odd = [1, size // 5 + 3, size // 2 - 1, size // 2 + 7 * MIB]
    ends = [*odd[: chunks - 1], size]
    traffic = node.traffic(partial(push_by_patches, ends, blob))
    assert_written_once(traffic, size, UNKNOWN_PART, tails=[end % UNKNOWN_PART for end in ends if end % UNKNOWN_PART])
    assert_served(node, blob)


def test_eight_uploads_at_once_stay_within_bounded_memory(node: Node, blob: Path, size: int) -> None:
    def push(url: str) -> None:
        with ThreadPoolExecutor(8) as clients:
            list(clients.map(lambda _: push_by_post(blob, url), range(8)))

    traffic = node.traffic(push)
    assert traffic.sent >= 8 * size
    assert 0 < traffic.memory < MEMORY
