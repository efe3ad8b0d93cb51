"""Immutable bytes by digest stay within their bounds."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from registry.core.cache import ByteCache


def test_what_was_put_is_got_and_nothing_else() -> None:
    cache = ByteCache(100_000)
    cache.put(b"key", b"content")
    assert cache.get(b"key") == b"content"
    assert cache.get(b"other") is None
    assert b"key" in cache
    assert b"other" not in cache
    assert None not in cache


def test_the_least_recently_used_goes_first() -> None:
    cache = ByteCache(10 * 1200)
    for number in range(10):
        cache.put(bytes([number]), bytes(1000))
    assert cache.get(b"\0") is not None
    cache.put(b"new", bytes(1000))
    assert b"\0" in cache
    assert b"\1" not in cache
    assert b"new" in cache


def test_one_content_takes_an_eighth_at_most() -> None:
    cache = ByteCache(8 * 1200)
    cache.put(b"fits", bytes(1000))
    cache.put(b"too large", bytes(1001))
    assert b"fits" in cache
    assert b"too large" not in cache


def test_a_cache_of_no_bytes_keeps_nothing() -> None:
    cache = ByteCache(0)
    cache.put(b"key", b"")
    assert cache.get(b"key") is None


@given(
    limit=st.integers(0, 4_000),
    puts=st.lists(st.tuples(st.integers(0, 40), st.integers(0, 350), st.booleans()), min_size=25, max_size=60),
)
def test_the_cache_never_holds_more_than_its_limit_and_never_other_bytes(
    limit: int, puts: list[tuple[int, int, bool]]
) -> None:
    cache, known = ByteCache(limit), dict[bytes, bytes]()
    for number, size, is_read in puts:
        key = bytes([number])
        content = known.setdefault(key, bytes([number]) * size)
        cache.put(key, content)
        if is_read:
            assert cache.get(key) in (None, content)
        held = [found for key in known if (found := cache.get(key)) is not None]
        assert sum(len(content) + 200 for content in held) <= limit
        assert cache._size == sum(len(content) + 200 for content in held)
