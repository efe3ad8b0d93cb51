"""Croissant: what describes a dataset as JSON-LD (MLCommons, Croissant 1.0 and 1.1)."""

from __future__ import annotations

from typing import Any, Final

from mediatypes.files.documents import json_object
from mediatypes.files.plain import plain_object
from mediatypes.files.reading import Limits, Reading, Source, Unsupported
from mediatypes.files.telling import Telling, listing, mapping, present
from mediatypes.models.values import license_name
from mediatypes.record import Provenance

_NAMESPACE: Final = b"mlcommons.org/croissant"
_DATASET: Final = ("Dataset", "sc:Dataset", "schema:Dataset", "http://schema.org/Dataset", "https://schema.org/Dataset")
_SPDX: Final = "spdx.org/licenses/"
_LICENSES: Final = {
    "creativecommons.org/licenses/by/4.0": "CC-BY-4.0",
    "creativecommons.org/licenses/by-sa/4.0": "CC-BY-SA-4.0",
    "creativecommons.org/licenses/by-nc/4.0": "CC-BY-NC-4.0",
    "creativecommons.org/publicdomain/zero/1.0": "CC0-1.0",
    "opensource.org/licenses/mit": "MIT",
    "www.apache.org/licenses/license-2.0": "Apache-2.0",
}
"""SPDX identifiers by the addresses that datasets give for their licences."""
_SPLIT: Final = ("cr:Split", "http://mlcommons.org/croissant/Split")
_COLLECTION: Final = ("rai:", "prov:")


class Croissant:
    """Reads a dataset's description in Croissant, whatever it is named."""

    name = "croissant"

    def recognises(self, path: str, head: bytes) -> bool:
        """Say whether this is JSON whose beginning names Croissant's namespace."""
        return path.lower().endswith((".json", ".jsonld", ".json-ld")) and _NAMESPACE in head

    def read(self, path: str, source: Source, limits: Limits) -> Reading:
        """Return the dataset's names, licence, fields and files. Raise Unreadable."""
        document = json_object(source, limits)
        if not any(kind in _DATASET for kind in listing(_said(document, "type"))):
            raise Unsupported("is Croissant, and not of a dataset")
        telling = Telling(path, Provenance.CONFIG)
        _tell_dataset(telling, document)
        records = [mapping(item) for item in listing(document.get("recordSet"))]
        several = len(records) > 1
        fields: list[dict[str, Any]] = []
        for record in records:
            prefix = f"{_name(record)}/" if several else ""
            fields += [_feature(item, prefix) for item in map(mapping, listing(record.get("field"))) if _name(item)]
        telling.tell("features", fields, "/recordSet")
        telling.tell("splits", _splits(records), "/recordSet")
        told = {
            name: value for name, value in document.items() if name.startswith(_COLLECTION) and name != "prov:@context"
        }
        telling.tell("provenance", plain_object(told))
        raw = {name: value for name, value in document.items() if name != "@context"}
        return Reading(self.name, telling.facts, raw=plain_object(raw))


def _tell_dataset(telling: Telling, document: dict[str, Any]) -> None:
    telling.tell("name", _plain(document.get("name")), "/name")
    telling.tell("description", _plain(document.get("description")), "/description")
    telling.tell("version", document.get("version"), "/version")
    telling.tell("source_url", _plain(document.get("url")), "/url")
    telling.tell("created", _moment(document.get("datePublished")), "/datePublished")
    licenses = (_plain(item) for item in listing(document.get("license")))
    telling.tell("licenses", [_license(item) for item in licenses if item], "/license")
    telling.tell("languages", [_plain(item) for item in listing(document.get("inLanguage"))], "/inLanguage")
    telling.tell("tags", [_plain(item) for item in listing(document.get("keywords"))], "/keywords")
    authors = [_plain(item) for item in listing(document.get("creator", document.get("author")))]
    telling.tell("authors", authors, "/creator")
    encodings = [mapping(item).get("encodingFormat") for item in listing(document.get("distribution"))]
    formats = list(dict.fromkeys(item for item in (_plain(first) for first in map(_first, encodings)) if item))
    telling.tell("extra", {"encoding_formats": formats} if formats else None, "/distribution")


def _feature(field: dict[str, Any], prefix: str) -> dict[str, Any]:
    kind = _first(field.get("dataType"))
    inner = "struct" if field.get("subField") else "unknown"
    plain = _plain(kind) or inner
    # Croissant 1.0 says `repeated`, 1.1 `isArray`.
    is_list = any(
        field.get(word) in (True, "true", "True") for word in ("repeated", "isArray", "cr:isArray", "cr:repeated")
    )
    return {"name": prefix + _name(field), "type": f"list<{plain}>" if is_list else plain}


def _splits(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the rows of a record set that lists the splits (Croissant, ML-specific features: cr:Split)."""
    found: list[dict[str, Any]] = []
    for record in records:
        if any(_plain(kind) in _SPLIT for kind in listing(record.get("dataType"))):
            for row in listing(record.get("data")):
                name = next((value for key, value in mapping(row).items() if key.endswith("name")), None)
                found += [present(name=name)] if isinstance(name, str) else []
    return found


def _name(item: dict[str, Any]) -> str:
    """Return a node's name, which its identifier may hold behind those of what it belongs to."""
    found = item.get("name") or _said(item, "id")
    return found.rpartition("/")[2] if isinstance(found, str) else ""


def _said(node: dict[str, Any], keyword: str) -> Any:
    """Return a value of JSON-LD's own keywords, which a context may give without the at sign."""
    return node.get(f"@{keyword}", node.get(keyword))


def _plain(value: Any) -> str | None:
    """Return a text: itself, a value with a language, or the name or identifier of a node."""
    if isinstance(value, dict):
        said = (_said(value, "value"), value.get("name"), value.get("url"), _said(value, "id"))
        value = next((item for item in said if isinstance(item, str) and item), None)
    return value if isinstance(value, str) and value else None


def _first(value: Any) -> Any:
    return next(iter(listing(value)), None)


def _license(said: str) -> str:
    address = said.lower().partition("://")[2].removesuffix("/").removesuffix("/legalcode")
    if _SPDX in address:
        return license_name(said.rstrip("/").rpartition("/")[2].removesuffix(".html"))
    return _LICENSES.get(address) or license_name(said)


def _moment(value: Any) -> str | None:
    """Return a date as the time at which it begins, a time as it stands."""
    text = _plain(value)
    return f"{text}T00:00:00Z" if text and len(text) == 10 and text.count("-") == 2 else text
