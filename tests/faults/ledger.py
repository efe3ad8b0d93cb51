"""What clients asked for and what was acknowledged, and so what a registry may answer.

Each blob of a repository, each manifest and each tag is a register: it holds a digest or nothing. A write that was never
answered may take effect at any later time, or never.
"""

from __future__ import annotations

import hashlib
import itertools
import random
import threading
import time
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple

Kind = Literal["blob", "manifest", "tag"]

KINDS: Final[tuple[Kind, ...]] = ("blob", "manifest", "tag")
NEVER: Final = float("inf")

_ticks = itertools.count(1)


def now() -> float:
    """Return a number that no other call returns and that orders the calls of all threads."""
    return next(_ticks)


class Key(NamedTuple):
    """What a register is about; `name` is a digest or a tag."""

    kind: Kind
    repository: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.repository} {self.name}"


@dataclass(slots=True, eq=False)
class Write:
    """A change that was asked for: to `value` (None: deleted) between the ticks `begun` and `ended`."""

    value: str | None
    begun: float
    ended: float = NEVER
    acknowledged: bool = False


class Register:
    """The history of one key. The methods are called under the ledger's lock."""

    def __init__(self) -> None:
        self._writes = [Write(None, 0, 0, acknowledged=True)]

    def begin(self, value: str | None) -> Write:
        """Note that a write is being asked for."""
        write = Write(value, now())
        self._writes.append(write)
        return write

    def drop(self, write: Write) -> None:
        """Note that a write was refused: it never happened."""
        self._writes.remove(write)

    def readable(self, since: float = NEVER) -> set[str | None]:
        """Return what a read may find that began at the tick `since` and ends now; by default, that begins now.

        A write is out of date for it when an acknowledged one began after its end, and ended before the read began.
        """
        if len(self._writes) == 1:
            return {self._writes[0].value}
        settled = [write for write in self._writes if write.acknowledged and write.ended < since]
        newest = max((write.begun for write in settled), default=0)
        return {write.value for write in self._writes if write.ended >= newest}

    def settle(self, value: str | None) -> None:
        """Forget the history: `value` was found when nobody was writing."""
        self._writes = [Write(value, 0, 0, acknowledged=True)]


@dataclass(frozen=True, slots=True)
class Content:
    """Bytes of a blob, made anew when they are needed."""

    seed: str
    size: int
    digest: str

    @classmethod
    def make(cls, seed: str, size: int, algorithm: str = "sha256") -> Content:
        """Return the content of `size` bytes that `seed` stands for."""
        data = random.Random(seed).randbytes(size)
        return cls(seed, size, f"{algorithm}:{hashlib.new(algorithm, data).hexdigest()}")

    @property
    def data(self) -> bytes:
        return random.Random(self.seed).randbytes(self.size)


@dataclass(slots=True, eq=False)
class Upload:
    """A session that a client knows and has not seen ended. `acknowledged` and `sent` are in bytes."""

    repository: str
    location: str
    content: Content
    acknowledged: int = 0
    sent: int = 0
    finishing: bool = False
    cancelling: bool = False
    touched: float = field(default_factory=time.monotonic)


@dataclass
class Ledger:
    """Everything that clients know of one data directory, and what they found wrong."""

    registers: dict[tuple[Kind, str], dict[str, Register]] = field(default_factory=lambda: defaultdict(dict))
    """By kind and repository, then by name."""
    contents: dict[str, Content] = field(default_factory=dict)
    manifests: dict[str, tuple[bytes, str]] = field(default_factory=dict)
    uploads: list[Upload] = field(default_factory=list)
    touched: set[Key] = field(default_factory=set)
    """Keys with a write since the last check."""
    violations: list[str] = field(default_factory=list)
    acknowledged: int = 0
    unavailable: int = 0
    """Answers with 503."""
    broken: int = 0
    """Connections that ended before an answer."""
    lock: threading.RLock = field(default_factory=threading.RLock)

    def begin(self, key: Key, value: str | None) -> Write:
        """See Register."""
        with self.lock:
            self.touched.add(key)
            return self.registers[key[:2]].setdefault(key.name, Register()).begin(value)

    def answer(self, key: Key, write: Write, *, done: bool | None) -> None:
        """Note a write's answer: done, not done (False), or ended without one knowing (None)."""
        with self.lock:
            if done is False:
                self.registers[key[:2]][key.name].drop(write)
            else:
                write.ended = now()
                write.acknowledged = done is True

    def readable(self, key: Key, since: float = NEVER) -> set[str | None]:
        """See Register."""
        with self.lock:
            return self.registers[key[:2]][key.name].readable(since)

    def settle(self, key: Key, value: str | None) -> None:
        """See Register."""
        with self.lock:
            self.registers[key[:2]][key.name].settle(value)

    def present(self, kind: Kind, repository: str) -> list[str]:
        """Return the names of this kind that surely are in the repository."""
        with self.lock:
            found = self.registers[kind, repository].items()
            return [name for name, register in found if None not in register.readable()]

    def keys(self, kind: Kind, repository: str) -> list[Key]:
        """Return the keys of this kind that were ever written in the repository."""
        with self.lock:
            return [Key(kind, repository, name) for name in self.registers[kind, repository]]

    def everything(self) -> list[Key]:
        """Return every key that was ever written."""
        with self.lock:
            return [Key(*group, name) for group, registers in self.registers.items() for name in registers]

    def violate(self, what: str) -> None:
        """Note something that a registry must not do."""
        with self.lock:
            self.violations.append(what)
