"""Secrets in texts, by the detectors of detect-secrets that know a secret by its form. None is ever quoted."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from detect_secrets.core.plugins.util import get_mapping_from_secret_type_to_class
from detect_secrets.filters import heuristic

from mediatypes.files.reading import Limits, Source
from registry.scanners.base import Examination, Severity
from registry.scanners.examining import text_of

_LONGEST: Final = 1 << 20  # bytes that are looked at of a file
_LINE: Final = 4000  # characters that are looked at in one go; longer lines in parts that overlap by
_OVERLAP: Final = 300
_MOST: Final = 50  # secrets of a file
# By form alone; what only looks random, or is an address, is no secret yet.
_LEFT_OUT: Final = ("Base64HighEntropyString", "HexHighEntropyString", "IPPublicDetector", "KeywordDetector")
_KEYWORD: Final = re.compile(
    r"""(?i)(?:^|[^a-z0-9])(?:\w{0,40}(?:passw(?:or)?d|pwd|secret|api_?key|access_?key|auth_?token))["']?\s{0,8}[:=]\s{0,8}["'](?P<secret>[^"'\s]{8,200})["']"""
)
_OWN: Final[tuple[tuple[str, re.Pattern[str]], ...]] = (
    ("Hugging Face Token", re.compile(r"\bhf_[A-Za-z0-9]{30,}\b")),
    ("Google API Key", re.compile(r"\bAIza[0-9A-Za-z_-]{35}\b")),
)
_NO_SECRETS: Final = re.compile(r"(?i)example|dummy|changeme|placeholder|your[_-]|xxxx|\*\*\*|<[^>]*>|\$\{|\{\{")


def _detectors() -> list[Any]:
    found: dict[str, Any] = get_mapping_from_secret_type_to_class()
    return [made() for made in found.values() if made.__name__ not in _LEFT_OUT]


_DETECTORS: Final = _detectors()


def examine(path: str, source: Source, limits: Limits, says: Examination) -> bool:
    """Examine a text (see Examiner); of a long one the first MiB."""
    del path, limits
    text = text_of(source, _LONGEST)
    if text is None:
        return False
    seen: set[tuple[str, int]] = set()
    for number, line in enumerate(text.splitlines(), 1):
        for kind, severity in _secrets(line):
            if (kind, number) not in seen and len(seen) < _MOST:
                seen.add((kind, number))
                rule = kind.lower().replace(" ", "-")
                says.find(severity, rule, f"line {number} holds what looks like a secret: {kind}")
    return False


def _secrets(line: str) -> Iterator[tuple[str, Severity]]:
    """Yield the kinds of a line's secrets."""
    for part in _parts(line):
        for kind, pattern in _OWN:
            if pattern.search(part):
                yield kind, "high"
        for detector in _DETECTORS:
            if any(_is_secret(str(found)) for found in detector.analyze_string(part)):
                yield detector.secret_type, "high"
        for match in _KEYWORD.finditer(part):
            if _is_secret(match["secret"]) and not heuristic.is_potential_uuid(match["secret"]):
                yield "Secret Keyword", "medium"


def _is_secret(text: str) -> bool:
    return not (
        _NO_SECRETS.search(text)
        or heuristic.is_sequential_string(text)
        or heuristic.is_templated_secret(text)
        or heuristic.is_not_alphanumeric_string(text)
    )


def _parts(line: str) -> Iterator[str]:
    if len(line) <= _LINE:
        yield line
        return
    for start in range(0, len(line), _LINE - _OVERLAP):
        yield line[start : start + _LINE]
