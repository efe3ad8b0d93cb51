"""The grammars of names and tags: what they generate is read back as it is, what they don't is refused."""

from __future__ import annotations

import re
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mediatypes.names import MAX_NAME_LENGTH, InvalidName, InvalidTag, parse_repository_name, parse_tag

# The productions, built the way the specification writes them; the parser's own expressions are not used.
ALPHANUMERIC = st.text(string.ascii_lowercase + string.digits, min_size=1, max_size=6)
SEPARATOR = st.sampled_from([".", "_", "__"]) | st.integers(1, 4).map("-".__mul__)
COMPONENT = st.builds(
    lambda first, rest: first + "".join(separator + word for separator, word in rest),
    ALPHANUMERIC,
    st.lists(st.tuples(SEPARATOR, ALPHANUMERIC), max_size=3),
)
NAMES = st.lists(COMPONENT, min_size=1, max_size=5).map("/".join).filter(lambda name: len(name) <= MAX_NAME_LENGTH)
TAG_FIRST = string.ascii_letters + string.digits + "_"
TAGS = st.builds(str.__add__, st.sampled_from(TAG_FIRST), st.text(TAG_FIRST + ".-", max_size=127))

# The specification's own expressions (distribution-spec v1.1.1, Pulling manifests), word for word.
SPEC_NAME = re.compile(r"[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(\/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*")
SPEC_TAG = re.compile(r"[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}")

NEAR_NAMES = st.text("aA0._-/ \n%é", max_size=12)
NEAR_TAGS = st.text("aA0._-/: \n%é", max_size=12)


@given(NAMES)
def test_every_name_of_the_grammar_is_read_as_it_is(name: str) -> None:
    assert parse_repository_name(name) == name


@given(NAMES, NAMES)
def test_names_joined_by_a_slash_are_a_name(first: str, second: str) -> None:
    joined = f"{first}/{second}"
    if len(joined) <= MAX_NAME_LENGTH:
        assert parse_repository_name(joined) == joined


@given(NEAR_NAMES | st.text())
def test_a_name_is_read_exactly_where_the_specification_has_it(text: str) -> None:
    try:
        parse_repository_name(text)
    except InvalidName:
        assert SPEC_NAME.fullmatch(text) is None or len(text) > MAX_NAME_LENGTH
    else:
        assert SPEC_NAME.fullmatch(text) is not None


@given(NAMES, st.sampled_from(["/", ".", "-", "_", "\n", "\0", " ", "A", "é", "%", "//x", "/.", "___a", "..a"]))
def test_a_name_with_something_after_it_is_none(name: str, after: str) -> None:
    with pytest.raises(InvalidName):
        parse_repository_name(name + after)


@given(st.integers(MAX_NAME_LENGTH + 1, 5000))
def test_a_name_is_at_most_255_characters_long(length: int) -> None:
    with pytest.raises(InvalidName, match="longer than 255"):
        parse_repository_name("a" * length)


@given(TAGS)
def test_every_tag_of_the_grammar_is_read_as_it_is(tag: str) -> None:
    assert parse_tag(tag) == tag


@given(NEAR_TAGS | st.text())
def test_a_tag_is_read_exactly_where_the_specification_has_it(text: str) -> None:
    try:
        parse_tag(text)
    except InvalidTag:
        assert SPEC_TAG.fullmatch(text) is None
    else:
        assert SPEC_TAG.fullmatch(text) is not None


@given(TAGS)
def test_no_tag_is_taken_for_a_digest_or_leads_elsewhere(tag: str) -> None:
    assert not set(tag) & set(":/%\0\n")
    assert tag not in (".", "..")


@given(NAMES)
def test_no_name_leads_elsewhere(name: str) -> None:
    assert not {".", "..", ""} & set(name.split("/"))


@pytest.mark.parametrize("text", ["a" * 254 + "!", "a-" * 127, ("a." * 100) + "!", ("a_" * 100) + "/" * 5, "-" * 255])
def test_long_text_that_is_nearly_a_name_is_refused_as_fast(text: str) -> None:
    # A pattern that backtracks without end would never come back here.
    with pytest.raises(InvalidName):
        parse_repository_name(text)
