"""Names of hosts are looked up one look at a time, and addresses not at all."""

from __future__ import annotations

import pytest

from registry.db.hosts import Hosts, hosts_of


@pytest.mark.parametrize(
    ("url", "names"),
    [
        ("postgresql://u:p@one/d", ["one"]),
        ("postgresql://u:p@one:5432,two:5433/d", ["one", "two"]),
        ("postgresql://u:p@x@192.0.2.1:5432,[2001:db8::1]:5432/d", []),
        ("postgresql://u@/d?host=one,/run/postgresql&port=1", ["one"]),
        ("postgresql:///d", []),
    ],
)
def test_the_names_in_a_url_are_those_of_its_hosts(url: str, names: list[str]) -> None:
    assert Hosts(hosts_of(url))._names == names
