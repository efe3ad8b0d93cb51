"""The scanners that look at files themselves: each names what examines them in the sandbox (registry.scanners.examiners)."""

from __future__ import annotations

import functools
import importlib.metadata
from typing import Final

from registry.scanners.base import Found, Scanned

_EXAMINERS: Final = "registry.scanners.examiners"


class ContentScanner:
    """Finds what its examiner finds."""

    reads_record = False

    def __init__(self, name: str, examiner: str, *, rules: int, library: str | None = None) -> None:
        """Be the scanner `name`, of the `rules` of this number, and of a `library`'s version."""
        self.name = name
        self._examiner = examiner
        self._rules = rules
        self._library = library

    async def version(self) -> str:
        """Return the version: of our rules, and of the library."""
        return version_from(self._rules, self._library)

    async def scan(self, scanned: Scanned) -> Found:
        """Return what is found. Raise StorageError."""
        examined = await scanned.examine(self._examiner)
        return Found(examined.findings, examined.problems)


@functools.cache
def version_from(rules: int, library: str | None = None) -> str:
    """Return a version in words."""
    return f"{rules}" if library is None else f"{rules} ({library} {importlib.metadata.version(library)})"


def pickle_scanner() -> ContentScanner:
    """Return the scanner `pickle`: what files of models would do when they are loaded."""
    return ContentScanner("pickle", f"{_EXAMINERS}.pickles:examine", rules=3, library="picklescan")


def model_scanner() -> ContentScanner:
    """Return the scanner `modelscan`: what modelscan says of files of models."""
    return ContentScanner("modelscan", f"{_EXAMINERS}.models:examine", rules=3, library="modelscan")


def secret_scanner() -> ContentScanner:
    """Return the scanner `secrets`: keys, tokens and passwords in texts, configs and annotations."""
    return ContentScanner("secrets", f"{_EXAMINERS}.secrets:examine", rules=1, library="detect-secrets")
