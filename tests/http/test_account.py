"""The page of an account: keys, sessions and the password, each its owner's and nobody else's."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
import requests

from registry import administration, administration_audit
from registry.auth.secrets import API_KEY, is_secret
from registry.config import Settings, load_settings
from tests.http.browser import Browser
from tests.http.client import wait_until
from tests.http.server import Registry, serving
from tests.setups import SETUPS, as_settings, share

PASSWORD = "correct horse battery staple"
STRANGE = "\"><script>alert('1')</script>{{ 7 * 7 }}"
KEYS = "/auth/account/keys"
REVOKE_KEY = "/auth/account/keys/revoke"
REVOKE_SESSION = "/auth/account/sessions/revoke"
CHANGE = "/auth/account/password"


@pytest.fixture(scope="module", params=share(SETUPS, __name__), ids="-".join)
def running(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    server, door = request.param
    directory = tmp_path_factory.mktemp(f"account-{server}-{door}")
    with serving(directory, auth="token", **as_settings(server, door)) as registry:
        yield registry


def settings_of(registry: Registry) -> Settings:
    return load_settings(data_dir=registry.directory)


@pytest.fixture
def user(running: Registry) -> str:
    """Return the name of a new user."""
    name = f"user-{uuid4().hex[:12]}"
    administration.add_user(settings_of(running), name, password=PASSWORD, is_admin=False)
    return name


@pytest.fixture
def browser(running: Registry, user: str) -> Iterator[Browser]:
    """Return a browser in which the user is logged in."""
    found = logged_in(running, user)
    with found.session:
        yield found


def logged_in(running: Registry, user: str, password: str = PASSWORD) -> Browser:
    found = Browser(running)
    found.log_in(user, password)
    assert found.cookie is not None
    return found


def with_key(running: Registry, user: str, key: str) -> int:
    """Return the status with which a client gets a token by a key."""
    return requests.get(f"{running.url}/auth/token", auth=(user, key), timeout=20).status_code


def started(running: Registry, user: str) -> list[Any]:
    """Return the events of sessions that a user has begun other than by a login."""
    lines: list[str] = []
    administration_audit.export_audit(
        settings_of(running), action="session.start", target=f"user:{user}", say=lines.append
    )
    return [json.loads(line) for line in lines]


def make_key(browser: Browser, name: str, days: str = "30") -> str:
    browser.get("/auth/account")
    answer = browser.send(KEYS, name=name, days=days)
    assert answer.status_code == 200, browser.page.text
    return re.findall(r"blk_[0-9A-Za-z]+", answer.text)[0]


def test_a_key_is_shown_once_and_is_good_until_it_is_revoked(browser: Browser, running: Registry, user: str) -> None:
    key = make_key(browser, "laptop")
    assert is_secret(key, API_KEY)
    assert f"docker login 127.0.0.1:{running.port} --username {user}" in browser.page.text
    assert browser.answer.headers["Cache-Control"] == "no-store"
    assert with_key(running, user, key) == 200
    page = browser.get("/auth/account").text
    assert "laptop" in page
    assert key not in page
    until = (datetime.now(UTC) + timedelta(days=30)).strftime("%Y-%m-%d")
    assert until in page
    answer = browser.send(REVOKE_KEY)
    assert answer.url.endswith("/auth/account?done=key")
    assert "laptop" not in browser.page.text.partition("API keys")[2]
    assert with_key(running, user, key) == 401


def test_a_key_without_an_end_says_so_and_a_name_is_given_once(browser: Browser) -> None:
    make_key(browser, "forever", "")
    assert "until you revoke it" in browser.page.text
    browser.get("/auth/account")
    answer = browser.send(KEYS, name="forever")
    assert answer.status_code == 409
    assert "has a key of the name forever already" in browser.page.text


@pytest.mark.parametrize("days", ["0", "-1", "31", "1e9", "x"])
def test_a_time_that_is_not_offered_is_refused(browser: Browser, days: str) -> None:
    assert browser.send(KEYS, name="odd", days=days).status_code == 400


@pytest.mark.parametrize("name", ["", " ", "a\nb", "x" * 129, "\x1b[31m", "a\0b"])
def test_a_name_that_is_none_is_refused(browser: Browser, name: str) -> None:
    assert browser.send(KEYS, name=name).status_code in (400, 409)


def test_names_are_shown_and_never_carried_out(browser: Browser, user: str) -> None:
    """Stored XSS (CVE-2025-32019 and its like), and templates in templates."""
    shown = [browser.answer.text]
    make_key(browser, STRANGE)
    shown.append(browser.answer.text)
    browser.send("/auth/logout")
    browser.session.headers["User-Agent"] = STRANGE
    browser.log_in(STRANGE, PASSWORD)
    shown.append(browser.answer.text)
    browser.log_in(user, PASSWORD)
    shown.append(browser.answer.text)
    browser.send(KEYS, name=STRANGE)
    shown.append(browser.answer.text)
    browser.get(f"/auth/account?done={STRANGE}")
    assert browser.page.text.count(STRANGE) == 2  # as text: the key's name and the browser's
    assert all("<script" not in text for text in shown)


def test_what_is_anothers_cannot_be_touched(browser: Browser, running: Registry, user: str) -> None:
    """CVE-2022-31666 and its like: an id is looked for among one's own only."""
    key = make_key(browser, "mine")
    account = browser.get("/auth/account").text
    number = re.findall(r'name="key" value="(\d+)"', account)[0]
    session = re.findall(r'name="session" value="([0-9a-f]{32})"', account)[0]
    mallory = f"mallory-{uuid4().hex[:12]}"
    administration.add_user(settings_of(running), mallory, password=PASSWORD, is_admin=True)
    other = logged_in(running, mallory)
    token = other.page.form(KEYS)["token"]
    assert other.post(REVOKE_KEY, {"token": token, "key": number}).status_code == 404
    assert other.post(REVOKE_SESSION, {"token": token, "session": session}).status_code == 404
    for odd in ("x", "-1", "9" * 30, "1 OR 1=1", "٣"):
        assert other.post(REVOKE_KEY, {"token": token, "key": odd}).status_code == 400
        assert other.post(REVOKE_SESSION, {"token": token, "session": odd}).status_code == 400
    assert with_key(running, user, key) == 200
    assert browser.get("/auth/account").url.endswith("/auth/account")


def test_all_sessions_are_listed_and_each_can_be_ended(browser: Browser, running: Registry, user: str) -> None:
    other = logged_in(running, user)
    form = {"grant_type": "password", "service": "blacklake", "client_id": "some-client", "username": user}
    answer = requests.post(
        f"{running.url}/auth/token", form | {"password": PASSWORD, "access_type": "offline"}, timeout=20
    )
    refresh = {"grant_type": "refresh_token", "service": "blacklake", "client_id": "some-client"}
    refresh["refresh_token"] = answer.json()["refresh_token"]
    browser.get("/auth/account")
    assert "some-client" in browser.page.text
    assert browser.page.text.count("this one") == 1
    for row in list(browser.page.forms[REVOKE_SESSION]):
        here = re.search(rf'this one.*?value="({row["session"]})"', browser.answer.text, re.DOTALL)
        if here is None or here[0].count('name="session"') > 1:
            assert browser.post(REVOKE_SESSION, row).url.endswith("?done=session")
    assert "/auth/login" in other.get("/auth/account").url
    assert requests.post(f"{running.url}/auth/token", refresh, timeout=20).status_code == 401
    assert "/auth/login" in browser.send(REVOKE_SESSION).url  # one's own as well


def test_a_change_of_the_password_ends_all_other_sessions(browser: Browser, running: Registry, user: str) -> None:
    other, before = logged_in(running, user), browser.cookie
    key = make_key(browser, "stays")
    browser.get("/auth/account")
    answer = browser.send(CHANGE, password=PASSWORD, new="another long one", again="another long one")
    assert answer.url.endswith("?done=password")
    assert browser.cookie not in (None, before)
    wait_until(lambda: started(running, user))  # what is exported is sealed
    assert started(running, user)[0]["detail"].keys() == {"agent", "session"}
    assert "/auth/login" in other.get("/auth/account").url
    other.session.cookies.set("blacklake", str(before), domain="127.0.0.1", path="/")
    assert "/auth/login" in other.get("/auth/account").url
    assert Browser(running).log_in(user, PASSWORD).status_code == 403
    assert logged_in(running, user, "another long one")
    assert with_key(running, user, key) == 200


def test_a_key_is_no_password_to_change_it_with(browser: Browser, running: Registry, user: str) -> None:
    key = make_key(browser, "stolen")
    browser.get("/auth/account")
    assert browser.send(CHANGE, password=key, new="another long one", again="another long one").status_code == 403
    assert logged_in(running, user)


def test_the_file_with_the_first_password_goes_when_its_user_changes_it(running: Registry, user: str) -> None:
    file = running.directory / "initial-admin-password"
    browser, other = logged_in(running, "admin", file.read_text().strip()), logged_in(running, user)
    other.send(CHANGE, password=PASSWORD, new="another long one", again="another long one")
    assert file.exists()
    browser.send(CHANGE, password=file.read_text().strip(), new=PASSWORD, again=PASSWORD)
    assert not file.exists()
    assert logged_in(running, "admin")


@pytest.mark.parametrize(
    ("fields", "why", "status"),
    [
        ({"password": "wrong"}, "there is no such user with this password", 403),
        ({"again": "something else"}, "not entered the same twice", 400),
        ({"new": "short", "again": "short"}, "8 to 1024 characters", 400),
        ({"password": ""}, "there is no such user with this password", 403),
    ],
)
def test_a_password_that_is_not_changed(
    browser: Browser, running: Registry, user: str, fields: dict[str, str], why: str, status: int
) -> None:
    good = {"password": PASSWORD, "new": "another long one", "again": "another long one"}
    answer = browser.send(CHANGE, **(good | fields))
    assert answer.status_code == status
    assert why in browser.page.text
    assert logged_in(running, user)


def test_a_user_without_a_password_is_not_asked_for_one(running: Registry) -> None:
    name = f"federated-{uuid4().hex[:12]}"
    administration.add_user(settings_of(running), name, password=None, is_admin=False)
    assert Browser(running).log_in(name, "").status_code == 403


ACTIONS = [KEYS, REVOKE_KEY, REVOKE_SESSION, CHANGE, "/auth/logout"]
FIELDS = {
    "name": "forged",
    "days": "30",
    "key": "1",
    "session": "0" * 32,
    "password": PASSWORD,
    "new": "forged one",
    "again": "forged one",
}


def test_a_forged_request_does_nothing(browser: Browser, running: Registry, user: str) -> None:
    """CSRF (CVE-2019-19025 and its like): without the token, with that of another session, from another site."""
    token = browser.page.form(KEYS)["token"]
    other = f"other-{uuid4().hex[:12]}"
    administration.add_user(settings_of(running), other, password=PASSWORD, is_admin=False)
    stolen = logged_in(running, other).page.form(KEYS)["token"]
    own_before = logged_in(running, user).page.form(KEYS)["token"]
    before_login = Browser(running)
    before_login.get("/auth/login")
    visitor = before_login.page.form("/auth/login")["token"]
    for action in ACTIONS:
        for wrong in ({}, {"token": ""}, {"token": stolen}, {"token": own_before}, {"token": visitor}):
            assert browser.post(action, FIELDS | wrong).status_code == 403, (action, wrong)
        for headers in ({"Origin": "https://evil.test"}, {"Sec-Fetch-Site": "cross-site"}, {"Origin": "null"}):
            assert browser.post(action, FIELDS | {"token": token}, headers=headers).status_code == 403, action
    assert browser.get("/auth/account").url.endswith("/auth/account")
    assert "forged" not in browser.answer.text
    assert logged_in(running, user)


def test_who_is_not_logged_in_changes_nothing(running: Registry) -> None:
    browser = Browser(running)
    browser.get("/auth/login")
    token = browser.page.form("/auth/login")["token"]
    for action in ACTIONS:
        assert "/auth/login" in browser.post(action, FIELDS | {"token": token}).url
    browser.session.headers["Authorization"] = "Bearer blk_nothing"
    assert "/auth/login" in browser.get("/auth/account").url


def test_a_token_of_a_client_is_no_session_of_a_browser(running: Registry, user: str) -> None:
    answer = requests.get(
        f"{running.url}/auth/token", params={"offline_token": "true"}, auth=(user, PASSWORD), timeout=20
    ).json()
    for secret in (answer["token"], answer["refresh_token"]):
        browser = Browser(running)
        browser.session.cookies.set("blacklake", secret, domain="127.0.0.1", path="/")
        assert "/auth/login" in browser.get("/auth/account").url
