"""Files of PyTorch: zip archives of torch.save and torch.jit.save, and the older files that are pickles behind one another.

torch.save (torch/serialization.py): `data.pkl`, whose persistent ids name storages, and `data/KEY` for each of these. The older
form: a magic number, a version, what the system is, the object, the keys of its storages, and these with their lengths.
"""

from __future__ import annotations

import re
from typing import Any, Final

from mediatypes.files.estimators import tell_estimator
from mediatypes.files.pickled import Pickled
from mediatypes.files.pickles import DICT, Instance
from mediatypes.files.reading import Limits, Malformed, Reading, Source, Tensor
from mediatypes.files.seekable import scattered
from mediatypes.files.symbols import Array, Storage, Strided, Teller, attributes, class_of, name_of, walk
from mediatypes.files.telling import Telling
from mediatypes.files.weights import checked_name, count_tensors, elements, weigh
from mediatypes.files.zips import BEGIN as ZIP
from mediatypes.files.zips import Zip
from mediatypes.record import Provenance

_NAMES: Final = (".pt", ".pth", ".bin", ".ckpt", ".ptl", ".jit", ".torchscript", ".pkl")
_FIRST: Final = re.compile(
    rb"(?:[^/]{0,200}/)?(?:data\.pkl|constants\.pkl|\.format_version|byteorder|version|data/\d+|code/.*)"
)
_LEGACY: Final = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19."
"""The magic number's pickle (torch.serialization.MAGIC_NUMBER)."""
_PICKLES: Final = 100  # of one archive

_Places = dict[str, tuple[int | None, int]]
"""By a storage's key: where its bytes begin, None where they are compressed, and how many they are."""


class TorchReader:
    """Reads archives of torch.save and torch.jit.save."""

    name = "pytorch"

    def recognises(self, path: str, head: bytes) -> bool:
        """Say whether a file is a zip archive that is named as PyTorch's are, or whose first entry is one of theirs."""
        name = head[30 : 30 + int.from_bytes(head[26:28], "little")]
        return head.startswith(ZIP) and (path.lower().endswith(_NAMES) or _FIRST.fullmatch(name) is not None)

    def read(self, path: str, source: Source, limits: Limits) -> Reading:
        """Return the tensors by their names in state_dict, and what loading the file would import. Raise Unreadable."""
        archive = Zip(source, limits)
        main = min(
            (name for name in archive.entries if name == "data.pkl" or name.endswith("/data.pkl")),
            key=len,
            default=None,
        )
        if main is None:
            raise Malformed("has no entry data.pkl, as archives of PyTorch have")
        prefix = main.removesuffix("data.pkl")
        is_script = prefix + "constants.pkl" in archive.entries
        reading = Reading("torchscript" if is_script else "pytorch")
        root: Any = None
        for name in [main, *sorted(name for name in archive.entries if name.endswith(".pkl") and name != main)][
            :_PICKLES
        ]:
            pickled = Pickled(archive.opened(name), limits, name)
            symbol = pickled.read()
            root = symbol if name == main else root
            reading.findings += pickled.findings
        if prefix + "version" in archive.entries:
            reading.raw["version"] = archive.begin(prefix + "version", 20).decode("ascii", "replace").strip()
        places = _Lazy(archive, prefix + "data/")
        _tell(reading, root, places, path, limits)
        return reading


class LegacyTorchReader:
    """Reads files of torch.save as it was before PyTorch 1.6."""

    name = "pytorch-legacy"

    def recognises(self, path: str, head: bytes) -> bool:
        """Say whether a file begins with PyTorch's magic number."""
        return head.startswith(_LEGACY)

    def read(self, path: str, source: Source, limits: Limits) -> Reading:
        """Return the tensors by their names in state_dict, and what loading the file would import. Raise Unreadable."""
        pickled = Pickled(source, limits, "the pickle")
        roots = pickled.read_each(5)
        reading = Reading("pytorch", findings=pickled.findings)
        root, keys = (roots[3], roots[4]) if len(roots) == 5 else (None, [])
        sizes = {tensor.storage.key: tensor.storage for _, tensor in walk(root, limits) if isinstance(tensor, Strided)}
        places: _Places = {}
        position = pickled.position
        lengths = scattered(source)
        for key in keys if isinstance(keys, list) else []:
            storage = sizes.get(key) if isinstance(key, str) else None
            if storage is None:
                break
            lengths.seek(position)
            count = int.from_bytes(lengths.read(8), "little")
            if count != storage.held:
                raise Malformed(
                    f"gives the storage {key!r:.40} {count} elements at byte {position}, and {storage.held} before"
                )
            places[key] = position + 8, count * storage.itemsize
            position += 8 + count * storage.itemsize
        if position > source.size:
            raise Malformed(f"ends at byte {source.size}, and its storages end at byte {position}")
        _tell(reading, root, _Known(places), path, limits)
        return reading


class _Known:
    """Places of storages that are known."""

    def __init__(self, places: _Places) -> None:
        self._places = places

    def of(self, storage: Storage) -> tuple[int | None, int]:
        """Return where a storage's bytes begin, None where that isn't known, and how many they are."""
        return self._places.get(storage.key, (None, storage.held * storage.itemsize))


class _Lazy(_Known):
    """Places of storages in an archive, each looked up once."""

    def __init__(self, archive: Zip, prefix: str) -> None:
        super().__init__({})
        self._archive = archive
        self._prefix = prefix

    def of(self, storage: Storage) -> tuple[int | None, int]:
        """Return where a storage's bytes begin, None where they are compressed, and how many they are."""
        if storage.key not in self._places:
            name = self._prefix + storage.key
            place = self._archive.place(name)
            is_stored = self._archive.is_stored(name)
            self._places[storage.key] = place if is_stored else None, self._archive.entries[name].file_size
        return super().of(storage)


def _tell(reading: Reading, root: Any, places: _Known, path: str, limits: Limits) -> None:
    telling = Telling(path, Provenance.HEADER, reading.facts)
    telling.tell("format", reading.format)
    counted: list[Tensor] = []
    for names, found in walk(root, limits):
        tensor = _tensor(name_of(names), found, places)
        reading.tensors.append(tensor)
        count_tensors(len(reading.tensors), limits)
        # A checkpoint holds the optimizer's moments beside the parameters.
        if not names or not names[0].startswith("optim"):
            counted.append(tensor)
    tell_estimator(reading, telling, root)
    if all(fact.field != "framework" for fact in reading.facts):
        telling.tell("framework", "pytorch")
    made = class_of(root)
    if made is not None and made.module and made.module.startswith("__torch__"):
        telling.tell("architecture", made.name)
    hyperparameters = attributes(root).get("hyper_parameters")  # Lightning's checkpoints
    if isinstance(hyperparameters, Instance) and hyperparameters.made_by == DICT:
        telling.tell("hyperparameters", Teller().told(hyperparameters))
    weigh(telling, reading.tensors, counted)


def _tensor(name: str, found: Array | Strided, places: _Known) -> Tensor:
    """Return the tensor that a symbol is. Raise Malformed where it lies outside of its storage."""
    shape, count = elements(name, found.shape)
    if isinstance(found, Array):
        return Tensor(checked_name(name), found.dtype, shape, None, count * found.itemsize)
    size = count * found.storage.itemsize
    place, held = places.of(found.storage)
    if found.start < 0:
        raise Malformed(f"places the tensor {name!r:.80} before its storage")
    start = found.start * found.storage.itemsize
    if place is None or not _is_contiguous(shape, found.stride):
        return Tensor(checked_name(name), found.storage.dtype, shape, None, size)
    if start + size > held:
        raise Malformed(f"places the tensor {name!r:.80} outside of its storage of {held} bytes")
    return Tensor(checked_name(name), found.storage.dtype, shape, place + start, size)


def _is_contiguous(shape: tuple[int, ...], stride: tuple[Any, ...]) -> bool:
    expected = 1
    for extent, step in reversed(list(zip(shape, stride, strict=False))):
        if extent != 1 and step != expected:
            return False
        expected *= extent
    return len(shape) == len(stride)
