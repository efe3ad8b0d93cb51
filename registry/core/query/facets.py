"""The facets of queries: what their values are like, and by which other names they go."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Final


class FacetType(enum.Enum):
    """What values a facet has."""

    TEXT = "a word, or words in quotes"
    NUMBER = "a number such as 7B, 350M or 1.5e9, with <, <=, > or >= before it, or two with .. between"
    CONTEXT = "a number of tokens such as 8192 or 32k, with <, <=, > or >= before it, or two with .. between"
    SIZE = "a number of bytes such as 500MB, 8GB or 2GiB, with <, <=, > or >= before it, or two with .. between"
    METRIC = "a number such as 0.9, with <, <=, > or >= before it, or two with .. between"
    MOMENT = "a day such as 2026-01-31, a month or a year, or an age such as <30d, with <, <=, > or >= before it"
    HAS = "a facet's name"


@dataclass(frozen=True, slots=True)
class Facet:
    """A facet; `example` is a value that it may have."""

    name: str
    type: FacetType
    example: str
    is_counted: bool = False
    """Whether its most frequent values are counted for those who look around."""


_ALL: Final = (
    Facet("kind", FacetType.TEXT, "model", is_counted=True),
    Facet("framework", FacetType.TEXT, "pytorch", is_counted=True),
    Facet("format", FacetType.TEXT, "safetensors", is_counted=True),
    Facet("packed", FacetType.TEXT, "modelpack", is_counted=True),
    Facet("type", FacetType.TEXT, "application/vnd.cncf.model.manifest.v1+json"),
    Facet("arch", FacetType.TEXT, "LlamaForCausalLM", is_counted=True),
    Facet("family", FacetType.TEXT, "llama", is_counted=True),
    Facet("precision", FacetType.TEXT, "bf16", is_counted=True),
    Facet("quantization", FacetType.TEXT, "Q4_K_M", is_counted=True),
    Facet("license", FacetType.TEXT, "apache-2.0", is_counted=True),
    Facet("task", FacetType.TEXT, "text-generation", is_counted=True),
    Facet("lang", FacetType.TEXT, "en", is_counted=True),
    Facet("label", FacetType.TEXT, "medical", is_counted=True),
    Facet("base", FacetType.TEXT, "meta-llama/*"),
    Facet("dataset", FacetType.TEXT, "squad"),
    Facet("finding", FacetType.TEXT, "dangerous", is_counted=True),
    Facet("params", FacetType.NUMBER, "<8B"),
    Facet("size", FacetType.SIZE, "<8GB"),
    Facet("context", FacetType.CONTEXT, ">=32k"),
    Facet("rows", FacetType.NUMBER, ">1M"),
    Facet("metric", FacetType.METRIC, ">0.9"),
    Facet("pushed", FacetType.MOMENT, "<30d"),
    Facet("repo", FacetType.TEXT, "team/bert"),
    Facet("tag", FacetType.TEXT, "latest"),
    Facet("has", FacetType.HAS, "license"),
)
FACETS: Final[dict[str, Facet]] = {facet.name: facet for facet in _ALL}
"""All, by name."""

ALIASES: Final = {
    "dtype": "precision",
    "parameters": "params",
    "architecture": "arch",
    "language": "lang",
    "licence": "license",
}
"""Other names of facets."""

PRECISIONS: Final = {
    "bf16": "bfloat16",
    "fp16": "float16",
    "f16": "float16",
    "half": "float16",
    "fp32": "float32",
    "f32": "float32",
    "float": "float32",
    "fp64": "float64",
    "f64": "float64",
    "double": "float64",
    "e4m3": "float8_e4m3",
    "fp8_e4m3": "float8_e4m3",
    "e5m2": "float8_e5m2",
    "fp8_e5m2": "float8_e5m2",
    "i8": "int8",
    "u8": "uint8",
}
"""Words for precisions that libraries use, and ModelPack's for the same."""

RESERVED: Final = "sort"
"""A facet to come: by what the artifacts are to be sorted. Words that begin with ~ are for search by meaning."""
