"""The scanner `clamav`: malware, by a clamd beside the registry, which is sent whole blobs (clamd(8), INSTREAM).

clamd looks into archives itself, within its own limits: with `AlertExceedsMax yes` it says where it went no further, and so do
we then. A blob that is longer than its StreamMaxLength is not scanned.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import struct
from collections.abc import AsyncIterator
from typing import Final

from registry.clamd_address import parse_clamd
from registry.scanners.base import Finding, Found, Scanned, ScannedBlob, ScannerDown, finding

_RULES: Final = 1
_CONNECT: Final = 10.0  # seconds
_STALLED: Final = 120.0  # seconds in which clamd takes nothing
_SCANNING: Final = 900.0  # seconds in which it says nothing of what it has taken
_CHUNK: Final = 1 << 20  # bytes
_LONGEST_ANSWER: Final = 4096
_FOUND: Final = re.compile(r"stream: (?P<name>.{1,300}?)(?:\([0-9a-f]{32}:\d+\))? FOUND")
_LIMITS: Final = "Heuristics.Limits.Exceeded"


class Clamd:
    """Asks the clamd at an address: `unix:///run/clamav/clamd.ctl` or `tcp://host:3310`."""

    name = "clamav"
    reads_record = False

    def __init__(self, address: str) -> None:
        """Ask there. Raise ValueError where that is no address."""
        self._path, self._host, self._port = parse_clamd(address)

    async def version(self) -> str:
        """Return the versions of clamd and of its database, with the day of that. Raise ScannerDown."""
        async with self._connection() as (reader, writer):
            writer.write(b"zVERSION\0")
            answer = await asyncio.wait_for(_answer(reader), _STALLED)
        if not answer.startswith("ClamAV "):
            raise ScannerDown(f"clamav answers what no clamd does: {answer[:100]!r}")
        return f"{answer[:200]}; {_RULES}"

    async def scan(self, scanned: Scanned) -> Found:
        """Return what clamd finds in an artifact's blobs. Raise ScannerDown, StorageError."""
        found = Found()
        for blob in scanned.blobs:
            try:
                answer = await self._sent(scanned, blob)
            except ScannerDown as error:
                if not found.findings:
                    raise
                found.problems.append(f"clamd went down before all was scanned: {error}")
                break
            malware = _FOUND.fullmatch(answer)
            if malware is not None and malware["name"].startswith(_LIMITS):
                found.problems.append(f"clamd has not looked at all of {_named(blob)}: it is beyond a limit of its own")
            elif malware is not None:
                found.findings.append(_malware(malware["name"], blob))
            elif "size limit exceeded" in answer:
                found.problems.append(
                    f"{_named(blob)} has {blob.size} bytes, more than clamd's StreamMaxLength, and is not scanned"
                )
            elif answer != "stream: OK":
                found.problems.append(f"clamd did not scan {_named(blob)}: {answer[:200]}")
        return found

    async def _sent(self, scanned: Scanned, blob: ScannedBlob) -> str:
        """Send a blob's bytes, and return what clamd says of them."""
        async with self._connection() as (reader, writer):
            answering = asyncio.create_task(
                _answer(reader)
            )  # clamd may have enough before all is sent, and closes then
            try:
                writer.write(b"zINSTREAM\0")
                async with contextlib.aclosing(scanned.stream(blob)) as pieces:
                    async for piece in pieces:
                        if answering.done():
                            break
                        await _send(writer, piece)
                if not answering.done():
                    writer.write(struct.pack(">I", 0))
                    await asyncio.wait_for(writer.drain(), _STALLED)
            except OSError:
                pass  # it has closed: what it has said before that counts
            except BaseException:
                answering.cancel()
                raise
            return await asyncio.wait_for(answering, _SCANNING)

    @contextlib.asynccontextmanager
    async def _connection(self) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        try:
            async with asyncio.timeout(_CONNECT):
                if self._path is not None:
                    reader, writer = await asyncio.open_unix_connection(self._path)
                else:
                    reader, writer = await asyncio.open_connection(self._host, self._port)
        except TimeoutError:
            raise ScannerDown(f"clamav does not take a connection within {_CONNECT:.0f} s") from None
        except OSError as error:
            raise ScannerDown(f"clamav can't be reached: {error.strerror or error}") from None
        try:
            yield reader, writer
        except TimeoutError:
            raise ScannerDown("clamav takes nothing, or does not answer, for too long") from None
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ConnectionError):
            raise ScannerDown("clamav has closed the connection before it answered") from None
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()


async def _send(writer: asyncio.StreamWriter, piece: bytes) -> None:
    for start in range(0, len(piece), _CHUNK):
        part = piece[start : start + _CHUNK]
        writer.write(struct.pack(">I", len(part)) + part)
        await asyncio.wait_for(writer.drain(), _STALLED)


async def _answer(reader: asyncio.StreamReader) -> str:
    """Return what clamd says."""
    said = await reader.readuntil(b"\0")
    return said[:_LONGEST_ANSWER].rstrip(b"\0\n").decode(errors="replace").strip()


def _malware(name: str, blob: ScannedBlob) -> Finding:
    # What is named PUA may be wanted: it is what some don't want to have.
    severity = "medium" if name.startswith("PUA.") else "high" if name.startswith("Heuristics.") else "critical"
    return finding(severity, name, _named(blob), f"ClamAV knows this as {name}")


def _named(blob: ScannedBlob) -> str:
    return blob.path or blob.digest
