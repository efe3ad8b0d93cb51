"""The scanner `sbom`: the bill of materials of the packages that files inside an artifact ask for (CycloneDX 1.6).

The same files give the same bytes. Versions are known where they are pinned; what else is asked for stands in a property.
"""

from __future__ import annotations

import json
import uuid
from typing import Any, Final

from registry.scanners.base import Found, Scanned
from registry.scanners.content import version_from

_EXAMINER: Final = "registry.scanners.examiners.requirements:examine"
_RULES: Final = 1
_NAMESPACE: Final = uuid.UUID("8e6e24d2-2fb5-5be1-9f4e-1d8d1ea8f3ce")
_PATH, _SPECIFIER = "blacklake:path", "blacklake:specifier"


class BillScanner:
    """Makes a document; its findings are packages that are asked for from where anybody may put them."""

    name = "sbom"
    reads_record = False

    async def version(self) -> str:
        """Return the version: of our rules, and of the library that writes."""
        return version_from(_RULES, "cyclonedx-python-lib")

    async def scan(self, scanned: Scanned) -> Found:
        """Return what is found. Raise StorageError."""
        examined = await scanned.examine(_EXAMINER)
        packages = [
            (ecosystem, name, version, specifier, one["path"])
            for one in examined.told
            for name, version, specifier, ecosystem in one["value"]
        ]
        document = bill(packages) if examined.told else None
        return Found(examined.findings, examined.problems, document)


def bill(packages: list[tuple[str, str, str | None, str, str]]) -> bytes:
    """Return the document of packages: ecosystem (pypi or conda), name, version, what was asked for, and in which file."""
    from cyclonedx.model import Property  # it takes its time and memory: only who writes one imports it
    from cyclonedx.model.bom import Bom
    from cyclonedx.model.component import Component, ComponentType
    from cyclonedx.output.json import JsonV1Dot6
    from packageurl import PackageURL

    by_package: dict[tuple[str, str, str | None], set[tuple[str, str]]] = {}
    for ecosystem, name, version, specifier, path in packages:
        known = by_package.setdefault((ecosystem, name, version), set())
        known |= {(_PATH, path)} | ({(_SPECIFIER, specifier)} if specifier else set())
    bom = Bom()
    for (ecosystem, name, version), properties in by_package.items():
        purl = PackageURL(ecosystem, None, name, version)
        bom.components.add(
            Component(
                name=name,
                version=version,
                type=ComponentType.LIBRARY,
                purl=purl,
                bom_ref=purl.to_string(),
                properties=[Property(name=key, value=value) for key, value in sorted(properties)],
            )
        )
    document: dict[str, Any] = json.loads(JsonV1Dot6(bom).output_as_string())
    document.get("metadata", {}).pop("timestamp", None)
    content = json.dumps(document.get("components", []), sort_keys=True)
    document["serialNumber"] = f"urn:uuid:{uuid.uuid5(_NAMESPACE, content)}"
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
