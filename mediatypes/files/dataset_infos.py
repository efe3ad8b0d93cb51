"""What the library datasets writes beside a dataset: its features, splits and sizes.

Source: datasets' DatasetInfo, DatasetDict.save_to_disk and Dataset.save_to_disk, and `dataset_info` of dataset cards.
"""

from __future__ import annotations

import re
from typing import Any, Final

from mediatypes.files.documents import json_object
from mediatypes.files.paths import base_name
from mediatypes.files.plain import plain_object
from mediatypes.files.reading import Limits, Reading, Source
from mediatypes.files.telling import Telling, listing, mapping, natural, present
from mediatypes.models.values import license_name
from mediatypes.record import Provenance

_WORD: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")  # A card says class_label for ClassLabel.
_INNER: Final = 4  # levels of a feature's type that are written out


class DatasetInfos:
    """Reads dataset_infos.json, which has an object for each configuration, and dataset_info.json, which is one."""

    name = "dataset-infos"

    def recognises(self, path: str, head: bytes) -> bool:
        """Say whether this is named as the library names it."""
        return base_name(path) in ("dataset_infos.json", "dataset_info.json")

    def read(self, path: str, source: Source, limits: Limits) -> Reading:
        """Return features, splits and rows. Raise Unreadable."""
        document = json_object(source, limits)
        infos = document if base_name(path) == "dataset_infos.json" else {"default": document}
        telling = Telling(path, Provenance.CONFIG)
        tell_info(telling, {name: mapping(info) for name, info in infos.items()})
        first = mapping(next(iter(infos.values()), None))
        telling.tell("description", first.get("description"))
        telling.tell("documentation_url", first.get("homepage"))
        licence = first.get("license")
        # Older ones hold all of the licence's text.
        telling.tell("licenses", license_name(licence) if isinstance(licence, str) and len(licence) < 200 else None)
        return Reading(self.name, telling.facts, raw=plain_object(document))


class DatasetDict:
    """Reads dataset_dict.json: which splits a saved dataset has."""

    name = "dataset-dict"

    def recognises(self, path: str, head: bytes) -> bool:
        """Say whether this is dataset_dict.json."""
        return base_name(path) == "dataset_dict.json"

    def read(self, path: str, source: Source, limits: Limits) -> Reading:
        """Return the splits. Raise Unreadable."""
        document = json_object(source, limits)
        telling = Telling(path, Provenance.CONFIG)
        names = [name for name in listing(document.get("splits")) if isinstance(name, str)]
        telling.tell("splits", [{"name": name} for name in names], "/splits")
        return Reading(self.name, telling.facts, raw=plain_object(document))


class DatasetState:
    """Reads state.json beside a saved split's Arrow files."""

    name = "dataset-state"

    def recognises(self, path: str, head: bytes) -> bool:
        """Say whether this is state.json as datasets writes it."""
        return base_name(path) == "state.json" and b'"_data_files"' in head

    def read(self, path: str, source: Source, limits: Limits) -> Reading:
        """Return the split that is saved here. Raise Unreadable."""
        document = json_object(source, limits)
        telling = Telling(path, Provenance.HEADER)
        split = document.get("_split")
        if isinstance(split, str) and split:
            telling.tell("splits", [{"name": split}], "/_split")
        return Reading(self.name, telling.facts, raw=plain_object(document))


def tell_info(telling: Telling, infos: dict[str, dict[str, Any]], pointer: str = "") -> None:
    """Add features, splits and rows of a dataset's configurations, whose names stand before those of their splits."""
    features: list[dict[str, Any]] = []
    splits: list[dict[str, Any]] = []
    for name, info in infos.items():
        prefix = "" if len(infos) == 1 else f"{name}/"
        features += named_features(info.get("features"))
        splits += _splits(info.get("splits"), prefix)
    telling.tell("features", features, pointer)
    telling.tell("splits", splits, pointer)
    counts = [split.get("rows") for split in splits]
    if counts and None not in counts:
        telling.tell("rows", sum(count for count in counts if count is not None), pointer)


def named_features(features: Any) -> list[dict[str, Any]]:
    """Return the fields of a dataset with their types: of a list (a card's) or an object (dataset_infos.json)."""
    if isinstance(features, dict):
        return [{"name": name, "type": _type_of(kind, _INNER)} for name, kind in features.items()]
    items = [mapping(item) for item in listing(features)]
    return [
        {"name": item["name"], "type": _type_of(item, _INNER)} for item in items if isinstance(item.get("name"), str)
    ]


def _type_of(kind: Any, depth: int) -> str:
    """Return a feature's type in one line, such as string, class_label, list<int32> or struct."""
    if isinstance(kind, str):
        return kind[:200]
    if isinstance(kind, list):
        # A card has an object for each field of a struct, dataset_infos.json the type of a list's items.
        is_struct = len(kind) != 1 or "name" in mapping(kind[0]) or not depth
        return "struct" if is_struct else f"list<{_type_of(kind[0], depth - 1)}>"
    if not isinstance(kind, dict) or not depth:
        return "unknown"
    items = next((kind[word] for word in ("sequence", "list", "large_list") if word in kind), None)
    named, dtype = kind.get("_type"), kind.get("dtype")
    if named in ("Sequence", "LargeList", "List"):
        items = kind.get("feature")
    if items is not None:
        return f"list<{_type_of(items, depth - 1)}>"
    if isinstance(dtype, dict):  # {"class_label": {"names": …}}, {"array2_d": …}
        return str(next(iter(dtype), "unknown"))[:200]
    if isinstance(named, str) and named != "Value":
        return _WORD.sub("_", named).lower()[:200]
    return dtype[:200] if isinstance(dtype, str) else "struct"


def _splits(splits: Any, prefix: str) -> list[dict[str, Any]]:
    items = list(splits.values()) if isinstance(splits, dict) else listing(splits)
    found = [mapping(item) for item in items]
    return [
        present(
            name=prefix + split["name"],
            rows=natural(split.get("num_examples")),
            bytes=natural(split.get("num_bytes")),
        )
        for split in found
        if isinstance(split.get("name"), str)
    ]
