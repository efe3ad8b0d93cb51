"""The tensors of a blob of 5 GB in S3 are found out by reading less than 2 MB of it, as the network sees it.

The blob is a file that versitygw serves as it lies there: a header as real as any, and behind it nothing but a hole.
"""

from __future__ import annotations

import json
import struct
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import urlsplit

import asyncpg
import gguf
import numpy as np
import pytest

from mediatypes.digest import Digest
from mediatypes.files import tensor_index
from mediatypes.files.reading import Tensor
from mediatypes.oci import IMAGE_MANIFEST
from registry.compose.background import Background
from registry.compose.verbs import create_services
from registry.config import Settings
from registry.db.pool import Database
from registry.storage.base import new_key, place_of
from registry.storage.s3 import S3Store
from tests import s3_servers
from tests.core.support import push_blob, push_manifest
from tests.jobs.support import eventually
from tests.s3_servers import S3Server
from tests.storage.meter import Meter, metered

SIZE: Final = 5_000_000_000  # bytes at least of each blob
MOST: Final = 2_000_000  # bytes that the S3 server may return while its artifact is described
MOST_OF_GGUF: Final = (
    3_000_000  # whose header of 1.2 MB has a vocabulary before the tensors, and is read in steps up to 1 MiB
)

Sql = asyncpg.Connection
Written = Callable[[Path], list[Tensor]]


class Matrix(NamedTuple):
    """A tensor of a made-up mixture of experts."""

    name: str
    shape: tuple[int, ...]

    @property
    def elements(self) -> int:
        count = 1
        for length in self.shape:
            count *= length
        return count


def matrices() -> list[Matrix]:
    """Return the tensors of a model with 40 layers of 40 experts each, of 2.5 billion parameters."""
    found = [Matrix("model.embed_tokens.weight", (32_000, 2048))]
    for layer in range(40):
        begin = f"model.layers.{layer}"
        found += [Matrix(f"{begin}.self_attn.{part}_proj.weight", (2048, 2048)) for part in "qkvo"]
        found += [
            Matrix(f"{begin}.block_sparse_moe.experts.{expert}.{part}.weight", shape)
            for expert in range(40)
            for part, shape in (("w1", (184, 2048)), ("w2", (2048, 184)), ("w3", (184, 2048)))
        ]
        found.append(Matrix(f"{begin}.input_layernorm.weight", (2048,)))
    return found


def write_safetensors(path: Path) -> list[Tensor]:
    """Write a file of bfloat16 tensors, and return them."""
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    tensors, place = [], 0
    for one in matrices():
        size = 2 * one.elements
        header[one.name] = {"dtype": "BF16", "shape": one.shape, "data_offsets": [place, place + size]}
        tensors.append(Tensor(one.name, "bfloat16", one.shape, place, size))
        place += size
    head = json.dumps(header).encode()
    begin = 8 + len(head)
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(head)) + head)
        file.truncate(begin + place)
    return [replace(tensor, offset=begin + (tensor.offset or 0)) for tensor in tensors]


def write_gguf(path: Path) -> list[Tensor]:
    """Write a file of float16 tensors and a vocabulary by the format's own library, and return what that reads of it."""
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_token_list([f"token{number}" for number in range(32_000)])
    writer.add_token_scores([0.0] * 32_000)
    place = 0
    for one in matrices():
        writer.add_tensor_info(one.name, one.shape, np.dtype("float16"), 2 * one.elements)
        place += -(-2 * one.elements // 32) * 32
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    writer.close()
    begin = -(-path.stat().st_size // 32) * 32
    with path.open("r+b") as file:
        file.truncate(begin + place)
    return [
        Tensor(one.name, "float16", tuple(map(int, reversed(one.shape))), int(one.data_offset), int(one.n_bytes))
        for one in gguf.GGUFReader(path).tensors
    ]


@dataclass(frozen=True)
class Bucket:
    """Where blobs lie as files, and the way to them on which bytes are counted."""

    store: S3Store
    directory: Path
    meter: Meter


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[S3Server, Path]]:
    if "versitygw" not in s3_servers.available():
        pytest.skip("versitygw, whose objects are files, is not built: `python -m conformance tools storage`")
    directory = tmp_path_factory.mktemp("sparse") / "s3"
    directory.mkdir()
    with pytest.MonkeyPatch.context() as environment:
        for name, value in s3_servers.CREDENTIALS.items():
            environment.setenv(name, value)
        with s3_servers.running("versitygw", directory) as running:
            yield running, directory


@pytest.fixture
async def bucket(server: tuple[S3Server, Path]) -> AsyncIterator[Bucket]:
    running, directory = server
    location = running.make_bucket()
    with metered(urlsplit(running.endpoint).port or 0) as meter:
        store = S3Store(replace(location, endpoint=f"http://127.0.0.1:{meter.port}"))
        yield Bucket(store, directory / location.bucket / location.prefix, meter)
        await store.close()


@pytest.mark.parametrize(
    ("name", "write", "most"),
    [("model.safetensors", write_safetensors, MOST), ("model.gguf", write_gguf, MOST_OF_GGUF)],
    ids=["safetensors", "gguf"],
)
async def test_the_tensor_index_of_5_gb_costs_hardly_more_than_its_header(
    name: str, write: Written, most: int, bucket: Bucket, database: Database, settings: Settings, sql: Sql
) -> None:
    services = create_services(settings, database, bucket.store)
    config = await push_blob(services, b"{}")
    key, digest = new_key(), Digest.of(name.encode())
    path = bucket.directory / place_of(key)
    path.parent.mkdir(parents=True)
    expected = write(path)
    size = path.stat().st_size
    assert size > SIZE
    await sql.execute("INSERT INTO blobs (digest, size, storage_key) VALUES ($1, $2, $3)", digest.to_bytes(), size, key)
    await sql.execute(
        "INSERT INTO repository_blobs (repository_id, digest) SELECT id, $1 FROM repositories", digest.to_bytes()
    )
    layer = {
        "mediaType": "application/octet-stream",
        "digest": str(digest),
        "size": size,
        "annotations": {"org.opencontainers.image.title": name},
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": IMAGE_MANIFEST,
        "artifactType": "application/vnd.example.model",
        "config": {"mediaType": "application/vnd.oci.empty.v1+json", "digest": str(config), "size": 2},
        "layers": [layer],
    }
    await push_manifest(services, json.dumps(manifest).encode())
    before = bucket.meter.returned
    background = Background(database, bucket.store, services, digest_rate=1 << 30, place=None, at_once=2)
    background.start()

    async def is_done() -> bool:
        return bool(await sql.fetchval("SELECT count(*) = 1 FROM jobs WHERE state = 'done'"))

    await eventually(is_done)
    await background.stop()
    returned = bucket.meter.returned - before
    assert min(one.offset or 0 for one in expected) <= returned < most, returned
    assert tuple(await sql.fetchrow("SELECT parameters, problem FROM artifacts")) == (
        sum(one.elements for one in matrices()),
        None,
    )
    found = tensor_index.unpacked(await sql.fetchval("SELECT content FROM tensor_indexes"))
    assert sorted(found, key=lambda one: one.name) == sorted(expected, key=lambda one: one.name)
    assert len(found) > 4000
