"""Files as somebody makes them who means harm: seeds changed or cut off, bombs, tricks with paths, pickles that act."""

from __future__ import annotations

import functools
import gzip
import io
import json
import lzma
import pickle
import random
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import joblib
import numpy as np
import zstandard

from tests.mediatypes.files.seeds import SEEDS

PACKINGS: Final = ("tar", "tar+gzip", "tar+zstd")
_NUMBERS: Final = (b"\xff" * 8, b"\0" * 8, b"\x7f" + b"\xff" * 7, bytes(7) + b"\x80", b"9" * 20)
_PIECES: Final = (*_NUMBERS, b"[[[[", b"&a *a", b"..", b"<<:")
_TYPES: Final = (*[tarfile.REGTYPE] * 4, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE)
_BOMB: Final = 64 << 20  # bytes that a bomb becomes, many times what it has


@dataclass(frozen=True)
class Hostile:
    """A blob, and how the server would read it; `kind` is what was done."""

    kind: str
    packing: str
    path: str
    content: bytes


class Acts:
    """What would run when it is unpickled: it would make a file."""

    def __init__(self, canary: Path, way: int) -> None:
        self._canary = str(canary)
        self._way = way

    def __reduce__(self) -> Any:
        ways: list[Any] = [
            (open, (self._canary, "w")),
            (exec, (f"open({self._canary!r}, 'w').close()",)),
            (eval, (f"open({self._canary!r}, 'w')",)),
            (__import__("os").system, (f"touch {self._canary}",)),
            (__import__("subprocess").check_call, (["touch", self._canary],)),
            (Path.touch, (Path(self._canary),)),
        ]
        return ways[self._way % len(ways)]


def hostile_files(seed: int, count: int, canary: Path) -> Iterator[Hostile]:
    """Yield so many blobs, the same for the same seed; those that would act make the file `canary`."""
    choices = random.Random(seed)
    makers: dict[Callable[[random.Random, Path], Hostile], int] = {
        changed: 55,
        cut_off: 12,
        misnamed: 6,
        noise: 3,
        bomb: 6,
        tricky_archive: 9,
        acting: 9,
    }
    for maker in choices.choices(list(makers), list(makers.values()), k=count):
        yield maker(choices, canary)


def _seed(choices: random.Random) -> tuple[str, bytes]:
    path = choices.choice(sorted(SEEDS))
    return path, SEEDS[path]


def _edited(choices: random.Random, content: bytes) -> bytes:
    found = bytearray(content)
    for _ in range(choices.randint(1, 6)):
        at = choices.randint(0, len(found))
        piece = choices.choice((choices.randbytes(choices.randint(1, 8)), *_PIECES))
        match choices.randrange(4):
            case 0:
                found[at : at + len(piece)] = piece
            case 1:
                found[at:at] = piece
            case 2:
                del found[at : at + len(piece)]
            case _:
                found[at:at] = found[at : at + 512]
    return bytes(found)


def _packed(choices: random.Random, archive: bytes) -> tuple[str, bytes]:
    packing = choices.choice(PACKINGS)
    if packing == "tar+gzip":
        return packing, gzip.compress(archive, 1, mtime=0)
    return packing, zstandard.compress(archive) if packing == "tar+zstd" else archive


def changed(choices: random.Random, _: Path) -> Hostile:
    """Return a seed with some of its bytes changed, as a file or in an archive that is changed."""
    path, content = _seed(choices)
    if choices.random() < 0.8:
        return Hostile("changed", "raw", path, _edited(choices, content))
    packing, archive = _packed(choices, _tar([(tarfile.TarInfo(path), content)]))
    return Hostile("changed", packing, "", _edited(choices, archive))


def cut_off(choices: random.Random, _: Path) -> Hostile:
    """Return the beginning of a seed, or of an archive of it."""
    path, content = _seed(choices)
    if choices.random() < 0.8:
        return Hostile("cut off", "raw", path, content[: choices.randint(0, len(content))])
    packing, archive = _packed(choices, _tar([(tarfile.TarInfo(path), content)]))
    return Hostile("cut off", packing, "", archive[: choices.randint(0, len(archive))])


def misnamed(choices: random.Random, _: Path) -> Hostile:
    """Return a seed by the name of another one."""
    return Hostile("misnamed", "raw", _seed(choices)[0], _seed(choices)[1])


def noise(choices: random.Random, _: Path) -> Hostile:
    """Return bytes of no format, behind the beginning of a seed."""
    path, content = _seed(choices)
    return Hostile(
        "noise", "raw", path, content[: choices.randint(0, 16)] + choices.randbytes(choices.randint(0, 5000))
    )


def bomb(choices: random.Random, _: Path) -> Hostile:
    """Return what would become many times as large as it is, or nest without end."""
    return choices.choice(_bombs())


@functools.cache
def _bombs() -> tuple[Hostile, ...]:
    zeros = bytes(_BOMB)
    tar = _tar([(tarfile.TarInfo("zeros.csv"), zeros)])
    sparse = tarfile.TarInfo("sparse.safetensors")
    sparse.pax_headers = {"GNU.sparse.map": "0,512", "GNU.sparse.size": str(1 << 50), "GNU.sparse.name": "x"}
    bombs: list[tuple[str, str, Callable[[], bytes]]] = [
        ("tar+gzip", "", lambda: gzip.compress(tar, 9, mtime=0)),
        ("tar+gzip", "", lambda: gzip.compress(gzip.compress(tar, 9, mtime=0) * 4, 9, mtime=0)),
        ("tar+zstd", "", lambda: zstandard.compress(tar, 3)),
        ("tar", "", lambda: _tar([(sparse, bytes(512))])),
        ("raw", "model.joblib", lambda: zlib.compress(zeros, 9)),
        ("raw", "model.joblib.xz", lambda: lzma.compress(zeros, preset=0)),
        ("raw", "arrays.npz", lambda: _zip({"a.npy": SEEDS["objects.npy"] + zeros})),
        ("raw", "model.pt", lambda: _zip({"archive/data.pkl": zeros, "archive/version": b"3"})),
        ("raw", "model.keras", lambda: _zip({"config.json": b"[" * (1 << 20), "metadata.json": b"{}"})),
        ("raw", "README.md", lambda: _laughs().encode()),
        ("raw", "conda.yaml", lambda: b"dependencies: " + b"[" * 100_000),
        ("raw", "config.json", lambda: b'{"a":' * 200_000),
        ("raw", "train.jsonl", lambda: b'{"a":' + b"[" * 500_000),
        ("raw", "model.safetensors", lambda: (1 << 62).to_bytes(8, "little") + b"{"),
        ("raw", "model.safetensors", lambda: _safetensors('{"a":' * 200_000)),
        ("raw", "model.gguf", lambda: b"GGUF" + (3).to_bytes(4, "little") + b"\xff" * 16 + bytes(100)),
        ("raw", "data.parquet", lambda: b"PAR1" + bytes(100) + (1 << 30).to_bytes(4, "little") + b"PAR1"),
        ("raw", "protocol.pkl", lambda: b"\x80\x04" + b"(" * 1_000_000 + b"."),
        ("raw", "doubling.pkl", lambda: b"\x80\x04]" + b"2a" * 200_000 + b"."),
        ("raw", "memo.pkl", lambda: b"\x80\x04N" + b"r\xff\xff\xff\x7f" * 1000 + b"."),
        ("raw", "train.csv", lambda: b'"' + b"a," * 1_000_000),
        ("raw", "flax.msgpack", lambda: b"\x81\xa1a" * 100_000),
    ]
    return tuple(Hostile("bomb", packing, path, make()) for packing, path, make in bombs)


def tricky_archive(choices: random.Random, canary: Path) -> Hostile:
    """Return an archive whose members would land elsewhere, or aren't files."""
    outside = str(canary)
    names = [
        "../" * 12 + outside,
        outside,
        f"a/../..{outside}",
        f"..\\..\\{outside}",
        "C:\\canary",
        "/etc/passwd",
        "a" * 5000,
    ]
    members: list[tuple[tarfile.TarInfo, bytes]] = []
    for _ in range(choices.randint(1, 6)):
        info = tarfile.TarInfo(
            choices.choice([*names, "config.json", "./config.json", "x/" * 200 + "y", "\udcff", "a\nb", ""])
        )
        info.type = choices.choice(_TYPES)
        info.linkname = (
            choices.choice([*names[:3], "config.json"]) if info.type in (tarfile.SYMTYPE, tarfile.LNKTYPE) else ""
        )
        content = choices.choice([b"{}", SEEDS["LICENSE"], SEEDS["model.safetensors"]]) if info.isreg() else b""
        members.append((info, content))
    packing, archive = _packed(choices, _tar(members))
    return Hostile("path", packing, "", archive)


def acting(choices: random.Random, canary: Path) -> Hostile:
    """Return what would run code when it is loaded, by each way that loads."""
    act = Acts(canary, choices.randrange(6))
    loaded = pickle.dumps(act, choices.randrange(6))
    lambdas = {
        "class_name": "Sequential",
        "config": {"layers": [{"class_name": "Lambda", "config": {"function": ["4wEA"]}}]},
    }
    command = f"touch {canary}"
    ways: list[tuple[str, Callable[[], bytes]]] = [
        ("model.pkl", lambda: loaded),
        ("model.bin", lambda: loaded),
        ("model.joblib", lambda: _written(lambda sink: joblib.dump([act, np.ones(3)], sink))),
        ("model.joblib.gz", lambda: gzip.compress(_written(lambda sink: joblib.dump(act, sink)), mtime=0)),
        ("array.npy", lambda: _written(lambda sink: np.save(sink, np.array([act], object)))),
        ("arrays.npz", lambda: _written(lambda sink: np.savez(sink, a=np.array([act], object)))),
        ("model.pt", lambda: _zip({"archive/data.pkl": loaded, "archive/version": b"3"})),
        ("legacy.pt", lambda: SEEDS["legacy.pt"][:16] + loaded),
        ("model.keras", lambda: _zip({"config.json": json.dumps(lambdas).encode(), "metadata.json": b"{}"})),
        ("README.md", lambda: b"---\nx: !!python/object/apply:os.system [%s]\n---\n" % command.encode()),
        ("MLmodel", lambda: b"flavors: !!python/object/new:os.system [%s]\n" % command.encode()),
        ("chat_template.jinja", lambda: b"{{ cycler.__init__.__globals__.os.system('%s') }}" % command.encode()),
        ("array.npy", lambda: _npy(f"__import__('os').system('touch {canary}')")),
        ("saved_model.pb", lambda: SEEDS["writes/saved_model.pb"]),
    ]
    path, make = choices.choice(ways)
    return Hostile("acting", "raw", path, make())


def _written(write: Callable[[io.BytesIO], object]) -> bytes:
    sink = io.BytesIO()
    write(sink)
    return sink.getvalue()


def _tar(members: list[tuple[tarfile.TarInfo, bytes]]) -> bytes:
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w", format=tarfile.PAX_FORMAT, errors="surrogateescape") as archive:
        for info, content in members:
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return sink.getvalue()


def _zip(entries: dict[str, bytes]) -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return sink.getvalue()


def _laughs() -> str:
    lines = ["a: &a [x, x, x, x, x, x, x, x, x]"]
    for before, name in zip("abcdefgh", "bcdefghi", strict=True):
        lines.append(f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]")
    return "---\n" + "\n".join(lines) + "\n---\n"


def _safetensors(header: str) -> bytes:
    return len(header).to_bytes(8, "little") + header.encode()


def _npy(header: str) -> bytes:
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode()
