"""What the symbols of a pickle mean: its values, its arrays of NumPy, its tensors of PyTorch; and a bounded walk over them.

NumPy's pickles: `numpy.ndarray.__reduce__` (protocols to 4) and `numpy._core.numeric._frombuffer` (5). PyTorch's:
`torch._utils._rebuild_*`.
"""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from mediatypes.files.dtypes import TORCH, of_name, of_numpy
from mediatypes.files.opcodes import Skipped
from mediatypes.files.pickles import DICT, SET, Global, Instance, Persistent
from mediatypes.files.plain import plain, plain_text
from mediatypes.files.reading import Limits, Malformed, TooMuch

_NUMPY: Final = ("numpy.core.", "numpy._core.")
_HIDDEN: Final = {"_parameters", "_buffers", "_modules"}  # of torch.nn.Module, that state_dict's names leave out
_ITEMS: Final = 100  # of one value that is told
_LONGEST: Final = 1000  # characters of a text that is told
_NAME: Final = 1000  # characters of a name made of names


class Array(NamedTuple):
    """An array of NumPy: its bytes, where they are known to lie in the file."""

    dtype: str
    itemsize: int
    shape: tuple[Any, ...]
    position: int | None


class Storage(NamedTuple):
    """The bytes of tensors of PyTorch, by the key that the file gives them; `held` elements of `itemsize` bytes."""

    key: str
    dtype: str
    itemsize: int
    held: int


class Strided(NamedTuple):
    """A tensor of PyTorch: elements of a storage from `start` on, by shape and stride."""

    storage: Storage
    start: int
    shape: tuple[Any, ...]
    stride: tuple[Any, ...]


def walk(root: Any, limits: Limits) -> Iterator[tuple[tuple[str, ...], Array | Strided]]:
    """Return the arrays and tensors in a symbol with their names, a part for each key, index or attribute on the way.

    What is held twice is walked once, and nothing that lies deeper than the limit.
    """
    seen: set[int] = set()
    waiting: deque[tuple[tuple[str, ...], Any]] = deque([((), root)])
    looked_at = 0
    while waiting:
        names, symbol = waiting.popleft()
        looked_at += 1
        if looked_at > limits.entries * 10:
            raise TooMuch("is a pickle of too many objects")
        found = (array_of(symbol) or tensor_of(symbol)) if isinstance(symbol, Instance) else None
        if isinstance(found, Strided) or (found is not None and found.dtype != "object"):
            yield names, found
            continue
        if id(symbol) in seen or len(names) >= limits.depth or not isinstance(symbol, Instance | list | tuple):
            continue
        seen.add(id(symbol))
        for name, inner in _parts(symbol):
            if isinstance(inner, Instance | list | tuple):
                waiting.append((names if name in _HIDDEN else (*names, name), inner))


def _parts(symbol: Any) -> Iterator[tuple[str, Any]]:
    """Return what a symbol holds, by names."""
    if not isinstance(symbol, Instance):
        yield from ((str(index), inner) for index, inner in enumerate(symbol))
        return
    for key, inner in symbol.pairs or ():
        yield _part_of(key), inner
    yield from _parts(symbol.elements or ())
    state = symbol.state
    if isinstance(state, Instance) and state.made_by == DICT:
        yield from _parts(state)
    else:
        yield "state", state
    if symbol.made_by != DICT:
        yield "args", symbol.args


def _part_of(key: Any) -> str:
    """Return a name's part by the key of a dict."""
    if isinstance(key, str):
        return key[:_NAME]
    return str(key) if isinstance(key, int) and key.bit_length() <= 64 else "?"


def name_of(names: tuple[str, ...]) -> str:
    """Return a name by its parts, as state_dict names tensors."""
    return plain_text(".".join(names), _NAME)


def attributes(symbol: Any) -> dict[str, Any]:
    """Return the attributes that an instance would have, or the items of a dict whose keys are texts."""
    pairs: Any = None
    if isinstance(symbol, Instance):
        state = symbol if symbol.made_by == DICT else symbol.state
        pairs = state.pairs if isinstance(state, Instance) else None
    return {key: value for key, value in pairs or () if isinstance(key, str)}


def class_of(symbol: Any) -> Global | None:
    """Return the class that an instance would have."""
    if not isinstance(symbol, Instance):
        return None
    made_by = symbol.made_by
    if made_by in (
        Global("copyreg", "_reconstructor"),
        Global("copy_reg", "_reconstructor"),
        Global("copyreg", "__newobj__"),
    ):
        made_by = symbol.args[0] if isinstance(symbol.args, tuple) and symbol.args else None
    return made_by if isinstance(made_by, Global) else None


# NumPy


def dtype_of(symbol: Any) -> tuple[str, int] | None:
    """Return the word and the bytes of one element of a symbol for a numpy.dtype, or None."""
    if not isinstance(symbol, Instance) or symbol.made_by != Global("numpy", "dtype"):
        return None
    if not isinstance(symbol.args, tuple) or not symbol.args or not isinstance(symbol.args[0], str):
        return None
    return of_numpy(symbol.args[0]) or of_name(symbol.args[0])


def array_of(symbol: Instance) -> Array | None:
    """Return the array that an instance would be, or None."""
    if not isinstance(symbol.made_by, Global) or not (symbol.made_by.module or "").startswith(_NUMPY):
        return None
    if symbol.made_by.name == "_reconstruct" and isinstance(symbol.state, tuple) and len(symbol.state) == 5:
        _, shape, dtype, _, content = symbol.state
    elif symbol.made_by.name == "_frombuffer" and isinstance(symbol.args, tuple) and len(symbol.args) == 4:
        content, dtype, shape, _ = symbol.args
    else:
        return None
    known = dtype_of(dtype)
    if known is None or not isinstance(shape, tuple):
        return None
    return Array(*known, shape, content.position if isinstance(content, Skipped) else None)


def _scalar_of(symbol: Instance) -> Any:
    """Return the number that an instance of numpy's scalar would be, or None."""
    if not isinstance(symbol.args, tuple) or len(symbol.args) != 2:
        return None
    known, content = dtype_of(symbol.args[0]), symbol.args[1]
    if isinstance(content, Instance) and isinstance(content.args, tuple) and len(content.args) == 2:
        text = content.args[0]  # _codecs.encode, in the protocols to 2
        content = text.encode("latin-1", "replace") if isinstance(text, str) else None
    codes = {
        "float64": "d",
        "float32": "f",
        "float16": "e",
        "int64": "q",
        "int32": "i",
        "int8": "b",
        "uint8": "B",
        "bool": "?",
    }
    if known is None or known[0] not in codes or not isinstance(content, bytes) or len(content) != known[1]:
        return None
    return struct.unpack("<" + codes[known[0]], content)[0]


# PyTorch


def tensor_of(symbol: Any, depth: int = 8) -> Strided | None:
    """Return the tensor that an instance would be, or None."""
    if not isinstance(symbol, Instance) or not isinstance(symbol.made_by, Global) or depth == 0:
        return None
    name, args = symbol.made_by.name, symbol.args
    if not isinstance(args, tuple) or not (symbol.made_by.module or "").startswith("torch"):
        return None
    if name in ("_rebuild_parameter", "_rebuild_parameter_with_state") and args:
        return tensor_of(args[0], depth - 1)
    if name == "_rebuild_from_type_v2" and len(args) >= 3:
        return tensor_of(Instance(args[0], args[2]), depth - 1)
    if name not in ("_rebuild_tensor", "_rebuild_tensor_v2", "_rebuild_tensor_v3", "_rebuild_qtensor") or len(args) < 4:
        return None
    storage, start, shape, stride = storage_of(args[0]), *args[1:4]
    if storage is None or not isinstance(start, int) or not isinstance(shape, tuple) or not isinstance(stride, tuple):
        return None
    if name == "_rebuild_tensor_v3" and len(args) > 6 and isinstance(args[6], Global):
        # The storage is one of bytes, and the tensor says its own type.
        dtype, known = TORCH.get(args[6].name or ""), None
        known = of_name(dtype) if dtype else None
        if known is None:
            return None
        storage = Storage(storage.key, *known, storage.held * storage.itemsize // known[1])
    return Strided(storage, start, shape, stride)


def storage_of(symbol: Any) -> Storage | None:
    """Return the storage that a persistent id names: ("storage", its class, a key, a device, how many elements it has)."""
    if not isinstance(symbol, Persistent) or not isinstance(symbol.id, tuple) or len(symbol.id) < 5:
        return None
    _, kind, key, _, count = symbol.id[:5]
    if not isinstance(kind, Global) or not isinstance(key, str) or not isinstance(count, int):
        return None
    if count < 0 or count >= 1 << 63:
        raise Malformed(f"gives the storage {key!r:.40} a number of elements that is none")
    word = TORCH.get((kind.name or "").removesuffix("Storage"))
    known = ("uint8", 1) if kind.name == "UntypedStorage" else of_name(word) if word else None
    return None if known is None else Storage(key, *known, count)


# Values


class Teller:
    """Tells symbols as JSON holds them: numbers and texts as they are, what is called or imported by its name."""

    def __init__(self, nodes: int = 5000) -> None:
        self._nodes = nodes

    def told(self, symbol: Any, depth: int = 4) -> Any:
        """Return a value; what is too deep, too much or of no such kind as a text that names it."""
        self._nodes -= 1
        if isinstance(symbol, Global):
            symbol = f"{symbol.module}.{symbol.name}"
        if isinstance(symbol, str):
            return plain_text(symbol, _LONGEST)
        if symbol is None or isinstance(symbol, bool | int | float):
            return plain(symbol)
        if depth == 0 or self._nodes < 0:
            return "…"
        if isinstance(symbol, list | tuple):
            return [self.told(inner, depth - 1) for inner in symbol[:_ITEMS]]
        if isinstance(symbol, Instance):
            return self._instance(symbol, depth)
        return "bytes" if isinstance(symbol, bytes | bytearray | Skipped) else "an object outside"

    def _instance(self, symbol: Instance, depth: int) -> Any:
        if symbol.made_by == DICT:
            pairs = (symbol.pairs or [])[:_ITEMS]
            return {str(self.told(key, 1)): self.told(inner, depth - 1) for key, inner in pairs}
        if symbol.made_by == SET:
            return self.told(symbol.elements or [], depth)
        if isinstance(symbol.made_by, Global) and symbol.made_by.name == "scalar":
            return self.told(_scalar_of(symbol), 1)
        made = class_of(symbol)
        return self.told(made, 1) if made is not None else "an object"
