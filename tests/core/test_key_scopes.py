"""What can be a scope of an API key, and what one permits: never more than it says."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mediatypes.names import RepositoryName
from registry.auth.key_bounds import bound_of_key
from registry.core.access import ALL, DELETE, PULL, Caller, Credential, CredentialKind, Permission, pullable
from registry.core.key_scopes import MOST, require_scopes
from registry.errors import IdentityRefused

NAMES = ["a", "a/b", "a/bc", "a/b/c", "ab/c", "b", "library/a"]
PATTERNS = [*NAMES, "*", "a*", "a/*", "a/b*", "a/b/*", "library/*"]
PERMITTED = {
    "pull": {Permission.PULL},
    "push": {Permission.PUSH, Permission.TAG_MOVE, Permission.SIGN},
    "delete": {Permission.DELETE},
    "*": set(ALL),
}
SCOPES = st.builds(
    lambda pattern, actions: (pattern, sorted(actions)),
    st.sampled_from(PATTERNS),
    st.frozensets(st.sampled_from(sorted(PERMITTED)), min_size=1),
)


@given(st.lists(SCOPES, min_size=1, max_size=5), st.sampled_from(NAMES))
def test_a_key_permits_what_its_scopes_say_and_nothing_else(scopes: list[tuple[str, list[str]]], name: str) -> None:
    texts = [f"repository:{pattern}:{','.join(actions)}" for pattern, actions in scopes]
    bound = bound_of_key(require_scopes(texts))
    expected: set[Permission] = set()
    for pattern, actions in scopes:
        if pattern == name or (pattern[-1] == "*" and name[: len(pattern) - 1] == pattern[:-1]):
            expected = expected.union(*(PERMITTED[action] for action in actions))
    assert bound.permits(name) == expected
    assert (bound.catalog, bound.admin) == (False, False)
    caller = Caller(7, "ada", bound, Credential(CredentialKind.KEY, "1"))
    assert pullable(caller, RepositoryName(name)) == ([name] if Permission.PULL in expected else [])
    assert all(bound.permits(one) & PULL for one in pullable(caller, None) or ())


def test_what_is_of_the_registry_is_permitted_by_its_name_only() -> None:
    assert bound_of_key(["registry:catalog:*"])[1:3] == (True, False)
    assert bound_of_key(["registry:admin:*"])[1:3] == (False, True)
    everything = bound_of_key(["repository:*:*"])
    assert everything[1:3] == (False, False)
    assert everything.permits("any/thing") & DELETE


@pytest.mark.parametrize(
    "scope",
    [
        "", "*", "repository", "repository:a", "repository:a:", "repository::pull", "repository:a:pull,", "repository:a:fly",
        "repository:a:pull,pull", "repository:a/*/b:pull", "repository:**:pull", "repository:A:pull", "repository:/a*:pull",
        "repository:a b:pull", "repository:a:pull repository:b:push", "repository:a\0*:pull", "repository:a\n:pull",
        "repository(plugin):a:pull", "Repository:a:pull", "repository:a:PULL", "registry:catalog:pull", "registry:*:*",
        "registry:admin", "registry:admin:* ", f"repository:{'a' * 256}:pull", f"repository:{'a' * 256}*:pull",
    ],
)  # fmt: skip
def test_what_is_no_scope_is_refused(scope: str) -> None:
    with pytest.raises(IdentityRefused):
        require_scopes([scope])


def test_a_limited_key_has_some_scopes_and_not_too_many() -> None:
    for scopes in ([], ["repository:a:pull"] * (MOST + 1)):
        with pytest.raises(IdentityRefused):
            require_scopes(scopes)
    assert require_scopes(["repository:a:pull", "registry:catalog:*", "repository:a:pull"]) == [
        "repository:a:pull",
        "registry:catalog:*",
    ]


def test_the_longest_scope_can_be_read_again() -> None:
    scope = f"repository:{'a' * 255}*:pull,push,delete,*"
    assert bound_of_key(require_scopes([scope] * MOST)).permits("a" * 255) == ALL
