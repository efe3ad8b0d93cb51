"""What a scanner is: it is given an artifact's bytes, and says what it has found there (docs/scanning.md).

A package adds one by an entry point of the group `blacklake.scanners` that names a callable without parameters; what it returns
is a `Scanner`. What others have made is only parsed in the sandbox: a scanner names the function that does so (`examine`), or
hands the bytes to a program of its own (`stream`).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, Protocol

import msgspec

from mediatypes.files.reading import Limits, Source
from mediatypes.models.artifact import Packing
from mediatypes.record import storable

ENTRY_POINTS: Final = "blacklake.scanners"
"""The group of entry points under which a package registers its scanners."""

SEVERITIES: Final = ("low", "medium", "high", "critical")
"""How bad findings are, in their order."""

MOST_FINDINGS: Final = 500
"""Findings that are kept of an artifact by one scanner: the worst."""

LONGEST_MESSAGE: Final = 500
"""Characters of a finding's message."""

_LONGEST_RULE: Final = 200
_ANSWERING: Final = 30.0  # seconds in which a scanner tells its version
_LONGEST_PATH: Final = 1024

Severity = Literal["low", "medium", "high", "critical"]


class Finding(msgspec.Struct, frozen=True):
    """Something that whoever uses an artifact should know."""

    severity: Severity
    rule: str
    """A short name of what was found: pickle-global, Eicar-Test-Signature …"""
    path: str
    """Of the file in which it was found; in archives within it parts are separated by `!/`."""
    message: str
    """A sentence that says what it is. It never quotes a secret."""


def finding(severity: str, rule: str, path: str, message: str) -> Finding:
    """Return a finding with texts that can be kept. Raise ValueError where the severity is none."""
    if severity not in SEVERITIES:
        raise ValueError(f"{severity!r:.40} is none of {', '.join(SEVERITIES)}")
    return Finding(
        severity,  # type: ignore[arg-type]  # it is one of them
        storable(rule)[:_LONGEST_RULE],
        storable(path)[:_LONGEST_PATH],
        storable(message)[:LONGEST_MESSAGE],
    )


def worst_of(findings: Sequence[Finding]) -> str | None:
    """Return the worst severity; None where there is no finding."""
    return max((one.severity for one in findings), key=SEVERITIES.index, default=None)


class ScannerDown(Exception):
    """A scanner that can't be asked now; the message completes “the scanner …”. It is asked again later."""


@dataclass(frozen=True, slots=True)
class ScannedBlob:
    """A part of an artifact that is scanned: a layer, a config, or its annotations."""

    digest: str
    path: str
    """What findings call it: the file that it is, else the start of its digest."""
    packing: Packing
    size: int  # bytes


@dataclass(slots=True)
class Found:
    """What a scanner says of an artifact."""

    findings: list[Finding] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    """What was not looked at, and why: sentences. Where there is one and nothing was found, the scan has failed."""
    document: bytes | None = None
    """What it has made of the artifact beside findings: a bill of materials, say."""


class Scanned(Protocol):
    """An artifact that is scanned."""

    @property
    def blobs(self) -> Sequence[ScannedBlob]:
        """Its parts; those of an index are the parts of its children."""

    @property
    def problems(self) -> Sequence[str]:
        """What of it can't be scanned, and why: sentences."""

    @property
    def record(self) -> dict[str, Any] | None:
        """What is known of it: {"values", "sources"} of mediatypes.record."""

    def stream(self, blob: ScannedBlob) -> AsyncGenerator[bytes, None]:
        """Yield the bytes of a part. Raise StorageError."""

    async def examine(self, examiner: str) -> Examined:
        """Run an `Examiner`, named MODULE:FUNCTION, over all files of all parts, in the sandbox. Raise StorageError."""


@dataclass(slots=True)
class Examined:
    """What an examiner has said of all files."""

    findings: list[Finding] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    told: list[Any] = field(default_factory=list)
    """By file what it has told, as it stands."""


class Examination(Protocol):
    """What an examiner says of one file."""

    def find(self, severity: Severity, rule: str, message: str) -> None:
        """Add a finding."""

    def tell(self, value: Any) -> None:
        """Tell something for the scanner: plain data (JSON's)."""


Examiner = Callable[[str, Source, Limits, Examination], bool]
"""Examines a file of a path, in the sandbox; returns whether that included all that is in it, where it is an archive.

Raise mediatypes.files.reading.Unreadable where it can't be examined.
"""


class Scanner(Protocol):
    """A scanner, of which a server has one."""

    name: str
    """A short word in lower case."""
    reads_record: bool
    """Whether it goes by what is known of an artifact: then it is asked again when that has changed."""

    async def version(self) -> str:
        """Return by what is scanned, its database included: what an older one has scanned is scanned again.

        Raise ScannerDown.
        """

    async def scan(self, scanned: Scanned) -> Found:
        """Return what is found. Raise ScannerDown, StorageError."""


async def version_of(scanner: Scanner) -> str:
    """Return a scanner's version. Raise ScannerDown where it does not tell that in time, and what the scanner raises."""
    try:
        async with asyncio.timeout(_ANSWERING):
            return await scanner.version()
    except TimeoutError:
        raise ScannerDown(f"{scanner.name} does not tell its version within {_ANSWERING:.0f} s") from None
