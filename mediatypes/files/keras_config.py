"""The configuration of a Keras model, in JSON: what it is, and code that loading it would run."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from mediatypes.files.judgement import judged
from mediatypes.files.pickles import Global, Imports
from mediatypes.files.plain import plain, plain_text
from mediatypes.files.reading import Finding, Malformed, Reading, TooMuch
from mediatypes.files.telling import Telling

_KERAS: Final = ("keras", "tf_keras", "tensorflow.keras", "tensorflow.python.keras")
_CONFIG: Final = 8 << 20  # bytes of a configuration
_SHOWN: Final = 1000  # layers that are told


def tell_config(reading: Reading, telling: Telling, content: bytes, pointer: str) -> None:
    """Add what a configuration, which `pointer` names in the file, tells of a model. Raise Malformed where it is none."""
    config = decoded(content)
    if not isinstance(config, dict):
        raise Malformed("has a configuration of Keras that is no object")
    telling.tell("architecture", config.get("class_name"), pointer)
    inner = config.get("config")
    if isinstance(inner, dict):
        telling.tell("title", inner.get("name"), pointer)
        layers = inner.get("layers")
        if isinstance(layers, list):
            found = [layer["class_name"] for layer in layers if isinstance(layer, dict) and "class_name" in layer]
            names = [plain_text(name, 200) for name in found if isinstance(name, str)]
            reading.raw["layers"] = names[:_SHOWN]
            telling.tell("inputs", _inputs(layers), pointer)
    reading.findings += findings_of(config, f"{telling.path}#{pointer}")


def decoded(content: bytes) -> Any:
    """Return a configuration. Raise Malformed where it isn't JSON, TooMuch where it is longer than any."""
    if len(content) > _CONFIG:
        raise TooMuch(f"has a configuration of Keras of {len(content)} bytes, of which {_CONFIG} are read at most")
    try:
        return msgspec.json.decode(content)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Malformed(f"has a configuration of Keras that isn't JSON: {error}") from error


def findings_of(config: Any, at: str) -> list[Finding]:
    """Return what a configuration would import or run when the model is loaded."""
    imports = Imports()
    findings: list[Finding] = []
    waiting = [config]
    while waiting:
        value = waiting.pop()
        if isinstance(value, list):
            waiting.extend(value)
        if not isinstance(value, dict):
            continue
        waiting.extend(value.values())
        name, module, inner = value.get("class_name"), value.get("module"), value.get("config")
        if name == "__lambda__":
            findings.append(Finding("dangerous", "keras-lambda", f"{at} holds the code of a function of Python"))
        elif name == "Lambda":
            is_code = isinstance(inner, dict) and isinstance(inner.get("function"), list)
            message = f"{at} has a Lambda layer{', with the code of its function' if is_code else ''}"
            findings.append(Finding("dangerous" if is_code else "suspicious", "keras-lambda", message))
        if isinstance(module, str) and isinstance(name, str) and not module.split(".")[0].startswith(_KERAS):
            named = inner if name == "function" and isinstance(inner, str) else name
            if not module.startswith(_KERAS):
                imports.add(Global(module, named))
    return [*judged(imports, at), *findings[:100]]


def _inputs(layers: list[Any]) -> list[dict[str, Any]]:
    """Return the inputs that a model's InputLayers are."""
    found: list[dict[str, Any]] = []
    for layer in layers:
        inner = layer.get("config") if isinstance(layer, dict) and layer.get("class_name") == "InputLayer" else None
        if isinstance(inner, dict):
            shape = inner.get("batch_shape", inner.get("batch_input_shape"))
            told = {"name": inner.get("name"), "dtype": inner.get("dtype"), "shape": shape}
            found.append({name: plain(value) for name, value in told.items() if value is not None})
    return found[:100]
