"""Objects of an Azure container or a Google Cloud Storage bucket, and how either speaks of what is missing."""

from __future__ import annotations

import contextlib
import re
from collections.abc import AsyncGenerator, Iterator
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Final

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError
from obstore.store import AzureStore, GCSStore

from registry.storage.base import CHUNK_SIZE, ObjectExists, ObjectMissing, StorageError
from registry.storage.threads import Threads
from registry.storage_url import AzureLocation, GoogleLocation

if TYPE_CHECKING:
    from obstore.store import AzureConfig, ClientConfig, GCSConfig, RetryConfig

_REQUESTS: Final = 16  # requests of one process at a time that send and fetch little, and
_SEGMENTS: Final = 16  # those that send much: none of the others waits for these
_LITTLE: Final = 1 << 20  # bytes
_RETRIES: Final = 3
_RETRY_SECONDS: Final = 20  # after which what failed isn't tried again
_CONNECT_SECONDS: Final = 5
_IDLE_SECONDS: Final = 20  # for an answer to begin, also to what sends a segment, or to go on
_WHOLE_SECONDS: Final = 24 * 3600  # a client may read slowly
_GATHERED: Final = CHUNK_SIZE // 2  # bytes that are read from a connection at least, before they are handed on
_LISTED: Final = 1000  # names at a time
_CODES: Final = (re.compile(r"<Code>(\w+)</Code>"), re.compile(r"(?:status code|code): (\d{3})"))
_UNCERTIFIED: Final = "No CA certificates were loaded"  # said nowhere else
_GENERIC: Final = re.compile(r"^Generic \w+ error: ")
# Azure's and Google's own words for an object that isn't there or ends before the bytes that are asked for; another 404 is of
# the container, or of something in between.
_MISSING: Final = re.compile(r"<Code>(BlobNotFound|NoSuchKey|InvalidRange)</Code>|The specified blob does not exist")


class Container:
    """Objects under names that begin with `prefix`."""

    def __init__(self, location: AzureLocation | GoogleLocation) -> None:
        self._location = location
        self._threads = Threads(_REQUESTS, "cloud", self._translated_errors)
        self._senders = Threads(_SEGMENTS, "cloud-segment", self._translated_errors)

    async def put(self, name: str, content: bytes | bytearray) -> None:
        """Make an object, or replace it: this may be repeated."""
        threads = self._threads if len(content) <= _LITTLE else self._senders
        await threads.run(lambda: obstore.put(self._store, self._path(name), content, use_multipart=False))

    async def create(self, name: str, content: bytes | bytearray) -> None:
        """Make an object. Raise ObjectExists where there is one, perhaps by an attempt that nobody was told of."""

        def create() -> None:
            try:
                obstore.put(self._store, self._path(name), content, mode="create")
            except AlreadyExistsError as error:
                raise ObjectExists("another writer has made the object") from error

        await (self._threads if len(content) <= _LITTLE else self._senders).run(create)

    async def read(self, name: str, start: int, stop: int) -> tuple[bytes, int]:
        """Return the bytes `start` to `stop` of an object, or to its end before, and the bytes of the whole."""

        def read() -> tuple[bytes, int]:
            found = obstore.get(self._store, self._path(name), options={"range": (start, stop)})
            return bytes(found.bytes()), found.meta["size"]

        return await self._threads.run(read)

    async def stream(self, name: str, start: int, stop: int) -> AsyncGenerator[bytes, None]:
        """Yield the bytes `start` to `stop` of an object in pieces of at most CHUNK_SIZE. Raise ObjectMissing for fewer.

        The library replaces a connection that breaks soon, this method one that breaks while a client reads slowly.
        """
        position = start
        while position < stop:
            begun = position
            try:
                pieces = await self._threads.run(self._open_stream, name, begun, stop)
                while position < stop:
                    piece = await self._threads.run(next, pieces, b"")
                    if not piece:
                        raise ObjectMissing(f"an object ends at byte {position}, before its recorded size")
                    position += len(piece)
                    for cut in range(0, len(piece), CHUNK_SIZE):
                        yield piece[cut : cut + CHUNK_SIZE]
            except ObjectMissing:
                raise
            except StorageError:
                if position == begun:  # this connection has given nothing
                    raise

    async def list(self, directory: str) -> AsyncGenerator[dict[str, int], None]:
        """Yield the names of the objects in a directory, some at a time, with the bytes of each."""
        path = self._path(directory)
        pages = await self._threads.run(lambda: iter(obstore.list(self._store, path, chunk_size=_LISTED)))
        while page := await self._threads.run(next, pages, ()):
            yield {found["path"].removeprefix(f"{path}/"): found["size"] for found in page}

    async def delete(self, name: str) -> None:
        """Delete an object. One that isn't there is no error."""
        with contextlib.suppress(ObjectMissing):
            await self._threads.run(lambda: obstore.delete(self._store, self._path(name)))

    def close(self) -> None:
        """Release the connections."""
        self._threads.close()
        self._senders.close()
        self.__dict__.pop("_store", None)

    def _open_stream(self, name: str, start: int, stop: int) -> Iterator[bytes]:
        found = obstore.get(self._store, self._path(name), options={"range": (start, stop)})
        return iter(found.stream(_GATHERED))

    def _path(self, name: str) -> str:
        return self._location.prefix + name

    @cached_property
    def _store(self) -> AzureStore | GCSStore:
        # What is wrong with the credentials shows when they are used first, and is said as a StorageError.
        location = self._location
        options: ClientConfig = {
            "connect_timeout": timedelta(seconds=_CONNECT_SECONDS),
            "read_timeout": timedelta(seconds=_IDLE_SECONDS),
            "timeout": timedelta(seconds=_WHOLE_SECONDS),
            "allow_http": location.endpoint is not None and location.endpoint.startswith("http://"),
        }
        retry: RetryConfig = {"max_retries": _RETRIES, "retry_timeout": timedelta(seconds=_RETRY_SECONDS)}
        if isinstance(location, GoogleLocation):
            google: GCSConfig = {"base_url": location.endpoint} if location.endpoint else {}
            return GCSStore(location.bucket, config=google, client_options=options, retry_config=retry)
        azure: AzureConfig = {}
        if location.account:
            azure["account_name"] = location.account
        if location.endpoint:
            azure["endpoint"] = location.endpoint
        return AzureStore(location.container, config=azure, client_options=options, retry_config=retry)

    @contextlib.contextmanager
    def _translated_errors(self) -> Iterator[None]:
        service = "Google Cloud Storage" if isinstance(self._location, GoogleLocation) else "Azure Blob Storage"
        try:
            yield
        except (BaseError, FileNotFoundError, NotImplementedError, OSError, ValueError) as error:
            text, _, source = str(error).partition("\n\nDebug source:")
            if _UNCERTIFIED in source:
                text = "the system has no CA certificates (the package ca-certificates)"
            if _MISSING.search(text):
                raise ObjectMissing("an object is missing in the storage") from error
            raise StorageError(f"{service} {_reason_of(text)}") from error


def _reason_of(text: str) -> str:
    """Return what is wrong: the service's own word or the status of its answer, silence, or what the settings lack."""
    for pattern in _CODES:
        if found := pattern.search(text):
            return f"failed: {found[1]}"
    if "Error performing" in text or "HTTP error" in text:
        return "doesn't answer"
    return f"can't be used: {_GENERIC.sub('', text)}"
