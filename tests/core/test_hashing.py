"""Running hashes agree with hashlib, at any split and after any export, and refuse what is no state."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mediatypes.digest import Digest
from registry.core import hashing
from registry.core.hashing import HashStateInvalid, new_hash, restore_hash

ALGORITHMS = ["sha256", "sha512"]
CONTENT = random.Random(7).randbytes(70_000)


def exported(algorithm: str, content: bytes = b"") -> bytes:
    running = new_hash(algorithm)
    running.update(content)
    state = running.export()
    assert state is not None
    return state


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@given(pieces=st.lists(st.binary(max_size=300), max_size=8), cut=st.integers(0, 8))
def test_a_hash_goes_on_where_another_stopped(algorithm: str, pieces: list[bytes], cut: int) -> None:
    first = new_hash(algorithm)
    for piece in pieces[:cut]:
        first.update(piece)
    state = first.export()
    assert state is not None
    second = restore_hash(algorithm, state, length=len(b"".join(pieces[:cut])))
    assert second.digest() == first.digest() == Digest.of(b"".join(pieces[:cut]), algorithm)
    for piece in pieces[cut:]:
        second.update(piece)
    assert second.digest() == Digest.of(b"".join(pieces), algorithm)
    assert first.digest() == Digest.of(b"".join(pieces[:cut]), algorithm)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("cut", [*range(260), 65_535, 65_536, 69_999, 70_000])
def test_a_hash_is_exported_and_restored_at_every_position_of_a_block(algorithm: str, cut: int) -> None:
    restored = restore_hash(algorithm, exported(algorithm, CONTENT[:cut]), length=cut)
    restored.update(CONTENT[cut:])
    assert restored.digest() == Digest.of(CONTENT, algorithm)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview, lambda data: memoryview(bytearray(data))])
def test_bytes_of_every_kind_are_hashed(
    algorithm: str, kind: Callable[[bytes], bytes | bytearray | memoryview]
) -> None:
    running = new_hash(algorithm)
    data = kind(CONTENT)
    running.update(data)
    running.update(kind(b""))
    assert running.digest() == Digest.of(CONTENT, algorithm)
    if isinstance(data, bytearray):
        data.clear()  # nothing holds on to it


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_asking_for_the_digest_does_not_end_a_hash(algorithm: str) -> None:
    running = new_hash(algorithm)
    assert running.algorithm == algorithm
    assert running.digest() == running.digest() == Digest.of(b"", algorithm)
    running.update(b"more")
    assert running.digest() == Digest.of(b"more", algorithm)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_state_of_another_length_is_refused(algorithm: str) -> None:
    state = exported(algorithm)
    for wrong in (b"", state[:1], state[:-1], state + b"\0", state * 2):
        with pytest.raises(HashStateInvalid, match=f"{len(wrong)} bytes"):
            restore_hash(algorithm, wrong, length=0)


def test_a_state_of_another_algorithm_or_machine_is_refused() -> None:
    state = exported("sha256")
    with pytest.raises(HashStateInvalid):
        restore_hash("sha512", state, length=0)
    with pytest.raises(HashStateInvalid):
        restore_hash("sha512", exported("sha256") + bytes(104), length=0)
    with pytest.raises(HashStateInvalid):
        restore_hash("md5", state, length=0)
    with pytest.raises(HashStateInvalid):
        restore_hash("sha256", bytes([3 - state[0]]) + state[1:], length=0)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("fill", [0, 2, 64, 128, 1 << 31, (1 << 32) - 1])
def test_a_state_whose_block_is_not_filled_as_its_length_says_is_refused(algorithm: str, fill: int) -> None:
    """Here libcrypto would write beyond the struct."""
    state = bytearray(exported(algorithm, b"x"))
    struct.pack_into("=I", state, len(state) - 8, fill)
    with pytest.raises(HashStateInvalid, match="after 1 bytes"):
        restore_hash(algorithm, bytes(state), length=1)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_state_that_gives_a_digest_of_another_length_is_refused(algorithm: str) -> None:
    """Here libcrypto's Final writes as many bytes as the state says."""
    state = bytearray(exported(algorithm, b"x"))
    struct.pack_into("=I", state, len(state) - 4, 1 << 16)
    with pytest.raises(HashStateInvalid):
        restore_hash(algorithm, bytes(state), length=1)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_without_libcrypto_hashes_work_but_have_no_state(algorithm: str, without_libcrypto: None) -> None:
    running = new_hash(algorithm)
    running.update(CONTENT[:9])
    running.update(bytearray(CONTENT[9:]))
    assert running.digest() == Digest.of(CONTENT, algorithm)
    assert running.export() is None


def test_without_libcrypto_no_state_is_restored(without_libcrypto: None) -> None:
    with pytest.raises(HashStateInvalid, match="no libcrypto"):
        restore_hash("sha256", bytes(113), length=0)


def test_libcrypto_is_used_where_python_has_one() -> None:
    assert hashing._library() is not None


def test_the_self_test_finds_a_library_that_miscounts(monkeypatch: pytest.MonkeyPatch) -> None:
    library = hashing._library()
    assert library is not None
    assert hashing._passes_self_test(library)
    monkeypatch.setitem(hashing._CONTEXT_SIZES, "sha256", 100)
    assert not hashing._passes_self_test(library)
