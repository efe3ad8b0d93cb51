"""What a file's tensors say together, and the arithmetic of their shapes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Final

from mediatypes.files.dtypes import BITS
from mediatypes.files.ggml import TYPES
from mediatypes.files.reading import Limits, Malformed, Tensor, TooMuch
from mediatypes.files.telling import Telling
from mediatypes.record import is_plain

_LARGEST: Final = 1 << 63
_DIMENSIONS: Final = 64
_NUMBERS: Final = {*BITS, *(word for word, _, _ in TYPES.values())}
_NAME: Final = 1024  # characters of a tensor's name


def elements(name: str, shape: Iterable[object]) -> tuple[tuple[int, ...], int]:
    """Return a shape and how many elements it has. Raise Malformed where it isn't one, or has more than 2^63."""
    found: list[int] = []
    count = 1
    has_none = False
    for extent in shape:
        if not isinstance(extent, int) or isinstance(extent, bool) or extent < 0:
            raise Malformed(f"gives the tensor {name!r:.80} an extent that is no number, or a negative one")
        found.append(extent)
        if len(found) > _DIMENSIONS:
            raise Malformed(f"gives the tensor {name!r:.80} more than {_DIMENSIONS} dimensions")
        has_none = has_none or extent == 0
        count *= extent or 1
        if count >= _LARGEST:
            raise Malformed(f"gives the tensor {name!r:.80} more elements than 2^63")
    return tuple(found), 0 if has_none else count


def checked_name(name: str) -> str:
    """Return a tensor's name. Raise Malformed where it is longer than any or can't be stored."""
    if len(name) > _NAME or not is_plain(name):
        raise Malformed(f"names a tensor as no tensor is named: {name!r:.80}")
    return name


def count_tensors(count: int, limits: Limits) -> None:
    """Raise TooMuch where a file has more tensors than are read."""
    if count > limits.entries:
        raise TooMuch(f"has {count} tensors, of which {limits.entries} are read at most")


def weigh(telling: Telling, tensors: list[Tensor], counted: Iterable[Tensor] | None = None) -> None:
    """Add how many tensors there are, their elements together, and the type of most of these.

    `counted` are the tensors whose elements are parameters, where these aren't all. What two names share counts once, and
    what holds no numbers not at all.
    """
    telling.tell("tensors", len(tensors))
    by_type: Counter[str] = Counter()
    seen: set[tuple[int, int]] = set()
    for tensor in tensors if counted is None else counted:
        if tensor.dtype not in _NUMBERS:
            continue
        if tensor.offset is not None and tensor.size:
            if (tensor.offset, tensor.size) in seen:
                continue
            seen.add((tensor.offset, tensor.size))
        by_type[tensor.dtype] += elements(tensor.name, tensor.shape)[1]
    total = by_type.total()
    if total:
        telling.tell("parameters", total)
        telling.tell("precision", by_type.most_common(1)[0][0])
