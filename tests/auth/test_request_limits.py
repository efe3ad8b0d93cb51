"""Requests are counted by who makes them and by what they are for."""

from __future__ import annotations

import pytest

from registry.auth.request_limits import RequestClass, RequestLimits, class_of
from registry.core.access import EVERYONE, NOBODY, Caller
from registry.core.limits import MemoryCounter
from tests.core.test_limits import Clock

ADA, BOB = Caller(1, "ada"), Caller(2, "bob")


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("GET", "/v2/a/manifests/v1", "read"),
        ("HEAD", "/v2/a/blobs/sha256:0", "read"),
        ("PUT", "/v2/a/manifests/v1", "write"),
        ("POST", "/v2/a/blobs/uploads/", "write"),
        ("PATCH", "/v2/a/blobs/uploads/1", "write"),
        ("DELETE", "/v2/a/manifests/v1", "write"),
        ("GET", "/v2/auth/manifests/v1", "read"),
        ("GET", "/auth/token", "login"),
        ("POST", "/auth/token", "login"),
        ("GET", "/api/v1/repositories", "read"),
        ("GET", "/api/v1/admin/users", "admin"),
        ("DELETE", "/api/v1/admin/users/ada", "admin"),
    ],
)
def test_what_a_request_is_for(method: str, path: str, expected: str) -> None:
    assert class_of(method, path) == expected


async def test_each_class_and_each_principal_has_its_own_count_wherever_it_is() -> None:
    limits = RequestLimits(
        {RequestClass.READ: 2, RequestClass.WRITE: 1, RequestClass.ADMIN: 0}, MemoryCounter(clock=Clock())
    )

    async def is_refused(of: RequestClass, caller: Caller, network: str) -> bool:
        return (await limits.count(of, caller, network)).is_refused

    assert [await is_refused(RequestClass.READ, ADA, network) for network in ("a", "b", "c")] == [False, False, True]
    assert await is_refused(RequestClass.READ, BOB, "a") is False
    assert [await is_refused(RequestClass.WRITE, ADA, "a") for _ in range(2)] == [False, True]
    assert set(limits.limited) == {RequestClass.READ, RequestClass.WRITE}


@pytest.mark.parametrize("caller", [NOBODY, EVERYONE])
async def test_who_is_nobody_in_particular_is_counted_by_his_network(caller: Caller) -> None:
    limits = RequestLimits({RequestClass.READ: 1}, MemoryCounter(clock=Clock()))
    found = [await limits.count(RequestClass.READ, caller, network) for network in ("a", "a", "b")]
    assert [standing.is_refused for standing in found] == [False, True, False]


async def test_logins_are_counted_by_the_network_whoever_they_are_of() -> None:
    limits = RequestLimits({RequestClass.LOGIN: 1}, MemoryCounter(clock=Clock()))
    found = [await limits.count(RequestClass.LOGIN, caller, "a") for caller in (ADA, BOB)]
    assert [standing.is_refused for standing in found] == [False, True]
