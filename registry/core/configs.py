"""The config blob of a manifest, for whoever makes something of it."""

from __future__ import annotations

import contextlib

from mediatypes.digest import Digest
from mediatypes.names import RepositoryName
from mediatypes.ranges import ByteRange
from registry.core.blobs import Blobs


class ConfigTooLarge(Exception):
    """A config that has more bytes than are read."""

    def __init__(self, size: int) -> None:
        super().__init__(f"the config has {size} bytes")
        self.size = size


async def read_config(blobs: Blobs, name: RepositoryName, digest: Digest, *, most: int) -> bytes:
    """Return a config of up to `most` bytes, as the repository holds it. Raise BlobUnknown, ConfigTooLarge, StorageError."""
    blob = await blobs.find(name, digest)
    if blob.size > most:
        raise ConfigTooLarge(blob.size)
    async with contextlib.aclosing(blobs.read(blob, ByteRange(0, blob.size))) as pieces:
        return b"".join([piece async for piece in pieces])
