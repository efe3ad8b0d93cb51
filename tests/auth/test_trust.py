"""Rules of trust, which are pure: what fits, what is permitted, and which rules can't be."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.auth.scopes import Scope, parse_scopes
from registry.auth.trust import TrustUnfit, fits, granted, kind_of, require_sound
from registry.db.trust import RuleRow

ISSUER = "https://issuer.test"
NAMES = st.sampled_from(["sub", "ref", "repository", "repository_id", "environment", "kubernetes.io/namespace"])
VALUES = st.text("ab/*:", min_size=0, max_size=4)
PATTERNS = st.builds(lambda text, end: text.replace("*", "") + end, VALUES, st.sampled_from(["", "*"])).filter(bool)


def rule(claims: dict[str, str] | None = None, **more: Any) -> RuleRow:
    made = RuleRow(
        "rule", ISSUER, "registry", claims or {"sub": "a"}, 7, "robot", frozenset(("pull",)), ("team/*",), 900
    )
    return made._replace(**more)


def token(claims: dict[str, Any]) -> dict[str, Any]:
    return {"iss": ISSUER, "aud": "registry", **claims}


def model(pattern: str, value: object) -> bool:
    """Say what a pattern means, in other words than the code's."""
    if not isinstance(value, str):
        return False
    return (
        value[: len(pattern) - 1] == pattern[:-1] and len(value) >= len(pattern) - 1
        if pattern[-1] == "*"
        else pattern == value
    )


@given(st.dictionaries(NAMES, PATTERNS, min_size=1), st.dictionaries(NAMES, VALUES))
def test_a_token_fits_where_every_claim_of_the_rule_has_such_a_value(
    claims: dict[str, str], said: dict[str, str]
) -> None:
    expected = all(name in said and model(pattern, said[name]) for name, pattern in claims.items())
    assert fits(rule(claims), token(said)) == expected


@given(st.dictionaries(NAMES, PATTERNS, min_size=1), st.dictionaries(NAMES, VALUES), NAMES, PATTERNS)
def test_a_rule_that_asks_for_more_never_fits_more(
    claims: dict[str, str], said: dict[str, str], name: str, pattern: str
) -> None:
    if name not in claims and not fits(rule(claims), token(said)):
        assert not fits(rule({**claims, name: pattern}), token(said))


@given(st.dictionaries(NAMES, PATTERNS, min_size=1), st.dictionaries(NAMES, VALUES), NAMES)
def test_a_token_that_says_less_never_fits_more(claims: dict[str, str], said: dict[str, str], name: str) -> None:
    less = {one: value for one, value in said.items() if one != name}
    assert fits(rule(claims), token(said)) or not fits(rule(claims), token(less))


@given(st.text(), st.text())
def test_an_exact_value_is_exactly_that(wanted: str, value: str) -> None:
    if wanted and not wanted.endswith("*"):
        assert fits(rule({"sub": wanted}), token({"sub": value})) == (wanted == value)


@pytest.mark.parametrize(
    ("pattern", "value"),
    [
        ("team/a", "team/ab"), ("team/a", "Team/a"), ("team/a", "team/a\n"), ("team/a", " team/a"), ("team/*", "team"),
        ("team/*", "team-b/a"), ("a", None), ("a", ["a"]), ("a", {"a": "a"}), ("1", 1.0), ("true", "True"), ("1", True),
        ("*", None), ("*", []),
    ],
)  # fmt: skip
def test_a_value_that_is_nearly_the_one_does_not_fit(pattern: str, value: object) -> None:
    assert not fits(rule({"sub": pattern}), token({"sub": value}))


def test_numbers_and_truth_are_written_as_json_has_them() -> None:
    assert fits(
        rule({"id": "12", "protected": "true", "draft": "false"}), token({"id": 12, "protected": True, "draft": False})
    )


def test_a_name_with_slashes_is_a_claim_inside_of_claims_unless_there_is_one_of_this_very_name() -> None:
    said = {"kubernetes.io": {"namespace": "ml", "serviceaccount": {"uid": "u"}}}
    assert fits(rule({"kubernetes.io/serviceaccount/uid": "u", "kubernetes.io/namespace": "ml"}), token(said))
    assert not fits(rule({"kubernetes.io/namespace/x": "ml"}), token(said))
    assert not fits(rule({"kubernetes.io/namespace": "ml"}), token({**said, "kubernetes.io/namespace": "other"}))


@pytest.mark.parametrize("audience", ["other", ["registry", "other"], [], None, ["registry", 1], "registry/"])
def test_a_token_for_others_does_not_fit(audience: object) -> None:
    assert not fits(rule(), {"iss": ISSUER, "aud": audience, "sub": "a"})


def test_a_token_of_another_issuer_does_not_fit() -> None:
    assert fits(rule(), token({"sub": "a"}))
    assert not fits(rule(), token({"sub": "a"}) | {"iss": ISSUER + "/"})
    assert not fits(rule(), {"aud": "registry", "sub": "a"})


def permitted(*rules: RuleRow, scope: str) -> list[str]:
    found = granted(rules, parse_scopes([scope]))
    assert found is not None
    return [str(one) for one in found.scopes]


def test_what_is_wanted_is_cut_to_what_the_rule_permits() -> None:
    one = rule(actions=frozenset(("pull", "push")), repositories=("team/*", "other/a"))
    assert permitted(one, scope="repository:team/a:pull,push,delete") == ["repository:team/a:pull,push"]
    assert permitted(one, scope="repository:team/a:*") == ["repository:team/a:pull,push"]
    assert permitted(one, scope="repository:other/a:pull repository:team/x/y:push") == [
        "repository:other/a:pull",
        "repository:team/x/y:push",
    ]


@pytest.mark.parametrize(
    "scope",
    [
        "repository:team:pull", "repository:team-b/a:pull", "repository:Team/a:pull", "repository:team/../other/b:pull",
        "repository:other/a:pull", "repository:other/ab:pull", "repository:team/a:delete", "registry:catalog:*",
        "other:team/a:pull", "repository://team/a:pull", "repository:team//a:pull",
    ],
)  # fmt: skip
def test_what_the_rule_does_not_permit_is_not_granted(scope: str) -> None:
    assert permitted(rule(repositories=("team/*", "other/a/b")), scope=scope) == []


def test_a_name_of_one_segment_is_below_library() -> None:
    assert permitted(rule(repositories=("library/model",)), scope="repository:model:pull") == ["repository:model:pull"]


def test_several_rules_of_one_principal_permit_their_union_for_the_shortest_time() -> None:
    rules = (rule(seconds=300), rule(name="other", actions=frozenset(("push",)), repositories=("b/x",)))
    assert permitted(*rules, scope="repository:b/x:pull,push repository:team/a:pull,push") == [
        "repository:b/x:push",
        "repository:team/a:pull",
    ]
    found = granted(rules, [])
    assert found is not None
    assert (found.principal_id, found.rules, found.seconds, found.scopes) == (7, ("rule", "other"), 300, [])


def test_rules_of_different_principals_contradict_each_other() -> None:
    with pytest.raises(TrustUnfit, match="rule, other fit this token and stand for different principals"):
        granted([rule(), rule(name="other", principal_id=8)], [])


def test_nothing_is_granted_without_a_rule() -> None:
    assert granted([], [Scope("repository", "team/a", frozenset(("pull",)))]) is None


@given(st.lists(st.sampled_from(["pull", "push", "delete"])), st.sampled_from(["team/a", "team/b", "x/a"]), PATTERNS)
def test_no_more_is_ever_granted_than_was_wanted_and_is_permitted(actions: list[str], name: str, target: str) -> None:
    one = rule(actions=frozenset(("pull", "push")), repositories=(target,))
    found = granted([one], [Scope("repository", name, frozenset(actions))])
    assert found is not None
    for scope in found.scopes:
        assert scope.name == name
        assert scope.actions <= set(actions) & one.actions
        assert model(target, name)


GITHUB = {"repository": "o/r", "repository_id": "1"}
SOUND = [
    ("github", GITHUB),
    ("github", {"repository": "o/*", "repository_owner_id": "2", "ref": "refs/heads/*"}),
    ("github", {"repository_owner": "o", "repository_owner_id": "2"}),
    ("gitlab", {"project_path": "g/p", "project_id": "1"}),
    ("gitlab", {"namespace_path": "g", "namespace_id": "1", "ref_protected": "true"}),
    ("kubernetes", {"sub": "system:serviceaccount:ml:train"}),
    ("kubernetes", {"sub": "system:serviceaccount:ml:*", "kubernetes.io/serviceaccount/uid": "u"}),
    ("other", {"sub": "a"}),
]
UNSOUND = [
    ("github", {}),
    ("github", {"ref": "refs/heads/main"}),
    ("github", {"sub": "repo:o/r:ref:refs/heads/main"}),
    ("github", {"repository": "o/r"}),
    ("github", {"repository_id": "1"}),
    ("github", {"repository": "o/r", "repository_id": "*"}),
    ("github", {"repository": "o/r", "repository_id": "1*"}),
    ("github", {"repository": "*", "repository_id": "1"}),
    ("github", {"repository": "o*", "repository_owner_id": "2"}),
    ("github", {"repository_owner": "o*", "repository_owner_id": "2"}),
    ("github", {"repository": "/*", "repository_owner_id": "2"}),
    ("gitlab", {"project_path": "g/p"}),
    ("gitlab", {"project_path": "g*", "project_id": "1"}),
    ("gitlab", {"user_login": "me"}),
    ("kubernetes", {"sub": "*"}),
    ("kubernetes", {"sub": "system:serviceaccount:*"}),
    ("kubernetes", {"sub": "system:serviceaccount:ml*"}),
    ("kubernetes", {"sub": "system:serviceaccount:ml:tr*"}),
    ("kubernetes", {"kubernetes.io/namespace": "ml"}),
    ("other", {"sub": "*"}),
    ("other", {"sub": "a*"}),
    ("other", {"sub": ""}),
    ("other", {"sub": "a*b"}),
    ("other", {"sub": "**"}),
    ("other", {"sub": "a\n"}),
    ("other", {"aud": "registry"}),
    ("other", {"sub": "a", "iss": "x"}),
    ("other", {"sub": "a", "exp": "*"}),
    ("other", {"": "a"}),
    ("other", {"s b": "a"}),
    ("other", {f"c{number}": "a" for number in range(33)}),
]


@pytest.mark.parametrize(("kind", "claims"), SOUND)
def test_a_rule_that_names_whom_it_trusts_is_taken(kind: str, claims: dict[str, str]) -> None:
    require_sound(kind, claims)


@pytest.mark.parametrize(("kind", "claims"), UNSOUND)
def test_a_rule_that_would_trust_strangers_or_nobody_is_refused(kind: str, claims: dict[str, str]) -> None:
    with pytest.raises(TrustUnfit):
        require_sound(kind, claims)


def test_account_resurrection_a_deleted_account_s_name_is_of_no_use_to_who_takes_it() -> None:
    one = rule(GITHUB)
    assert fits(one, token({"repository": "o/r", "repository_id": "1"}))
    assert not fits(one, token({"repository": "o/r", "repository_id": "99"}))


def test_issuers_that_everybody_knows_have_their_kind() -> None:
    assert kind_of("https://token.actions.githubusercontent.com") == "github"
    assert kind_of("https://token.actions.githubusercontent.com/enterprise") == "github"
    assert kind_of("https://github.example/_services/token") == "github"
    assert kind_of("https://gitlab.com") == "gitlab"
    assert kind_of("https://token.actions.githubusercontent.com.example") is None
    assert kind_of("https://gitlab.com.example") is None
