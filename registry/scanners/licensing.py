"""The scanner `licenses`: whether the licence that an artifact says it has is that of the licence files in it."""

from __future__ import annotations

from typing import Any, Final

from mediatypes.files.paths import base_name
from mediatypes.models.values import license_name
from registry.scanners.base import Finding, Found, Scanned, finding
from registry.scanners.content import version_from

_EXAMINER: Final = "registry.scanners.examiners.licenses:examine"
_RULES: Final = 1
_SHOWN: Final = 5


class LicenseScanner:
    """Compares the record with the files. That an artifact has no licence at all is a finding, too."""

    name = "licenses"
    reads_record = True

    async def version(self) -> str:
        """Return the version: of our rules, and of the texts that are known."""
        return version_from(_RULES, "identify")

    async def scan(self, scanned: Scanned) -> Found:
        """Return what is found. Raise StorageError."""
        examined = await scanned.examine(_EXAMINER)
        files = {one["path"]: one["value"].get("license") for one in examined.told if isinstance(one["value"], dict)}
        return Found(_compared(_declared(scanned.record), files), examined.problems)


def _declared(record: dict[str, Any] | None) -> list[str]:
    """Return the licences that an artifact says it has elsewhere than in a licence file."""
    values = (record or {}).get("values", {}).get("licenses") or []
    sources = (record or {}).get("sources", {}).get("licenses") or []
    places = [base_name(str(one.get("at", "")).partition("#")[0]).lower() for one in sources]
    if places and all(place.startswith(("license", "licence", "copying", "unlicense")) for place in places):
        return []
    return [license_name(one) for one in values if isinstance(one, str)]


def _compared(declared: list[str], files: dict[str, str | None]) -> list[Finding]:
    found = []
    said = {one.lower() for text in declared for one in (text, *_parts(text))}
    for path, name in files.items():
        if name is None:
            found.append(finding("low", "license-unknown", path, "the licence file is of a licence that is not known"))
        elif declared and name.lower() not in said:
            message = f"the licence file is {name}, and the artifact says that it has {', '.join(declared[:_SHOWN])}"
            found.append(finding("medium", "license-mismatch", path, message))
    if not declared and not files:
        found.append(
            finding("low", "license-missing", "", "the artifact says nothing of its licence, and has no licence file")
        )
    return found


def _parts(expression: str) -> list[str]:
    """Return the licences of an SPDX expression."""
    words = expression.replace("(", " ").replace(")", " ").split()
    return [word for word in words if word.upper() not in ("AND", "OR", "WITH")]
