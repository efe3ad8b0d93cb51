"""The values of facts in the words that Blacklake's fields have, from the words that tools use for them."""

from __future__ import annotations

import math
import re
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression

from mediatypes.documents import objects, texts

_COUNT: Final = re.compile(r"(?P<number>\d{1,12}(?:\.\d{1,9})?)\s*(?P<unit>[KMBTQ]?)", re.IGNORECASE | re.ASCII)
_UNITS: Final = {"": 1, "K": 10**3, "M": 10**6, "B": 10**9, "T": 10**12, "Q": 10**15}

PRECISIONS: Final = {
    "float64": ("fp64", "f64", "double"),
    "float32": ("fp32", "f32", "float", "single"),
    "float16": ("fp16", "f16", "half"),
    "bfloat16": ("bf16",),
    "float8_e4m3": ("f8_e4m3", "fp8_e4m3", "float8_e4m3fn"),
    "float8_e5m2": ("f8_e5m2", "fp8_e5m2"),
    "int64": ("i64",),
    "int32": ("i32",),
    "int16": ("i16",),
    "int8": ("i8",),
    "int4": ("i4",),
    "uint64": ("u64",),
    "uint32": ("u32",),
    "uint16": ("u16",),
    "uint8": ("u8",),
    "bool": ("boolean",),
}
"""ModelPack's words for the type of a parameter (its config.md, precision), and what else tools call it."""
FRAMEWORKS: Final = {
    "pytorch": ("torch", "pt"),
    "tensorflow": ("tf", "tensorflow-cpu"),
    "keras": ("tf-keras",),
    "jax": ("flax",),
    "sklearn": ("scikit-learn", "scikitlearn", "scikit_learn"),
    "onnx": (),
    "transformers": (),
    "xgboost": (),
    "lightgbm": (),
}
"""Frameworks by our words, and what else tools call them; others keep their name, in lower case."""
FORMATS: Final = {
    "pytorch": ("pt", "pth", "torch"),
    "savedmodel": ("saved_model", "saved-model", "tensorflow_savedmodel"),
    "hdf5": ("h5",),
    "pickle": ("pkl",),
    "safetensors": ("safetensor",),
}
"""Formats of weights and data by our words, likewise."""
LICENSES: Final = {
    "Apache-2.0": (
        "apache 2.0",
        "apache 2",
        "apache2",
        "apache-2",
        "apache license 2.0",
        "apache license, version 2.0",
    ),
    "MIT": ("mit license", "the mit license"),
    "BSD-3-Clause": ("bsd 3-clause", "bsd-3", "new bsd"),
    "BSD-2-Clause": ("bsd 2-clause", "bsd-2"),
    "CC-BY-4.0": ("cc by 4.0",),
    "CC-BY-SA-4.0": ("cc by-sa 4.0",),
    "CC0-1.0": ("cc0",),
}
"""SPDX identifiers of licences that many write otherwise."""


def _spellings(table: dict[str, tuple[str, ...]]) -> dict[str, str]:
    return {word.lower(): name for name, others in table.items() for word in (name, *others)}


_PRECISIONS: Final = _spellings(PRECISIONS)
_FRAMEWORKS: Final = _spellings(FRAMEWORKS)
_FORMATS: Final = _spellings(FORMATS)
_LICENSES: Final = _spellings(LICENSES)
_RFC_3339: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)", re.IGNORECASE | re.ASCII)


def count(value: Any) -> int | None:
    """Return a number of parameters or tokens: 8000000000, "8b", "6.7B", "361.82 M". None where it is none, as "8x7b"."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    found = _COUNT.fullmatch(value.strip()) if isinstance(value, str) else None
    return int(Decimal(found["number"]) * _UNITS[found["unit"].upper()]) if found else None


def precision(value: Any) -> str | None:
    """Return the type of most parameters: "BF16" and "torch.bfloat16" are bfloat16; of a list with commas the first.

    None where it is none, as "auto", which leaves it to the weights.
    """
    word = _word(value, ",").removeprefix("torch.")
    return None if word in ("", "auto") else _PRECISIONS.get(word, word)


def plain_precision(value: Any) -> str | None:
    """Return the precision where a GGUF file type, such as "BF16", is one, and no quantization, such as "Q4_K_M"."""
    return _PRECISIONS.get(_word(value))


def quantization(value: Any) -> str | None:
    """Return a quantization as it stands: "Q4_K_M", "awq". None where the word is a precision, or says that there is none."""
    word = _word(value)
    return None if word in _PRECISIONS or word in ("", "none", "unknown") else value.strip()


def framework(value: Any) -> str | None:
    """Return a framework by our word."""
    word = _word(value)
    return _FRAMEWORKS.get(word, word) or None


def known_framework(value: Any) -> str | None:
    """Return the framework where the word for a format is one's name: "onnx"."""
    return _FRAMEWORKS.get(_word(value))


def weights_format(value: Any) -> str | None:
    """Return a format of weights or data by our word."""
    word = _word(value)
    return _FORMATS.get(word, word) or None


def license_name(value: str) -> str:
    """Return a licence as an SPDX expression in its canonical case where it is one, else as it stands."""
    text = value.strip()
    known = _LICENSES.get(" ".join(text.lower().split()), text)
    try:
        # The longest expressions in use have a few dozen characters.
        return str(canonicalize_license_expression(known)) if len(known) < 500 else known
    except InvalidLicenseExpression:
        return known


def license_names(value: Any) -> list[str]:
    """Return the licences of a list, or the one, likewise."""
    return [license_name(text) for text in texts(value)]


def lower(value: Any) -> list[str]:
    """Return texts in lower case."""
    return [text.lower() for text in texts(value)]


def moment(value: Any) -> str | None:
    """Return a time of RFC 3339 as it stands; None for what isn't one, and for Go's zero time, which means unknown."""
    if not isinstance(value, str) or not _RFC_3339.fullmatch(value) or value.startswith("0001-"):
        return None
    try:
        datetime.fromisoformat(value.upper())
    except ValueError:
        return None
    return value


def version(value: Any) -> str | None:
    """Return a version as text, also one that was written as a number."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value) if abs(value) < 1e15 else None
    return value if isinstance(value, str) else None


def references(value: Any) -> list[dict[str, Any]]:
    """Return what `base_models` and `datasets` hold, of names, digests or URLs, or of objects that have such a `ref`."""
    found = [
        {"ref": item} if isinstance(item, str) else item for item in (value if isinstance(value, list) else [value])
    ]
    return [item for item in objects(found) if texts(item.get("ref"))]


def named(value: Any) -> list[dict[str, Any]]:
    """Return the objects of a list that have a name."""
    return [item for item in objects(value) if texts(item.get("name"))]


def metrics(value: Any) -> list[dict[str, Any]]:
    """Return metrics that have a name and a number, of a list of such objects, or of an object of numbers by name."""
    if isinstance(value, dict):
        value = [{"name": name, "value": number} for name, number in value.items()]
    return [item for item in named(value) if is_number(item.get("value"))]


def is_number(value: object) -> bool:
    """Say whether a JSON value is a finite number."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _word(value: Any, until: str = "") -> str:
    """Return a text in lower case without space around it, up to a character; "" for what is no text."""
    if not isinstance(value, str):
        return ""
    return (value.partition(until)[0] if until else value).strip().lower()
