"""What is different in one artifact from another: files, metadata, metrics and tensors. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Generic, TypeVar

from mediatypes.files.reading import Tensor
from mediatypes.models.artifact import Packing
from registry.db.described import FoundFileRow

Item = TypeVar("Item")


@dataclass(slots=True)
class Differences(Generic[Item]):
    """What was added, removed and changed, the first so many of each by name; the numbers are of all."""

    added: list[Item] = field(default_factory=list)
    removed: list[Item] = field(default_factory=list)
    changed: list[tuple[Item, Item]] = field(default_factory=list)
    added_total: int = 0
    removed_total: int = 0
    changed_total: int = 0
    unchanged_total: int = 0


@dataclass(frozen=True, slots=True)
class MetadataChange:
    """A field of the record; None where it has no value."""

    field: str
    before: Any
    after: Any


@dataclass(frozen=True, slots=True)
class MetricChange:
    """A metric; None where it was not measured."""

    name: str
    dataset: str | None
    split: str | None
    before: float | None
    after: float | None

    @property
    def delta(self) -> float | None:
        """By how much it is more; None where one of both is missing."""
        return self.after - self.before if self.before is not None and self.after is not None else None


@dataclass(frozen=True, slots=True)
class TensorAt:
    """A tensor, its file, and the SHA-256 of its bytes; None where that isn't known."""

    path: str
    tensor: Tensor
    sha256: bytes | None


@dataclass(frozen=True, slots=True)
class BytesCompared:
    """Of how many tensors with the same name, dtype and shape in both the bytes are compared; of how many not, and why."""

    compared: int
    without_before: int
    """How many of the others have no digest in the first artifact."""
    without_after: int
    not_compared: int
    impossible: int
    """How many of those never have one in one of both: they don't lie in a blob as they are."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """All of it. Of tensors names, dtypes and shapes are compared, and bytes as far as `tensor_bytes` says."""

    files: Differences[FoundFileRow]
    metadata: list[MetadataChange]
    metrics: list[MetricChange]
    tensors: Differences[TensorAt]
    tensor_bytes: BytesCompared


@dataclass(frozen=True, slots=True)
class Side:
    """One of both artifacts: the values of its record, its files and its tensors."""

    values: Mapping[str, Any]
    files: Sequence[FoundFileRow]
    tensors: Sequence[TensorAt]


def compare(before: Side, after: Side, *, most: int) -> Comparison:
    """Return how `after` is different from `before`, with `most` of each kind of difference."""
    old_files, new_files = _by_path(before), _by_path(after)
    old, new = _by_name(before.tensors, after.tensors)
    pairs = _Pairs(old_files, new_files)
    return Comparison(
        _differences(old_files, new_files, _is_same_file, most),
        _metadata(before.values, after.values, most),
        list(_metrics(before.values, after.values))[:most],
        _differences(old, new, pairs.is_same, most),
        pairs.counted(),
    )


def _differences(
    before: Mapping[Any, Item], after: Mapping[Any, Item], is_same: Callable[[Item, Item], bool], most: int
) -> Differences[Item]:
    added, removed = sorted(after.keys() - before.keys()), sorted(before.keys() - after.keys())
    both = sorted(before.keys() & after.keys())
    changed = [key for key in both if not is_same(before[key], after[key])]
    return Differences(
        [after[key] for key in added[:most]],
        [before[key] for key in removed[:most]],
        [(before[key], after[key]) for key in changed[:most]],
        len(added),
        len(removed),
        len(changed),
        len(both) - len(changed),
    )


def _by_path(side: Side) -> dict[str, FoundFileRow]:
    return {file.path: file for file in side.files}


def _is_same_file(before: FoundFileRow, after: FoundFileRow) -> bool:
    """Say whether a file's bytes are the same: by its blob, and where in it they lie.

    A file that has been packed anew, into another layer, counts as changed: its own digest is not known.
    """
    return (before.blob, before.start, before.size) == (after.blob, after.start, after.size)


class _Pairs:
    """Compares tensors, and counts of how many the bytes were compared; the files are those of both sides, by path."""

    def __init__(self, before: Mapping[str, FoundFileRow], after: Mapping[str, FoundFileRow]) -> None:
        self._before = before
        self._after = after
        self._counts: Counter[str] = Counter()

    def is_same(self, before: TensorAt, after: TensorAt) -> bool:
        """Say whether nothing is known to be different in a tensor."""
        if (before.tensor.dtype, before.tensor.shape) != (after.tensor.dtype, after.tensor.shape):
            return False
        old, new = self._before.get(before.path), self._after.get(after.path)
        if before.sha256 is not None and after.sha256 is not None:
            self._counts["compared"] += 1
            return before.sha256 == after.sha256
        if old is not None and new is not None and before.tensor == after.tensor and _is_same_file(old, new):
            self._counts["compared"] += 1
            return True
        self._counts["not_compared"] += 1
        self._counts["without_before"] += before.sha256 is None
        self._counts["without_after"] += after.sha256 is None
        self._counts["impossible"] += not (_lies_as_it_is(before, old) and _lies_as_it_is(after, new))
        return True

    def counted(self) -> BytesCompared:
        """Return of how many it was so."""
        return BytesCompared(**{one.name: self._counts[one.name] for one in fields(BytesCompared)})


def _lies_as_it_is(at: TensorAt, file: FoundFileRow | None) -> bool:
    """Say whether a tensor's bytes are somewhere in a blob, so that they may be digested."""
    is_plain = file is not None and file.start is not None and file.packing in (Packing.RAW, Packing.TAR)
    return is_plain and at.tensor.offset is not None


def _by_name(
    before: Sequence[TensorAt], after: Sequence[TensorAt]
) -> tuple[dict[tuple[str, ...], TensorAt], dict[tuple[str, ...], TensorAt]]:
    """Return tensors by name, in whichever shards they lie; where files have the same names, by file, too."""
    are_unique = all(
        not side or Counter(at.tensor.name for at in side).most_common(1)[0][1] == 1 for side in (before, after)
    )

    def keyed(side: Iterable[TensorAt]) -> dict[tuple[str, ...], TensorAt]:
        return {((at.tensor.name,) if are_unique else (at.path, at.tensor.name)): at for at in side}

    return keyed(before), keyed(after)


def _metadata(before: Mapping[str, Any], after: Mapping[str, Any], most: int) -> list[MetadataChange]:
    names = sorted((before.keys() | after.keys()) - {"metrics"})
    changes = (MetadataChange(name, before.get(name), after.get(name)) for name in names)
    return [change for change in changes if change.before != change.after][:most]


def _metrics(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[MetricChange]:
    old, new = _measured(before), _measured(after)
    for key in sorted(old.keys() | new.keys(), key=lambda key: tuple(part or "" for part in key)):
        if old.get(key) != new.get(key):
            yield MetricChange(*key, old.get(key), new.get(key))


def _measured(values: Mapping[str, Any]) -> dict[tuple[str, str | None, str | None], float]:
    """Return what was measured, by name, dataset and split; of what comes twice the last."""
    found = {}
    for item in values.get("metrics", ()):
        name, value = item.get("name"), item.get("value")
        if isinstance(name, str) and isinstance(value, (int, float)) and not isinstance(value, bool):
            dataset, split = (one if isinstance(one := item.get(part), str) else None for part in ("dataset", "split"))
            found[name, dataset, split] = float(value)
    return found
