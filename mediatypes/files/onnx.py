"""ONNX (onnx.proto): a model's graph, whose weights are passed over, or lie in files beside it.

The library onnx parses a whole file with its weights.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from mediatypes.files.dtypes import BITS, ONNX
from mediatypes.files.protobuf import BYTES, VARINT, Budget, Field, Message, signed
from mediatypes.files.ranged import Cursor
from mediatypes.files.reading import Finding, Limits, Malformed, Reading, Source, Tensor, TooMuch
from mediatypes.files.telling import Telling
from mediatypes.files.weights import checked_name, count_tensors, elements, weigh
from mediatypes.record import Provenance

_MODEL: Final = {2: "producer_name", 3: "producer_version", 4: "domain", 6: "doc_string"}  # ModelProto's texts
_FIELDS: Final = 5  # fields that are looked at, for each entry of `Limits`
_INLINE: Final = {
    4: 4,
    5: 0,
    7: 0,
    10: 8,
    11: 0,
}  # float_data, int32_data, int64_data, double_data, uint64_data: bytes of each


@dataclass(slots=True)
class _Graph:
    name: str = ""
    nodes: dict[str, int] = field(default_factory=dict)
    """How often each operator is used."""
    inputs: list[dict[str, Any]] = field(default_factory=list)
    outputs: list[dict[str, Any]] = field(default_factory=list)
    initializers: list[Tensor] = field(default_factory=list)
    external: dict[str, None] = field(default_factory=dict)
    """Files that hold weights."""


class OnnxReader:
    """Reads ONNX models."""

    name = "onnx"

    def recognises(self, path: str, head: bytes) -> bool:
        """Say whether a file is named so: messages have no mark of their own."""
        return path.lower().endswith(".onnx")

    def read(self, path: str, source: Source, limits: Limits) -> Reading:
        """Return the graph's inputs, outputs and weights, and who made it. Raise Unreadable."""
        reading = Reading("onnx")
        message = Message(Cursor(source, limits.header), source.size, Budget(limits.entries * _FIELDS))
        graph: _Graph | None = None
        opsets: dict[str, int] = {}
        metadata: dict[str, str] = {}
        for found in message.fields():
            if found.number == 1 and found.wire == VARINT:
                reading.raw["ir_version"] = found.value
            elif found.number in _MODEL:
                reading.raw[_MODEL[found.number]] = message.text(found)
            elif found.number == 7:
                if graph is not None:
                    raise Malformed("has two graphs")
                graph = _graph(message.inner(found), limits)
            elif found.number == 8:
                opset = _texts(message.inner(found), {1: "domain", 2: "version"})
                version = opset.get("version")
                opsets[str(opset.get("domain") or "ai.onnx")] = version if isinstance(version, int) else 0
                if len(opsets) > 1000:
                    raise TooMuch("names more than 1000 sets of operators")
            elif found.number == 14 and len(metadata) < 1000:
                entry = _texts(message.inner(found), {1: "key", 2: "value"})
                metadata[str(entry.get("key", ""))] = str(entry.get("value", ""))
        if graph is None:
            raise Malformed("has no graph of ONNX")
        reading.raw |= {"opsets": opsets, "metadata": metadata, "graph": graph.name}
        reading.raw["operators"] = dict(sorted(graph.nodes.items(), key=lambda item: -item[1])[:100])
        reading.tensors = graph.initializers
        _tell(reading, graph, path)
        return reading


def _tell(reading: Reading, graph: _Graph, path: str) -> None:
    telling = Telling(path, Provenance.HEADER, reading.facts)
    telling.tell("format", "onnx")
    telling.tell("framework", "onnx")
    own = {tensor.name for tensor in graph.initializers}
    # Up to version 3 of the format a graph lists its weights among its inputs too.
    telling.tell("inputs", [told for told in graph.inputs if told["name"] not in own], "/graph/input")
    telling.tell("outputs", graph.outputs, "/graph/output")
    raw = reading.raw
    extra = {
        "opset": raw["opsets"].get("ai.onnx"),
        "producer": raw.get("producer_name"),
        "ir_version": raw.get("ir_version"),
    }
    if raw.get("producer_version"):
        extra["producer_version"] = raw["producer_version"]
    if raw["metadata"]:
        extra["metadata"] = raw["metadata"]
    if graph.external:
        extra["external_data"] = list(graph.external)
    telling.tell("extra", {"onnx": {name: value for name, value in extra.items() if value}})
    telling.tell("description", raw.get("doc_string"), "/doc_string")
    for name in graph.external:
        if name.startswith(("/", "\\")) or ".." in name.replace("\\", "/").split("/") or ":" in name:
            message = f"the weights would be read from {name!r:.200}, outside of the model's directory"
            reading.findings.append(Finding("dangerous", "onnx-external-path", message))
    weigh(telling, reading.tensors)


def _graph(message: Message, limits: Limits) -> _Graph:
    """Return what a GraphProto holds. Graphs in its nodes' attributes are passed over with them."""
    graph = _Graph()
    for found in message.fields():
        if found.number == 1:
            kind = _texts(message.inner(found), {4: "op_type", 7: "domain"})
            name = "::".join(str(kind[part]) for part in ("domain", "op_type") if kind.get(part))
            graph.nodes[name] = graph.nodes.get(name, 0) + 1
            count_tensors(len(graph.nodes), limits)
        elif found.number == 2:
            graph.name = message.text(found)
        elif found.number == 5:
            graph.initializers.append(_initializer(message.inner(found), graph))
            count_tensors(len(graph.initializers), limits)
        elif found.number in (11, 12):
            told = graph.inputs if found.number == 11 else graph.outputs
            told.append(_value(message.inner(found)))
            count_tensors(len(told), limits)
    return graph


def _initializer(message: Message, graph: _Graph) -> Tensor:
    """Return what a TensorProto says, without its elements."""
    dimensions: list[int] = []
    dtype, name = "undefined", ""
    raw: Field | None = None
    inline = 0
    external: dict[str, str] = {}
    for found in message.fields():
        if found.number == 1:
            dimensions += message.numbers(found)
        elif found.number == 2:
            dtype = ONNX.get(found.value, f"type {found.value}")
        elif found.number == 8:
            name = message.text(found)
        elif found.number == 9 and found.wire == BYTES:
            raw = found
        elif found.number in _INLINE:
            inline += found.size
        elif found.number == 13:
            entry = _texts(message.inner(found), {1: "key", 2: "value"})
            external[str(entry.get("key"))] = str(entry.get("value", ""))
    shape, count = elements(name, dimensions)
    size = (count * BITS.get(dtype, 0) + 7) // 8
    if "location" in external:
        graph.external.setdefault(external["location"])
        if len(graph.external) > 1000:
            del graph.external[external["location"]]
        return Tensor(checked_name(name), dtype, shape, None, size)
    if raw is not None and dtype in BITS and raw.size != size:
        raise Malformed(f"gives the tensor {name!r:.80} {raw.size} bytes, and its shape and type need {size}")
    return Tensor(
        checked_name(name), dtype, shape, raw.start if raw is not None else None, size if raw is not None else inline
    )


def _value(message: Message) -> dict[str, Any]:
    """Return what a ValueInfoProto says: a name, and of a tensor its type and its shape; extents without a number by name."""
    told: dict[str, Any] = {"name": ""}
    for found in message.fields():
        if found.number == 1:
            told["name"] = message.text(found, 1024)
        elif found.number == 2:
            kind = message.inner(found)
            for case in kind.fields():
                if case.number == 1:
                    told |= _tensor_type(kind.inner(case))
    return told


def _tensor_type(message: Message) -> dict[str, Any]:
    told: dict[str, Any] = {}
    for found in message.fields():
        if found.number == 1:
            told["dtype"] = ONNX.get(found.value, "undefined")
        elif found.number == 2:
            shape = message.inner(found)
            extents: list[Any] = []
            for dimension in shape.fields():
                if dimension.number == 1:
                    extent = _texts(shape.inner(dimension), {1: "value", 2: "name"})
                    extents.append(extent.get("value", extent.get("name")))
            told["shape"] = extents[:64]
    return told


def _texts(message: Message, names: dict[int, str]) -> dict[str, Any]:
    """Return a message's texts and numbers by the names of their fields."""
    told: dict[str, Any] = {}
    for found in message.fields():
        if found.number in names:
            told[names[found.number]] = message.text(found) if found.wire == BYTES else signed(found.value)
    return told
