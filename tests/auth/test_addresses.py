"""Which addresses outgoing calls may go to, in whatever form they are written."""

from __future__ import annotations

import ipaddress
from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.auth.addresses import Allowed, is_public, meant

FORBIDDEN = {
    "loopback": ["127.0.0.1", "127.255.255.254", "::1"],
    "private": ["10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1"],
    "link-local": ["169.254.0.1", "fe80::1", "fe80::1%eth0"],
    "metadata of clouds": ["169.254.169.254", "100.100.100.200", "168.63.129.16", "192.0.0.192", "fd00:ec2::254"],
    "carrier-grade NAT": ["100.64.0.1", "100.127.255.255"],
    "unique local": ["fc00::1", "fd12:3456::1"],
    "multicast and broadcast": ["224.0.0.1", "239.1.1.1", "255.255.255.255", "ff02::1"],
    "unspecified": ["0.0.0.0", "0.1.2.3", "::"],
    "documentation and tests": ["192.0.2.1", "198.51.100.1", "203.0.113.1", "198.18.0.1", "2001:db8::1"],
    "IPv4-mapped": ["::ffff:127.0.0.1", "::ffff:169.254.169.254", "::ffff:a00:1"],
    "IPv4-compatible": ["::127.0.0.1", "::a9fe:a9fe"],
    "NAT64": ["64:ff9b::127.0.0.1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::1"],
    "6to4": ["2002:7f00:1::", "2002:a9fe:a9fe::1", "2002:a00:1::"],
    "Teredo": ["2001:0:1::1"],
    "site-local and discard": ["fec0::1", "100::1"],
}


@pytest.mark.parametrize("address", [one for some in FORBIDDEN.values() for one in some])
def test_an_address_that_is_not_public_is_refused(address: str) -> None:
    assert not Allowed().permits("host.example", address)
    assert not Allowed(["other.example", "11.0.0.0/8"]).permits("host.example", address)


@pytest.mark.parametrize(
    "address", ["1.1.1.1", "140.82.112.3", "2606:4700::1111", "::ffff:1.1.1.1", "64:ff9b::101:101"]
)
def test_a_public_address_is_permitted(address: str) -> None:
    assert Allowed().permits("host.example", address)


@given(st.ip_addresses(v=4))
def test_an_address_means_the_same_in_every_form(address: IPv4Address) -> None:
    number = int(address)
    forms = [(0xFFFF << 32) + number, (0x64FF9B << 96) + number, (0x2002 << 112) + (number << 80)]
    for form in forms:
        assert meant(str(IPv6Address(form))) == address
        assert Allowed().permits("h", str(IPv6Address(form))) == is_public(address)


@given(st.ip_addresses())
def test_what_python_knows_as_private_is_never_public(address: IPv4Address | IPv6Address) -> None:
    found = meant(str(address))
    if found.is_private or found.is_loopback or found.is_link_local or found.is_multicast or found.is_unspecified:
        assert not is_public(found)


def test_an_allowed_network_is_open_in_every_form_and_nothing_beside_it() -> None:
    allowed = Allowed(["10.1.0.0/16", "fd00:1::/64", "127.0.0.1"])
    for address in ("10.1.2.3", "::ffff:10.1.2.3", "fd00:1::9", "127.0.0.1"):
        assert allowed.permits("host.example", address)
    for address in ("10.2.0.1", "fd00:2::1", "127.0.0.2", "169.254.169.254"):
        assert not allowed.permits("host.example", address)


def test_an_allowed_name_may_lead_to_private_addresses_but_never_to_those_where_credentials_are() -> None:
    allowed = Allowed(["idp.internal"])
    assert allowed.permits("idp.internal", "10.0.0.1")
    assert allowed.permits("idp.internal", "127.0.0.1")
    assert not allowed.permits("other.internal", "10.0.0.1")
    for address in (*FORBIDDEN["metadata of clouds"], "::ffff:169.254.169.254", "fe80::1", "0.0.0.0", "224.0.0.1"):
        assert not allowed.permits("idp.internal", address)
    assert Allowed(["idp.internal", "169.254.169.254/32"]).permits("idp.internal", "169.254.169.254")


def test_plain_http_needs_the_host_to_be_named_or_its_address_to_be_in_an_allowed_network() -> None:
    allowed = Allowed(["IdP.internal.", "127.0.0.0/8"])
    assert allowed.permits_plain("idp.internal")
    assert allowed.permits_plain("127.0.0.1")
    assert not allowed.permits_plain("localhost")
    assert not allowed.permits_plain("128.0.0.1")
    assert not Allowed().permits_plain("idp.internal")


@pytest.mark.parametrize("entry", ["10.0.0.1/8", "host/8", "", "http://host", "a b", "*.example", "hüst"])
def test_what_is_neither_a_host_nor_a_network_is_refused(entry: str) -> None:
    with pytest.raises(ValueError, match=r"host|network"):
        Allowed([entry])


def test_the_forms_of_ip_are_those_of_python() -> None:
    for some in FORBIDDEN.values():
        for address in some:
            assert ipaddress.ip_address(address)
