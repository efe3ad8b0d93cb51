"""Scopes: the grammar, and what crafted ones come to."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.auth.scopes import MAX_SCOPES, InvalidScope, Scope, parse_scopes

NAMES = st.from_regex(r"[a-z0-9]+([/._-][a-z0-9]+){0,4}", fullmatch=True)
SCOPES = st.builds(
    Scope,
    st.sampled_from(["repository", "registry"]),
    NAMES,
    st.frozensets(st.sampled_from(["pull", "push", "delete", "*"])),
)


@given(SCOPES)
def test_what_is_written_is_read(scope: Scope) -> None:
    assert parse_scopes([str(scope)]) == [scope]


@given(st.text())
def test_any_text_is_a_scope_or_refused(text: str) -> None:
    try:
        found = parse_scopes([text])
    except InvalidScope:
        return
    assert all(isinstance(scope, Scope) for scope in found)


@pytest.mark.parametrize(
    ("given", "read"),
    [
        (
            ["repository:a:pull", "repository:b:push"],
            ["repository:a:pull", "repository:b:push"],
        ),  # repeated, as most do
        (
            ["repository:a:pull repository:b:push"],
            ["repository:a:pull", "repository:b:push"],
        ),  # or in one, as the suite does
        (["repository:a:pull", "repository:a:push,pull"], ["repository:a:pull,push"]),
        (["repository(plugin):a:pull"], ["repository:a:pull"]),
        (["repository:localhost:5000/a:pull"], ["repository:localhost:5000/a:pull"]),
        (["registry:catalog:*"], ["registry:catalog:*"]),
        (["repository:a:"], ["repository:a:"]),
        (["repository:a:pull:push,"], ["repository:a:pull:push"]),  # the first and the last colon separate
        ([""], []),
    ],
)
def test_scopes_as_clients_write_them(given: list[str], read: list[str]) -> None:
    assert [str(scope) for scope in parse_scopes(given)] == read


@pytest.mark.parametrize(
    "text",
    [
        "repository",
        "repository:a",
        ":a:pull",
        "repository::pull",
        "Repository:a:pull",
        "repository(a)(b):a:pull",
        "repository:a:pull;push",
        "repository:a:pull\u0661",
        f"repository:{'a' * 400}:pull",
    ],
)
def test_what_is_no_scope_is_refused(text: str) -> None:
    with pytest.raises(InvalidScope, match="type:name:action"):
        parse_scopes([text])


def test_too_many_scopes_are_refused() -> None:
    assert len(parse_scopes([f"repository:a{n}:pull" for n in range(MAX_SCOPES)])) == MAX_SCOPES
    with pytest.raises(InvalidScope, match="more than"):
        parse_scopes(["repository:a:pull " * (MAX_SCOPES + 1)])
