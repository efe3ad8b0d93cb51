"""Digests: text, value and key are three forms of one thing."""

from __future__ import annotations

import hashlib
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mediatypes.digest import ALGORITHMS, Digest, InvalidDigest

NAMES = st.sampled_from(sorted(ALGORITHMS))
DIGESTS = st.builds(Digest.of, st.binary(max_size=64), NAMES)
NEAR = st.from_regex(r"\A(sha256|sha512|SHA256|sha-256|md5):[0-9a-fA-F]{60,130}\Z")
FORM = re.compile(r"(sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})")


@given(DIGESTS)
def test_a_digest_that_is_written_is_read_back(digest: Digest) -> None:
    assert Digest.parse(str(digest)) == digest


@given(DIGESTS)
def test_a_digest_that_is_packed_is_unpacked(digest: Digest) -> None:
    packed = digest.to_bytes()
    assert Digest.from_bytes(packed) == digest
    assert len(packed) == {"sha256": 33, "sha512": 65}[digest.algorithm]


@given(st.binary(), NAMES)
def test_a_digest_is_what_hashlib_says(content: bytes, algorithm: str) -> None:
    assert str(Digest.of(content, algorithm)) == f"{algorithm}:{hashlib.new(algorithm, content).hexdigest()}"


@given(st.lists(DIGESTS))
def test_packed_digests_stand_in_the_order_of_their_text(digests: list[Digest]) -> None:
    assert sorted(digests, key=Digest.to_bytes) == sorted(digests, key=str) == sorted(digests)


@given(DIGESTS, DIGESTS)
def test_different_digests_differ_in_every_form(first: Digest, second: Digest) -> None:
    assert (first == second) == (str(first) == str(second)) == (first.to_bytes() == second.to_bytes())


@given(NEAR | st.text() | DIGESTS.map(str))
def test_a_digest_is_read_exactly_where_its_form_is_met(text: str) -> None:
    try:
        assert str(Digest.parse(text)) == text
    except InvalidDigest:
        assert FORM.fullmatch(text) is None
    else:
        assert FORM.fullmatch(text) is not None


@given(DIGESTS, st.sampled_from(["\n", " ", "0", "\0", "/..", "é"]))
def test_a_digest_with_something_around_it_is_none(digest: Digest, more: str) -> None:
    for text in (str(digest) + more, more + str(digest)):
        with pytest.raises(InvalidDigest):
            Digest.parse(text)


@given(DIGESTS)
def test_upper_case_is_no_digest(digest: Digest) -> None:
    for text in (str(digest).upper(), f"{digest.algorithm.upper()}:{digest.encoded}"):
        with pytest.raises(InvalidDigest):
            Digest.parse(text)


@pytest.mark.parametrize("digit", ["٠", "０", "𝟎"])
def test_digits_of_other_scripts_are_no_digest(digit: str) -> None:
    with pytest.raises(InvalidDigest):
        Digest.parse("sha256:" + digit * 64)
