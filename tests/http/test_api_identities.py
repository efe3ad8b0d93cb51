"""Users, robots, services and their keys, as administrators look after them."""

from __future__ import annotations

from uuid import uuid4

import pytest

from tests.http.admin import PASSWORD, Api, Governed, problem, token
from tests.http.test_api_signatures import pem_of, signed


def fresh() -> str:
    return f"n{uuid4().hex[:12]}"


def test_a_user_from_the_beginning_to_the_end(governed: Governed) -> None:
    root, name = governed.by("root"), fresh()
    made = root.post("/admin/users", {"name": name, "password": PASSWORD, "is_admin": False})
    assert {key: made[key] for key in ("name", "is_admin", "is_disabled", "has_password")} == {
        "name": name,
        "is_admin": False,
        "is_disabled": False,
        "has_password": True,
    }
    assert root.get(f"/admin/users/{name}") == made
    assert token(governed.registry, name).status_code == 200
    changed = root("PATCH", f"/admin/users/{name}", json={"password": PASSWORD[::-1]})
    assert changed.json() == made
    assert token(governed.registry, name).status_code == 401
    assert token(governed.registry, name, password=PASSWORD[::-1]).status_code == 200
    for is_disabled, status in ((True, 401), (False, 200)):
        answer = root("PATCH", f"/admin/users/{name}", json={"is_disabled": is_disabled})
        assert answer.json()["is_disabled"] is is_disabled
        assert token(governed.registry, name, password=PASSWORD[::-1]).status_code == status
    key = root.post(f"/admin/users/{name}/keys", {"name": "k", "expires_in": 60})
    assert Api(governed.registry, {"Authorization": f"Bearer {key['secret']}"}).get("/me")["name"] == name
    assert [one["id"] for one in root.all(f"/admin/users/{name}/keys")] == [key["id"]]
    assert root("DELETE", f"/admin/users/{name}/keys/{key['id']}").status_code == 204
    assert root("DELETE", f"/admin/users/{name}").status_code == 204
    problem(root("GET", f"/admin/users/{name}"), 404, "DENIED")
    problem(root("DELETE", f"/admin/users/{name}"), 404, "DENIED")


def test_what_there_is_already_is_refused(governed: Governed) -> None:
    root = governed.by("root")
    for path, document in (
        ("/admin/users", {"name": "alice"}),
        ("/admin/users", {"name": "oidc"}),
        ("/admin/robots", {"name": "acme+ci"}),
        ("/admin/services", {"name": "signer"}),
        ("/admin/organisations", {"name": "acme"}),
        ("/admin/organisations/acme/teams", {"name": "ml"}),
        ("/admin/organisations/acme/roles", {"name": "reader", "permissions": ["pull"]}),
        ("/admin/users/alice/keys", {"name": "first"}),
    ):
        problem(root("POST", path, json=document), 409, "DENIED")


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("users", "acme+ci"),
        ("users", "signer"),
        ("robots", "alice"),
        ("services", "alice"),
        ("services", "acme+ci"),
    ],
)
def test_a_collection_knows_those_of_its_kind_only(governed: Governed, path: str, name: str) -> None:
    root = governed.by("root")
    where = f"/admin/{path}/{name}"
    for method, suffix, document in (
        ("GET", "", None),
        ("PATCH", "", {"is_disabled": True}),
        ("DELETE", "", None),
        ("GET", "/keys", None),
    ):
        answer = root(method, where + suffix, json=document)
        assert answer.status_code == 404, f"{method} {suffix}: {answer.text}"
    assert governed.by("alice").get("/me")["name"] == "alice"
    assert governed.by("acme+ci").get("/me")["name"] == "acme+ci"


def test_lists_go_on_from_page_to_page(governed: Governed) -> None:
    root = governed.by("root")
    names = sorted(fresh() for _ in range(5))
    for name in names:
        root.post("/admin/users", {"name": name})
    whole = [one["name"] for one in root.all("/admin/users")]
    assert set(names) <= set(whole)
    assert whole == sorted(whole)
    paged, after = [], ""
    while after is not None:
        page = root.get("/admin/users", params={"limit": "2", "after": after})
        assert len(page["items"]) <= 2
        paged += [one["name"] for one in page["items"]]
        after = page["next"]
    assert paged == whole


def test_a_robot_is_its_organisation_s_affair(governed: Governed) -> None:
    olga, name = governed.by("olga"), f"acme+{fresh()}"
    made = olga.post("/admin/robots", {"name": name})
    assert made["organisation"] == "acme"
    key = olga.post(f"/admin/robots/{name.replace('+', '%2B')}/keys", {"name": "ci"})
    robot = Api(governed.registry, {"Authorization": f"Bearer {key['secret']}"})
    assert robot.get("/me") == {"name": name, "kind": "robot", "is_admin": False, "credential_kind": "key"}
    assert name in [one["name"] for one in olga.all("/admin/robots")]
    assert all(one["organisation"] == "acme" for one in olga.all("/admin/robots"))
    assert all(one["organisation"] == "other" for one in governed.by("otto").all("/admin/robots"))
    assert olga("PATCH", f"/admin/robots/{name}", json={"is_disabled": True}).json()["is_disabled"]
    problem(robot("GET", "/me"), 401, "UNAUTHORIZED")
    assert olga("DELETE", f"/admin/robots/{name}").status_code == 204
    problem(olga("POST", "/admin/robots", json={"name": f"other+{fresh()}"}), 403, "DENIED")
    problem(robot("POST", "/admin/robots", json={"name": f"acme+{fresh()}"}), 401, "UNAUTHORIZED")


def test_a_robot_has_keys_but_makes_no_other_s(governed: Governed) -> None:
    robot = governed.by("acme+ci")
    made = robot.post("/me/keys", {"name": fresh()})
    assert robot("DELETE", f"/me/keys/{made['id']}").status_code == 204
    problem(robot("GET", "/admin/users/alice/keys"), 403, "DENIED")
    problem(robot("POST", "/admin/robots/acme+ci2/keys", json={"name": "k"}), 403, "DENIED")


def test_a_service_and_its_keys(governed: Governed) -> None:
    root, name = governed.by("root"), fresh()
    assert root.post("/admin/services", {"name": name, "is_admin": False})["is_admin"] is False
    private, pem = pem_of()
    made = root.post(f"/admin/services/{name}/keys", {"public_key": pem, "expires_in": 3600})
    assert made["algorithm"] == "ed25519"
    (listed,) = root.get(f"/admin/services/{name}/keys")["items"]
    assert (listed["id"], listed["revoked_at"]) == (made["id"], None)
    assert signed(governed, "GET", "/me", key=private).json()["name"] == name
    problem(root("DELETE", f"/admin/services/signer/keys/{made['id']}"), 404, "DENIED")
    assert root("DELETE", f"/admin/services/{name}/keys/{made['id']}").status_code == 204
    problem(signed(governed, "GET", "/me", key=private), 401, "UNAUTHORIZED")
    problem(root("POST", f"/admin/services/{name}/keys", json={"public_key": "no key"}), 409, "DENIED")
    problem(root("POST", f"/admin/services/{name}/keys", json={"public_key": pem}), 409, "DENIED")
    assert root("PATCH", f"/admin/services/{name}", json={"is_disabled": True}).json()["is_disabled"]
    assert root("DELETE", f"/admin/services/{name}").status_code == 204


def test_signing_keys_are_listed_and_rotated(governed: Governed) -> None:
    root = governed.by("root")
    assert token(governed.registry, "alice").status_code == 200
    before = {one["kid"] for one in root.get("/admin/signing-keys")["items"]}
    made = root.post("/admin/signing-keys", {"now": False})["kid"]
    assert {one["kid"] for one in root.get("/admin/signing-keys")["items"]} == before | {made}
    assert token(governed.registry, "alice").status_code == 200


def test_issuers_links_and_rules(governed: Governed) -> None:
    root, url = governed.by("root"), f"https://{fresh()}.example"
    secret = "a secret of the client's"
    made = root.post(
        "/admin/issuers", {"url": url, "client_id": "here", "client_secret": secret, "creates_users": True}
    )
    assert made["algorithms"] == ["RS256", "ES256"]
    assert made in root.get("/admin/issuers")["items"]
    assert secret not in str(root.get("/admin/issuers"))
    link = {"issuer": url, "subject": "42", "user": "alice"}
    assert root("POST", "/admin/issuers/links", json=link).status_code == 204
    problem(root("POST", "/admin/issuers/links", json=link), 409, "DENIED")
    assert root("DELETE", "/admin/issuers/links", json={"issuer": url, "subject": "42"}).status_code == 204
    rule = {
        "name": fresh(),
        "issuer": url,
        "audience": "here",
        "claims": {"sub": "a-machine"},
        "principal": "acme+ci",
        "actions": ["pull"],
        "repositories": ["acme/models/*"],
        "seconds": 300,
    }
    assert root.post("/admin/trust-rules", rule) == rule
    assert rule in root.get("/admin/trust-rules")["items"]
    assert root("DELETE", f"/admin/trust-rules/{rule['name']}").status_code == 204
    assert root("DELETE", "/admin/issuers", params={"url": url}).status_code == 204
    problem(root("DELETE", "/admin/issuers", params={"url": url}), 409, "DENIED")
