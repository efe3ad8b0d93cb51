"""The facets of queries: what their values are like, and by which other names they go."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Final


class Shape(enum.Enum):
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
    shape: Shape
    example: str
    is_counted: bool = False
    """Whether its most frequent values are counted for those who look around."""


_ALL: Final = (
    Facet("kind", Shape.TEXT, "model", is_counted=True),
    Facet("framework", Shape.TEXT, "pytorch", is_counted=True),
    Facet("format", Shape.TEXT, "safetensors", is_counted=True),
    Facet("packed", Shape.TEXT, "modelpack", is_counted=True),
    Facet("type", Shape.TEXT, "application/vnd.cncf.model.manifest.v1+json"),
    Facet("arch", Shape.TEXT, "LlamaForCausalLM", is_counted=True),
    Facet("family", Shape.TEXT, "llama", is_counted=True),
    Facet("precision", Shape.TEXT, "bf16", is_counted=True),
    Facet("quantization", Shape.TEXT, "Q4_K_M", is_counted=True),
    Facet("license", Shape.TEXT, "apache-2.0", is_counted=True),
    Facet("task", Shape.TEXT, "text-generation", is_counted=True),
    Facet("lang", Shape.TEXT, "en", is_counted=True),
    Facet("label", Shape.TEXT, "medical", is_counted=True),
    Facet("base", Shape.TEXT, "meta-llama/*"),
    Facet("dataset", Shape.TEXT, "squad"),
    Facet("finding", Shape.TEXT, "dangerous", is_counted=True),
    Facet("params", Shape.NUMBER, "<8B"),
    Facet("size", Shape.SIZE, "<8GB"),
    Facet("context", Shape.CONTEXT, ">=32k"),
    Facet("rows", Shape.NUMBER, ">1M"),
    Facet("metric", Shape.METRIC, ">0.9"),
    Facet("pushed", Shape.MOMENT, "<30d"),
    Facet("repo", Shape.TEXT, "team/bert"),
    Facet("tag", Shape.TEXT, "latest"),
    Facet("has", Shape.HAS, "license"),
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
