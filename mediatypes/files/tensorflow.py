"""TensorFlow's SavedModel and checkpoints: saved_model.pb (saved_model.proto), variables.index (tensor_bundle.proto)."""

from __future__ import annotations

from collections import Counter
from typing import Any, Final

from mediatypes.files.dtypes import TENSORFLOW
from mediatypes.files.keras_config import decoded, findings_of
from mediatypes.files.protobuf import BYTES, Budget, Message, signed
from mediatypes.files.ranged import Cursor, InMemory
from mediatypes.files.reading import Finding, Limits, Malformed, Reading, Source, Tensor, TooMuch
from mediatypes.files.sstable import entries_of
from mediatypes.files.telling import Telling
from mediatypes.files.weights import checked_name, elements, weigh
from mediatypes.record import Provenance

_FIELDS: Final = 5  # fields that are looked at, for each entry of `Limits`
_OPERATORS: Final = 10_000
_DANGEROUS: Final = {"ReadFile": "reads", "WriteFile": "writes"}
_PYTHON: Final = {"PyFunc", "PyFuncStateless", "EagerPyFunc"}
_OBJECTS: Final = "_CHECKPOINTABLE_OBJECT_GRAPH"
_BESIDE: Final = (
    "optimizer",
    "_all_variables",
    "keras_api",
    "save_counter",
)  # what a checkpoint holds beside the model
_INITIAL: Final = "__saved_model_init_op"
_SERVING: Final = "serving_default"


class SavedModelReader:
    """Reads saved_model.pb."""

    name = "savedmodel"

    def recognises(self, path: str, head: bytes) -> bool:
        """Say whether a file is named so."""
        return path.rsplit("/", 1)[-1] == "saved_model.pb"

    def read(self, path: str, source: Source, limits: Limits) -> Reading:
        """Return the signature that serves, TensorFlow's version, and operators that do more. Raise Unreadable."""
        reading = Reading("savedmodel")
        telling = Telling(path, Provenance.HEADER, reading.facts)
        message = Message(Cursor(source, limits.header), source.size, Budget(limits.entries * _FIELDS))
        graphs = _Graphs()
        count = 0
        for found in message.fields():
            if found.number == 1:
                reading.raw["schema_version"] = found.value
            elif found.number == 2:
                count += 1
                graphs.add(message.inner(found))
        if not count:
            raise Malformed("has no graph of TensorFlow")
        reading.raw |= {"tags": graphs.tags[:100], "signatures": sorted(graphs.signatures)[:100]}
        reading.raw["operators"] = dict(graphs.operators.most_common(100))
        telling.tell("format", "savedmodel")
        telling.tell("framework", "tensorflow")
        telling.tell("framework_version", graphs.version)
        served = graphs.signatures.get(_SERVING) or next(
            (signature for name, signature in graphs.signatures.items() if name != _INITIAL), {}
        )
        for field in ("inputs", "outputs"):
            telling.tell(field, served.get(field))
        reading.findings = graphs.findings()
        return reading


class _Graphs:
    """What the MetaGraphDefs of a SavedModel say."""

    def __init__(self) -> None:
        self.tags: list[str] = []
        self.version: str | None = None
        self.signatures: dict[str, dict[str, Any]] = {}
        self.operators: Counter[str] = Counter()

    def add(self, message: Message) -> None:
        """Add a MetaGraphDef."""
        for found in message.fields():
            if found.number == 1:
                self._add_information(message.inner(found))
            elif found.number == 2:
                self._add_graph(message.inner(found))
            elif found.number == 5:
                name, signature = _entry(message.inner(found), _signature)
                if signature is not None and len(self.signatures) < 1000:
                    self.signatures[name] = signature

    def _add_information(self, message: Message) -> None:
        for found in message.fields():
            if found.number == 4:
                self.tags.append(message.text(found, 200))
            elif found.number == 5:
                self.version = message.text(found, 200)

    def _add_graph(self, message: Message) -> None:
        """Count the operators of a GraphDef, and of the functions in its library."""
        for found in message.fields():
            if found.number == 1:
                self._add_node(message.inner(found))
            elif found.number == 2:
                library = message.inner(found)
                for defined in library.fields():
                    if defined.number == 1:
                        function = library.inner(defined)
                        for part in function.fields():
                            if part.number == 3:
                                self._add_node(function.inner(part))

    def _add_node(self, message: Message) -> None:
        for found in message.fields():
            if found.number == 2:
                self.operators[message.text(found, 200)] += 1
                if len(self.operators) > _OPERATORS:
                    raise TooMuch(f"has more than {_OPERATORS} operators")

    def findings(self) -> list[Finding]:
        """Return what whoever runs the model should know."""
        found = [
            Finding(
                "dangerous",
                "tensorflow-operator",
                f"the graph has the operator {name}, which {does} files when it runs",
            )
            for name, does in _DANGEROUS.items()
            if name in self.operators
        ]
        found += [
            Finding("suspicious", "tensorflow-operator", f"the graph has the operator {name}, which calls Python")
            for name in sorted(_PYTHON & set(self.operators))
        ]
        return found


def _entry(message: Message, value_of: Any) -> tuple[str, Any]:
    """Return the key and the value of a map's entry."""
    name, value = "", None
    for found in message.fields():
        if found.number == 1:
            name = message.text(found, 1000)
        elif found.number == 2:
            value = value_of(message.inner(found))
    return name, value


def _signature(message: Message) -> dict[str, Any]:
    told: dict[str, Any] = {"inputs": [], "outputs": []}
    for found in message.fields():
        if found.number in (1, 2):
            name, tensor = _entry(message.inner(found), _tensor)
            told["inputs" if found.number == 1 else "outputs"].append({"name": name, **(tensor or {})})
    return told


def _tensor(message: Message) -> dict[str, Any]:
    """Return what a TensorInfo says of a tensor."""
    told: dict[str, Any] = {}
    for found in message.fields():
        if found.number == 2:
            told["dtype"] = TENSORFLOW.get(found.value, f"type {found.value}")
        elif found.number == 3:
            shape = _shape(message.inner(found))
            if shape is not None:
                told["shape"] = [None if extent < 0 else extent for extent in shape][:64]
    return told


def _shape(message: Message) -> list[int] | None:
    """Return the extents of a TensorShapeProto, -1 for one that isn't known; None where not even their number is."""
    extents: list[int] = []
    for found in message.fields():
        if found.number == 2:
            dimension = message.inner(found)
            extent = 0
            for part in dimension.fields():
                if part.number == 1:
                    extent = signed(part.value)
            extents.append(extent)
        elif found.number == 3 and found.value:
            return None
    return extents


class CheckpointReader:
    """Reads the index of a checkpoint's tensors; their bytes lie in files beside it, so that their offsets aren't told."""

    name = "tensorflow-checkpoint"

    def recognises(self, path: str, head: bytes) -> bool:
        """Say whether a file is named .index, and begins with a table's entry of no key."""
        return path.endswith(".index") and head.startswith(b"\0\0") and len(head) >= 3

    def read(self, path: str, source: Source, limits: Limits) -> Reading:
        """Return the tensors by the names of their keys. Raise Unreadable."""
        reading = Reading("savedmodel" if path.rsplit("/", 1)[-1] == "variables.index" else "checkpoint")
        telling = Telling(path, Provenance.HEADER, reading.facts)
        telling.tell("format", reading.format)
        telling.tell("framework", "tensorflow")
        for key, value in entries_of(source, limits):
            message = Message(Cursor(InMemory(value), len(value)), len(value), Budget(10_000))
            if not key:
                for found in message.fields():
                    if found.number == 1:
                        reading.raw["shards"] = found.value
                continue
            name = key.decode("utf-8", "replace")
            tensor = _bundled(name, message)
            if name != _OBJECTS:
                reading.tensors.append(tensor)
        weigh(telling, reading.tensors, [tensor for tensor in reading.tensors if _is_parameter(tensor.name)])
        return reading


def _is_parameter(name: str) -> bool:
    return not name.startswith(_BESIDE) and "/.OPTIMIZER_SLOT/" not in name


def _bundled(name: str, message: Message) -> Tensor:
    """Return what a BundleEntryProto says of a tensor."""
    dtype, shape, size = "undefined", [], 0
    for found in message.fields():
        if found.number == 1:
            dtype = TENSORFLOW.get(found.value, f"type {found.value}")
        elif found.number == 2 and found.wire == BYTES:
            shape = _shape(message.inner(found)) or []
        elif found.number == 5:
            size = found.value
    if size >= 1 << 63:
        raise Malformed(f"gives the tensor {name!r:.80} {size} bytes")
    return Tensor(checked_name(name), dtype, elements(name, shape)[0], None, size)


class KerasMetadataReader:
    """Reads keras_metadata.pb, which Keras 2 puts beside saved_model.pb (saved_metadata.proto)."""

    name = "keras-metadata"

    def recognises(self, path: str, head: bytes) -> bool:
        """Say whether a file is named so."""
        return path.rsplit("/", 1)[-1] == "keras_metadata.pb"

    def read(self, path: str, source: Source, limits: Limits) -> Reading:
        """Return what the model's root is, and what its layers would run when they are loaded. Raise Unreadable."""
        reading = Reading("savedmodel")
        telling = Telling(path, Provenance.HEADER, reading.facts)
        message = Message(Cursor(source, limits.header), source.size, Budget(limits.entries))
        telling.tell("framework", "keras")
        for found in message.fields():
            if found.number != 1:
                continue
            node = message.inner(found)
            for part in node.fields():
                if part.number == 5:
                    self._tell_node(reading, telling, node.text(part, limits.buffered).encode())
        return reading

    @staticmethod
    def _tell_node(reading: Reading, telling: Telling, content: bytes) -> None:
        config = decoded(content)
        if isinstance(config, dict) and "architecture" not in {fact.field for fact in reading.facts}:
            telling.tell("architecture", config.get("class_name"))
            telling.tell("title", config.get("name"))
        reading.findings += [
            finding for finding in findings_of(config, telling.path) if finding not in reading.findings
        ]
