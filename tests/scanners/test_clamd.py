"""Malware is found by a real clamd; one that is away, slow or strange is down, and what it did not look at is told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator, Sequence
from typing import Any

import pytest

from mediatypes.models.artifact import Packing
from registry.scanners.base import Examined, ScannedBlob, ScannerDown
from registry.scanners.clamd import Clamd
from tests.core.scanning import tgz, zipped
from tests.scanners.clamd_server import EICAR, LIMIT, MALWARE, UNWANTED, ClamdServer, clamd_server


class Given:
    """An artifact whose blobs are given, by their paths."""

    def __init__(self, blobs: dict[str, bytes]) -> None:
        self._content = blobs
        self.problems: Sequence[str] = ()
        self.record: dict[str, Any] | None = None

    @property
    def blobs(self) -> Sequence[ScannedBlob]:
        return [ScannedBlob("sha256:0", path, Packing.RAW, len(content)) for path, content in self._content.items()]

    async def stream(self, blob: ScannedBlob) -> AsyncGenerator[bytes, None]:
        content = self._content[blob.path]
        for start in range(0, len(content), 100_000):
            yield content[start : start + 100_000]

    async def examine(self, examiner: str) -> Examined:
        raise AssertionError(examiner)


@pytest.fixture(scope="module")
def server() -> Iterator[ClamdServer]:
    with clamd_server() as made:
        yield made


async def test_malware_is_found_in_blobs_and_in_archives(server: ClamdServer) -> None:
    blobs = {
        "eicar.com": EICAR,
        "x.tar.gz": tgz({"a/b.exe": b"...." + MALWARE}),
        "y.zip": zipped(c__bin=MALWARE),
        "unwanted.bin": UNWANTED,
        "clean.txt": b"hello",
        "large.bin": bytes(300_000),
    }
    found = await Clamd(server.address).scan(Given(blobs))
    assert found.problems == []
    assert [(one.severity, one.rule, one.path) for one in found.findings] == [
        ("critical", "Eicar-Test-Signature.UNOFFICIAL", "eicar.com"),
        ("critical", "Blacklake.Test.UNOFFICIAL", "x.tar.gz"),
        ("critical", "Blacklake.Test.UNOFFICIAL", "y.zip"),
        ("medium", "PUA.Blacklake.UNOFFICIAL", "unwanted.bin"),
    ]


async def test_the_version_is_that_of_clamd_and_its_database(server: ClamdServer) -> None:
    assert (await Clamd(server.address).version()).startswith("ClamAV ")


async def test_what_is_too_long_for_clamd_is_told(server: ClamdServer) -> None:
    blobs = {"long.bin": bytes(4 * LIMIT), "over.bin": b"x" * (LIMIT * 3 // 4), "eicar": EICAR}
    found = await Clamd(server.address).scan(Given(blobs))
    assert [one.path for one in found.findings] == ["eicar"]
    assert found.problems == [
        f"long.bin has {4 * LIMIT} bytes, more than clamd's StreamMaxLength, and is not scanned",
        "clamd has not looked at all of over.bin: it is beyond a limit of its own",
    ]


async def test_a_clamd_that_is_away_is_down_and_up_again() -> None:
    with clamd_server() as server:
        scanner = Clamd(server.address)
        server.kill()
        with pytest.raises(ScannerDown, match="can't be reached"):
            await scanner.version()
        with pytest.raises(ScannerDown, match="can't be reached"):
            await scanner.scan(Given({"a": EICAR}))
        server.start()
        assert len((await scanner.scan(Given({"a": EICAR}))).findings) == 1


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"", "closed the connection before it answered"),
        (b"HTTP/1.1 400 Bad Request\0", "answers what no clamd does"),
        (b"x" * 200_000, "closed the connection before it answered"),
    ],
)
async def test_what_is_no_clamd_is_down(answer: bytes, reason: str) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(10)
        writer.write(answer)
        writer.close()

    strange = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = strange.sockets[0].getsockname()[1]
    async with strange:
        with pytest.raises(ScannerDown, match=reason):
            await Clamd(f"tcp://127.0.0.1:{port}").version()


async def test_a_clamd_that_hangs_is_down(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("registry.scanners.clamd._STALLED", 0.2)

    ended = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()  # until who asks has had enough
        writer.close()
        await writer.wait_closed()
        ended.set()

    hanging = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = hanging.sockets[0].getsockname()[1]
    async with hanging:
        with pytest.raises(ScannerDown, match="does not answer"):
            await Clamd(f"tcp://127.0.0.1:{port}").version()
        await asyncio.wait_for(ended.wait(), 10)


@pytest.mark.parametrize(
    "address", ["", "clamd", "unix://", "unix://host/x", "tcp://host", "http://host:1", "tcp://h:x"]
)
def test_an_address_is_one_or_is_refused(address: str) -> None:
    with pytest.raises(ValueError, match=r"neither unix:///run/clamav/clamd.ctl nor|could not be cast"):
        Clamd(address)
