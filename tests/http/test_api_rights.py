"""Organisations, teams, roles and grants, as far as whoever asks may change and see them."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import uuid4

import pytest

from tests.http.admin import Governed, problem


def fresh() -> str:
    return f"n{uuid4().hex[:12]}"


def test_an_organisation_is_added_by_the_registry_s_administrators(governed: Governed) -> None:
    root, name = governed.by("root"), fresh()
    made = root.post("/admin/organisations", {"name": name})
    assert root.get(f"/admin/organisations/{name}") == made
    problem(governed.by("olga")("POST", "/admin/organisations", json={"name": fresh()}), 403, "DENIED")
    problem(root("GET", "/admin/organisations/none"), 404, "DENIED")
    assert [one["name"] for one in governed.by("olga").all("/admin/organisations")] == ["acme"]
    assert [one["name"] for one in governed.by("mary").all("/admin/organisations")] == ["acme"]
    assert governed.by("alice").all("/admin/organisations") == [], "who only reads sees nothing of it"


def test_teams_and_members(governed: Governed) -> None:
    olga, name = governed.by("olga"), fresh()
    team = f"/admin/organisations/acme/teams/{name}"
    assert olga.post("/admin/organisations/acme/teams", {"name": name}) == {"name": name}
    assert {"name": name} in olga.all("/admin/organisations/acme/teams")
    for member in ("mallory", "acme+ci"):
        assert olga("PUT", f"{team}/members/{member}").status_code == 204
    assert olga.all(f"{team}/members") == [{"name": "acme+ci", "kind": "robot"}, {"name": "mallory", "kind": "user"}]
    problem(olga("PUT", f"{team}/members/mallory"), 409, "DENIED")
    problem(olga("PUT", f"{team}/members/other+ci"), 409, "DENIED")
    problem(olga("PUT", f"{team}/members/nobody"), 404, "DENIED")
    assert olga("DELETE", f"{team}/members/mallory").status_code == 204
    problem(olga("DELETE", f"{team}/members/mallory"), 409, "DENIED")
    assert olga("DELETE", team).status_code == 204
    problem(olga("GET", f"{team}/members"), 404, "DENIED")


def test_roles_of_an_organisation_s_own(governed: Governed) -> None:
    olga, name = governed.by("olga"), fresh()
    roles = "/admin/organisations/acme/roles"
    made = olga.post(roles, {"name": name, "permissions": ["push", "pull"]})
    assert made == {"name": name, "permissions": ["pull", "push"], "is_built_in": False}
    assert made in olga.all(roles)
    olga.post("/admin/grants", {"subject": "user:mallory", "role": name, "target": "acme/x"})
    assert olga("DELETE", f"{roles}/{name}").json() == {"grants_removed": 1}
    problem(olga("DELETE", f"{roles}/reader"), 409, "DENIED")
    problem(olga("POST", roles, json={"name": name, "permissions": ["grant"]}), 409, "DENIED")


@pytest.fixture
def target(governed: Governed) -> Iterator[str]:
    """Return a repository of acme's models, on which nothing is granted when the test is over."""
    name = f"acme/models/{fresh()}"
    yield name
    root = governed.by("root")
    for grant in root.get("/admin/grants", params={"target": name})["items"]:
        root("DELETE", "/admin/grants", params={key: grant[key] for key in ("subject", "role", "target")})


def test_a_grant_is_given_seen_and_taken_back(governed: Governed, target: str) -> None:
    olga = governed.by("olga")
    grant = {"subject": "team:acme/ml", "role": "writer", "target": target}
    made = olga.post("/admin/grants", grant)
    assert {key: made[key] for key in grant} == grant
    problem(olga("POST", "/admin/grants", json=grant), 409, "DENIED")
    for query in ({"target": target}, {"subject": "team:acme/ml"}):
        (found,) = olga.get("/admin/grants", params=query)["items"]
        assert {key: found[key] for key in grant} == grant
    assert olga("DELETE", "/admin/grants", params=grant).status_code == 204
    problem(olga("DELETE", "/admin/grants", params=grant), 409, "DENIED")


def test_a_maintainer_passes_on_what_is_his_and_no_more(governed: Governed, target: str) -> None:
    mary = governed.by("mary")
    mary.post("/admin/grants", {"subject": "user:mallory", "role": "writer", "target": target})
    for role, on in (
        ("admin", target),
        ("reader", "acme"),
        ("reader", "acme/m*"),
        ("reader", "other"),
        ("keeper", "acme"),
    ):
        answer = mary("POST", "/admin/grants", json={"subject": "user:mallory", "role": role, "target": on})
        problem(answer, 403, "DENIED")


def test_grants_are_seen_by_whom_they_are_of_and_by_who_may_grant_there(governed: Governed, target: str) -> None:
    def seen(user: str) -> set[tuple[str, str, str]]:
        return {(one["subject"], one["role"], one["target"]) for one in governed.by(user).all("/admin/grants")}

    governed.by("root").post("/admin/grants", {"subject": "user:mallory", "role": "reader", "target": target})
    new = ("user:mallory", "reader", target)
    assert new in seen("root")
    assert new in seen("olga")
    assert new in seen("mary")
    assert seen("mallory") == {new}
    assert seen("alice") == {("user:alice", "reader", "acme")}
    assert ("user:olga", "admin", "acme") not in seen("mary")
    assert seen("otto") == {("user:otto", "admin", "other")}
    assert {("user:olga", "admin", "acme"), ("user:otto", "admin", "other")} <= seen("root")


def test_lists_of_grants_go_on_and_filters_stay(governed: Governed, target: str) -> None:
    root = governed.by("root")
    for user in ("alice", "mary", "mallory", "otto", "olga"):
        root.post("/admin/grants", {"subject": f"user:{user}", "role": "reader", "target": target})
    found, after = [], "0"
    while after is not None:
        page = root.get("/admin/grants", params={"target": target, "limit": "2", "after": after})
        found += [one["subject"] for one in page["items"]]
        after = page["next"]
    assert found == ["user:alice", "user:mary", "user:mallory", "user:otto", "user:olga"]


def test_access_is_explained_to_who_administers_it_and_to_oneself(governed: Governed) -> None:
    asked = {"subject": "user:alice", "repository": "acme/models/x", "action": "pull"}
    for user in ("root", "olga", "alice"):
        found = governed.by(user).get("/admin/access", params=asked)
        assert found == {
            "allowed": True,
            "reason": "role reader on acme, granted to user:alice, permits pull on acme/models/x",
            "near": [],
        }
    for user in ("mary", "otto", "mallory"):
        problem(governed.by(user)("GET", "/admin/access", params=asked), 403, "DENIED")
    denied = governed.by("alice").get("/admin/access", params=asked | {"action": "push"})
    assert not denied["allowed"]
    assert denied["near"] == ["role reader on acme, granted to user:alice, permits pull"]


def test_who_can_is_told_to_who_administers_it(governed: Governed) -> None:
    asked = {"repository": "acme/y", "action": "pull"}
    for user in ("root", "olga"):
        names = [one["name"] for one in governed.by(user).get("/admin/access/who-can", params=asked)["items"]]
        assert {"root", "olga", "alice"} <= set(names)
        assert "mallory" not in names
        after = governed.by(user).get("/admin/access/who-can", params=asked | {"after": "alice"})["items"]
        assert "alice" not in [one["name"] for one in after]
    for user in ("mary", "alice", "otto"):
        problem(governed.by(user)("GET", "/admin/access/who-can", params=asked), 403, "DENIED")


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({"subject": "user:alice", "repository": "acme/x", "action": "fly"}, "UNSUPPORTED"),
        ({"subject": "user:alice", "repository": "Acme//x", "action": "pull"}, "NAME_INVALID"),
        ({"subject": "user:alice", "repository": "acme/x"}, "UNSUPPORTED"),
    ],
)
def test_what_can_not_be_asked_is_refused(governed: Governed, query: dict[str, str], code: str) -> None:
    problem(governed.by("root")("GET", "/admin/access", params=query), 400, code)


def test_who_administers_an_organisation_no_longer_does_so_with_the_next_request(governed: Governed) -> None:
    root, name = governed.by("root"), fresh()
    root.post("/admin/organisations", {"name": name})
    grant = {"subject": "user:mallory", "role": "admin", "target": name}
    root.post("/admin/grants", grant)
    mallory, teams = governed.by("mallory"), f"/admin/organisations/{name}/teams"
    mallory.post(teams, {"name": "mine"})
    assert root("DELETE", "/admin/grants", params=grant).status_code == 204
    problem(mallory("POST", teams, json={"name": "more"}), 403, "DENIED")
    problem(mallory("GET", teams), 403, "DENIED")
