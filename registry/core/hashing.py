"""Running hashes whose state can be stored, so that any process may go on where another stopped (DESIGN, decision 7).

hashlib can't export its state; libcrypto's own SHA256_CTX and SHA512_CTX are plain structs of fixed layout (openssl/sha.h), and
`SHA256_Update` and its like are exported by every libcrypto. The library is the very one that Python's hashlib uses.
What is stored is the raw struct behind one byte of format, checked for its length; never a pickle (CVE-2026-32590).
Where the library is missing or fails its self-test, hashlib does the work and there is no state: the caller reads again
what is stored.
"""

from __future__ import annotations

import _hashlib
import ctypes
import ctypes.util
import hashlib
import struct
import sys
from functools import cache
from typing import Final, Protocol

from mediatypes.digest import Digest

_CONTEXT_SIZES: Final = {"sha256": 112, "sha512": 216}  # bytes of SHA256_CTX and SHA512_CTX
_BLOCK_SIZES: Final = {"sha256": 64, "sha512": 128}
_DIGEST_SIZES: Final = {"sha256": 32, "sha512": 64}
# The struct's integers are in the machine's byte order.
_FORMAT: Final = b"\x01" if sys.byteorder == "little" else b"\x02"


class HashStateInvalid(ValueError):
    """Stored bytes that are no state of the algorithm on this machine."""


class RunningHash(Protocol):
    """A hash over bytes that arrive in pieces."""

    @property
    def algorithm(self) -> str:
        """`sha256` or `sha512`."""

    def update(self, data: bytes | bytearray | memoryview) -> None:
        """Add `data`. Large pieces are hashed without holding the interpreter's lock."""

    def digest(self) -> Digest:
        """Return the digest of all bytes so far; the hash can go on."""

    def export(self) -> bytes | None:
        """Return the state for `restore_hash`; None where it can't be exported."""


def new_hash(algorithm: str) -> RunningHash:
    """Return a hash over no bytes yet."""
    if _library() is None:
        return _HashlibHash(algorithm)
    return _ContextHash.new(algorithm)


def restore_hash(algorithm: str, state: bytes, *, length: int) -> RunningHash:
    """Return the hash that exported `state` after `length` bytes. Raise HashStateInvalid where none can have.

    libcrypto believes a context's own word on how full its block is, and would write behind it: that word is checked.
    """
    if _library() is None:
        raise HashStateInvalid("this process has no libcrypto that could go on with a stored hash")
    if algorithm not in _CONTEXT_SIZES or len(state) != 1 + _CONTEXT_SIZES[algorithm] or state[:1] != _FORMAT:
        raise HashStateInvalid(f"{len(state)} bytes are no state of {algorithm} on this machine")
    # The struct ends with `unsigned int num, md_len`: the bytes in the unfinished block, and those of a digest.
    if struct.unpack("=II", state[-8:]) != (length % _BLOCK_SIZES[algorithm], _DIGEST_SIZES[algorithm]):
        raise HashStateInvalid(f"the state is none of {algorithm} after {length} bytes")
    return _ContextHash(algorithm, ctypes.create_string_buffer(state[1:], _CONTEXT_SIZES[algorithm]))


class _HashlibHash:
    def __init__(self, algorithm: str) -> None:
        self.algorithm = algorithm
        self._hash = hashlib.new(algorithm)

    def update(self, data: bytes | bytearray | memoryview) -> None:
        self._hash.update(data)

    def digest(self) -> Digest:
        return Digest(self.algorithm, self._hash.hexdigest())

    def export(self) -> bytes | None:
        return None


class _ContextHash:
    def __init__(self, algorithm: str, context: ctypes.Array[ctypes.c_char]) -> None:
        self.algorithm = algorithm
        self._context = context

    @classmethod
    def new(cls, algorithm: str) -> _ContextHash:
        context = ctypes.create_string_buffer(_CONTEXT_SIZES[algorithm])
        _function(algorithm, "Init")(context)
        return cls(algorithm, context)

    def update(self, data: bytes | bytearray | memoryview) -> None:
        if not data:
            return
        if isinstance(data, bytes):
            _function(self.algorithm, "Update")(self._context, data, ctypes.c_size_t(len(data)))
            return
        with memoryview(data) as view:
            if view.readonly:
                self.update(bytes(view))
                return
            piece = (ctypes.c_char * view.nbytes).from_buffer(view)
            _function(self.algorithm, "Update")(self._context, piece, ctypes.c_size_t(view.nbytes))
            del piece

    def digest(self) -> Digest:
        # Final ends a context: it works on a copy.
        copy = ctypes.create_string_buffer(self._context.raw, len(self._context))
        result = ctypes.create_string_buffer(_DIGEST_SIZES[self.algorithm])
        _function(self.algorithm, "Final")(result, copy)
        return Digest(self.algorithm, result.raw.hex())

    def export(self) -> bytes | None:
        return _FORMAT + self._context.raw


@cache
def _library() -> ctypes.CDLL | None:
    for name in (_hashlib.__file__, ctypes.util.find_library("crypto"), "libcrypto.so.3"):
        try:
            library = ctypes.CDLL(name) if name else None
            if library is not None and _passes_self_test(library):
                return library
        except (OSError, AttributeError):
            continue
    return None


@cache
def _function(algorithm: str, step: str) -> ctypes._NamedFuncPointer:
    library = _library()
    assert library is not None
    return _named(library, algorithm, step)


def _named(library: ctypes.CDLL, algorithm: str, step: str) -> ctypes._NamedFuncPointer:
    function: ctypes._NamedFuncPointer = getattr(library, f"{algorithm.upper()}_{step}")
    function.restype = ctypes.c_int
    return function


def _passes_self_test(library: ctypes.CDLL) -> bool:
    """Hash in two pieces with an export between them, and compare with hashlib."""
    message = bytes(range(251)) * 5
    for algorithm, size in _CONTEXT_SIZES.items():
        guard = b"\xa5" * 64  # what lies behind the struct must stay untouched, or its size is not what we think
        context = ctypes.create_string_buffer(bytes(size) + guard, size + len(guard))
        _named(library, algorithm, "Init")(context)
        _named(library, algorithm, "Update")(context, message[:301], ctypes.c_size_t(301))
        restored = ctypes.create_string_buffer(context.raw, len(context))
        _named(library, algorithm, "Update")(restored, message[301:], ctypes.c_size_t(len(message) - 301))
        result = ctypes.create_string_buffer(_DIGEST_SIZES[algorithm])
        _named(library, algorithm, "Final")(result, restored)
        if result.raw != hashlib.new(algorithm, message).digest() or restored.raw[size:] != guard:
            return False
    return True
