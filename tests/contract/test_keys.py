"""Keys of the storage are random."""

from __future__ import annotations

import re

from registry.storage.base import new_key


def test_a_new_key_is_32_hexadecimal_digits_never_used_before() -> None:
    keys = {new_key() for _ in range(1000)}
    assert len(keys) == 1000
    assert all(re.fullmatch("[0-9a-f]{32}", key) for key in keys)
