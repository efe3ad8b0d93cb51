"""What everybody looks after himself: password, keys and sessions."""

from __future__ import annotations

import pytest
import requests

from registry import administration
from tests.http.admin import PASSWORD, Api, Governed, basic, problem, token
from tests.http.client import PATIENCE

NEW = "another horse, another battery"


@pytest.fixture
def user(governed: Governed) -> str:
    """Return a user whom no other test knows."""
    return governed.add_user()


def refresh(governed: Governed, token: str) -> int:
    form = {"grant_type": "refresh_token", "service": "blacklake", "client_id": "c", "refresh_token": token}
    return requests.post(f"{governed.registry.url}/auth/token", data=form, timeout=PATIENCE).status_code


def session_of(governed: Governed, user: str, client: str = "docker") -> str:
    answer = token(governed.registry, user, offline_token="true", client_id=client)
    return str(answer.json()["refresh_token"])


def test_who_one_is(governed: Governed) -> None:
    assert governed.by("root").get("/me") == {
        "name": "root",
        "kind": "user",
        "is_admin": True,
        "credential_kind": "key",
    }
    assert governed.by("acme+ci").get("/me")["kind"] == "robot"


def test_an_api_key_does_by_bearer_and_by_basic_and_a_password_does_not(governed: Governed) -> None:
    key = governed.keys["alice"]
    assert Api(governed.registry, basic("alice", key)).get("/me")["name"] == "alice"
    for headers in (basic("alice", PASSWORD), basic("root", key), {"Authorization": f"Bearer {key[:-1]}x"}):
        problem(Api(governed.registry, headers)("GET", "/me"), 401, "UNAUTHORIZED")


def test_a_new_password_ends_the_sessions_and_the_old_one(governed: Governed, user: str) -> None:
    session = session_of(governed, user)
    me = governed.by(user)
    assert len(me.get("/me/sessions")["items"]) == 1
    assert me("PUT", "/me/password", json={"current": PASSWORD, "new": NEW}).status_code == 204
    assert refresh(governed, session) == 401
    assert me.get("/me/sessions")["items"] == []
    assert token(governed.registry, user).status_code == 401
    assert token(governed.registry, user, password=NEW).status_code == 200


def test_a_stolen_key_takes_no_account_over(governed: Governed, user: str) -> None:
    me = governed.by(user)
    for current in ("wrong", governed.keys[user], ""):
        problem(me("PUT", "/me/password", json={"current": current, "new": NEW}), 401, "UNAUTHORIZED")
    assert token(governed.registry, user).status_code == 200


def test_guesses_of_the_own_password_are_throttled_as_logins_are(governed: Governed, user: str) -> None:
    me = governed.by(user)
    answers = [me("PUT", "/me/password", json={"current": "wrong", "new": NEW}) for _ in range(25)]
    assert {answer.status_code for answer in answers} == {401, 429}
    assert problem(answers[-1], 429, "TOOMANYREQUESTS")["retry_after"] == int(answers[-1].headers["Retry-After"])


def test_a_password_that_can_not_be_taken_is_refused_and_not_repeated(governed: Governed, user: str) -> None:
    answer = governed.by(user)("PUT", "/me/password", json={"current": PASSWORD, "new": "short"})
    assert "8 to 1024" in problem(answer, 409, "DENIED")["detail"]
    assert "short" not in answer.text


def test_who_has_no_password_has_none_to_change(governed: Governed) -> None:
    answer = governed.by("acme+ci")("PUT", "/me/password", json={"current": PASSWORD, "new": NEW})
    problem(answer, 409, "DENIED")


def test_keys_are_told_once_listed_and_revoked(governed: Governed, user: str) -> None:
    me = governed.by(user)
    made = me.post("/me/keys", {"name": "laptop", "expires_in": 3600})
    assert set(made) == {"id", "name", "secret", "expires_at"}
    assert Api(governed.registry, {"Authorization": f"Bearer {made['secret']}"}).get("/me")["name"] == user
    listed = me.all("/me/keys")
    assert [key["name"] for key in listed] == ["first", "laptop"]
    assert made["secret"] not in str(listed)
    assert me("DELETE", f"/me/keys/{made['id']}").status_code == 204
    problem(Api(governed.registry, {"Authorization": f"Bearer {made['secret']}"})("GET", "/me"), 401, "UNAUTHORIZED")
    problem(me("DELETE", f"/me/keys/{made['id']}"), 404, "DENIED")


def test_what_a_key_has_made_goes_with_it(governed: Governed, user: str) -> None:
    """Whoever has stolen a key keeps none when it is revoked, nor longer than it is valid."""
    first = governed.by(user)
    (stolen,) = first.all("/me/keys")
    made = first.post("/me/keys", {"name": "second", "expires_in": 600})
    second = Api(governed.registry, {"Authorization": f"Bearer {made['secret']}"})
    for asked in ({}, {"expires_in": 86_400}):
        last = second.post("/me/keys", {"name": f"third{len(asked)}", **asked})
        assert last["expires_at"] == made["expires_at"]
    third = Api(governed.registry, {"Authorization": f"Bearer {last['secret']}"})
    assert third("DELETE", f"/me/keys/{stolen['id']}").status_code == 204
    for api in (first, second, third):
        problem(api("GET", "/me"), 401, "UNAUTHORIZED")


def test_a_session_gives_no_token_for_the_admin_api(governed: Governed, user: str) -> None:
    """Whoever steals a refresh token makes no key by it, which would outlive the session."""
    session = token(governed.registry, user, offline_token="true").json()["refresh_token"]
    form = {"grant_type": "refresh_token", "client_id": "x", "refresh_token": session, "scope": "registry:admin:*"}
    text = requests.post(f"{governed.registry.url}/auth/token", form, timeout=PATIENCE).json()["access_token"]
    api = Api(governed.registry, {"Authorization": f"Bearer {text}"})
    problem(api("POST", "/me/keys", json={"name": "x"}), 401, "UNAUTHORIZED")


def test_a_key_gives_no_token_for_the_admin_api(governed: Governed, user: str) -> None:
    """Keys that are made by a token don't tell by what that was got."""
    text = token(governed.registry, user, "registry:admin:*", password=governed.keys[user]).json()["token"]
    problem(
        Api(governed.registry, {"Authorization": f"Bearer {text}"})("POST", "/me/keys", json={"name": "x"}),
        401,
        "UNAUTHORIZED",
    )
    text = token(governed.registry, user, "registry:admin:*").json()["token"]
    by_password = Api(governed.registry, {"Authorization": f"Bearer {text}"})
    made = by_password.post("/me/keys", {"name": "kept"})
    (first, _) = by_password.all("/me/keys")
    assert by_password("DELETE", f"/me/keys/{first['id']}").status_code == 204
    assert Api(governed.registry, {"Authorization": f"Bearer {made['secret']}"}).get("/me")["name"] == user


def test_a_robot_keeps_the_keys_that_its_administrator_has_made_by_a_key(governed: Governed, user: str) -> None:
    administration.grant(governed.settings, f"user:{user}", "admin", "acme")
    (maker,) = governed.by(user).all("/me/keys")
    made = governed.by(user).post("/admin/robots/acme+ci/keys", {"name": f"by-{user}"})
    assert governed.by(user)("DELETE", f"/me/keys/{maker['id']}").status_code == 204
    robot = Api(governed.registry, {"Authorization": f"Bearer {made['secret']}"})
    own = robot.post("/me/keys", {"name": f"own-{user}"})
    assert robot("DELETE", f"/me/keys/{made['id']}").status_code == 204
    problem(Api(governed.registry, {"Authorization": f"Bearer {own['secret']}"})("GET", "/me"), 401, "UNAUTHORIZED")


def test_keys_and_sessions_of_others_are_none_of_one_s_own(governed: Governed, user: str) -> None:
    """CVE-2022-31666: a number is looked up with its owner."""
    theirs = governed.by(user).post("/me/keys", {"name": "theirs"})
    session_of(governed, user)
    (session,) = governed.by(user).get("/me/sessions")["items"]
    mallory = governed.by("mallory")
    for path in (f"/me/keys/{theirs['id']}", f"/me/sessions/{session['id']}"):
        problem(mallory("DELETE", path), 404, "DENIED")
    for path in (f"/admin/users/alice/keys/{theirs['id']}", f"/admin/robots/acme+ci/keys/{theirs['id']}"):
        problem(governed.by("root")("DELETE", path), 404, "DENIED")
    assert governed.by(user).get("/me/sessions")["items"] == [session]
    assert Api(governed.registry, {"Authorization": f"Bearer {theirs['secret']}"}).get("/me")["name"] == user


@pytest.mark.parametrize("number", [0, 2**63, 2**70, -1, "x"])
def test_a_number_that_is_none_names_no_key(governed: Governed, number: object) -> None:
    assert governed.by("alice")("DELETE", f"/me/keys/{number}").status_code == 404


def test_sessions_are_listed_and_end_one_by_one_or_together(governed: Governed, user: str) -> None:
    me = governed.by(user)
    tokens = {client: session_of(governed, user, client) for client in ("docker", "oras", "crane")}
    found = {one["client"]: one["id"] for one in me.get("/me/sessions")["items"]}
    assert set(found) == set(tokens)
    assert me("DELETE", f"/me/sessions/{found['oras']}").status_code == 204
    assert refresh(governed, tokens["oras"]) == 401
    assert refresh(governed, tokens["docker"]) == 200
    problem(me("DELETE", f"/me/sessions/{found['oras']}"), 404, "DENIED")
    assert me("DELETE", "/me/sessions").status_code == 204
    assert refresh(governed, tokens["docker"]) == refresh(governed, tokens["crane"]) == 401


def test_who_is_disabled_is_out_with_whatever_he_holds(governed: Governed, user: str) -> None:
    text = token(governed.registry, user, "registry:admin:*").json()["token"]
    by_token = Api(governed.registry, {"Authorization": f"Bearer {text}"})
    assert by_token.get("/me")["name"] == user
    answer = governed.by("root")("PATCH", f"/admin/users/{user}", json={"is_disabled": True})
    assert answer.json()["is_disabled"]
    problem(by_token("GET", "/me"), 401, "UNAUTHORIZED")
    problem(governed.by(user)("GET", "/me"), 401, "UNAUTHORIZED")


def test_the_first_password_s_file_goes_with_the_first_change(governed: Governed) -> None:
    file = governed.registry.directory / "initial-admin-password"
    first = file.read_text().strip()
    text = token(governed.registry, "admin", "registry:admin:*", password=first).json()["token"]
    admin = Api(governed.registry, {"Authorization": f"Bearer {text}"})
    problem(admin("PUT", "/me/password", json={"current": "wrong", "new": NEW}), 401, "UNAUTHORIZED")
    assert file.exists()
    assert admin("PUT", "/me/password", json={"current": first, "new": NEW}).status_code == 204
    assert not file.exists()
