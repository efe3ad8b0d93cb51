"""An address that can't be listened on is refused with what to do; what the command line says is in tests/lifecycle."""

from __future__ import annotations

import pytest

from registry.ports import AddressUnusable, reserved


@pytest.mark.parametrize(
    ("host", "reason"),
    [("203.0.113.1", "is not an address of this machine"), ("::g", "is not known: "), ("a..b", "is not known: ")],
    ids=["another machine's", "no address", "no name"],
)
def test_a_host_that_is_not_this_one_is_said(host: str, reason: str) -> None:
    with pytest.raises(AddressUnusable, match=rf"{host} {reason}.*; choose another with --host$"), reserved(host, 0):
        pass
