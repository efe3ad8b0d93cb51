"""The page to log in by, and what attackers try with it: through both doors, on both servers."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from registry import administration, administration_audit
from registry.auth.throttle import OF_A_NETWORK, OF_A_USER_ELSEWHERE
from registry.config import Settings, load_settings
from registry.http.pages.site import local
from tests.http.browser import Browser, Page
from tests.http.client import wait_until
from tests.http.server import Registry, serving
from tests.setups import SETUPS, as_settings, share

PASSWORD = "correct horse battery staple"
WRONG = "there is no such user with this password or key"


@pytest.fixture(scope="module", params=share(SETUPS, __name__), ids="-".join)
def running(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    server, door = request.param
    directory = tmp_path_factory.mktemp(f"login-{server}-{door}")
    with serving(directory, auth="token", **as_settings(server, door), trusted_proxies="127.0.0.0/8") as registry:
        for user in ("alice", "bob", "throttled", "leaver"):
            administration.add_user(settings_of(registry), user, password=PASSWORD, is_admin=False)
        yield registry


def settings_of(registry: Registry) -> Settings:
    return load_settings(data_dir=registry.directory)


@pytest.fixture
def browser(running: Registry) -> Iterator[Browser]:
    found = Browser(running)
    with found.session:
        yield found


def events(registry: Registry, action: str) -> list[Any]:
    """Return the events of an action, the newest first."""
    lines: list[str] = []
    administration_audit.export_audit(settings_of(registry), action=action, target=None, say=lines.append)
    return [json.loads(line) for line in reversed(lines)]


def test_whoever_is_not_logged_in_is_led_to_the_login_and_back(browser: Browser) -> None:
    assert browser.get("/auth/account").url == f"{browser.url}/auth/login?next=/auth/account"
    assert browser.cookie is None
    answer = browser.send("/auth/login", name="alice", password=PASSWORD)
    assert (answer.status_code, answer.url) == (200, f"{browser.url}/auth/account")
    assert [step.status_code for step in answer.history] == [303]
    assert "You are alice" in browser.page.text
    assert browser.get("/auth/login").url == f"{browser.url}/auth/account"  # there is no need to do it twice


@pytest.mark.parametrize(
    ("name", "password"), [("alice", "wrong"), ("nobody", PASSWORD), ("oidc", PASSWORD), ("x" * 500, "x"), ("<b>", "x")]
)
def test_wrong_credentials_are_refused_all_alike(browser: Browser, name: str, password: str) -> None:
    answer = browser.log_in(name, password)
    assert answer.status_code == 403
    assert "WWW-Authenticate" not in answer.headers
    assert WRONG in browser.page.text
    assert browser.cookie is None
    assert browser.page.form("/auth/login")["name"] == name
    assert "<b>" not in answer.text.replace("<b>127", "")


def test_a_key_is_no_password_of_a_page(browser: Browser, running: Registry) -> None:
    key = administration.create_key(settings_of(running), "alice", f"key-{running.port}", lifetime=None)
    assert browser.log_in("alice", key).status_code == 403
    assert browser.cookie is None


def test_a_login_gives_a_new_cookie_whatever_the_browser_had(browser: Browser, running: Registry) -> None:
    """Session fixation: a cookie that an attacker has planted is nobody's."""
    browser.session.cookies.set("blacklake", "A" * 43, domain="127.0.0.1", path="/")
    browser.log_in("alice", PASSWORD)
    first = browser.cookie
    assert first is not None
    assert first != "A" * 43
    mallory = Browser(running)
    mallory.session.cookies.set("blacklake", "A" * 43, domain="127.0.0.1", path="/")
    assert "/auth/login" in mallory.get("/auth/account").url
    form = login_form(running, browser)  # of another tab
    browser.post("/auth/login", form | {"name": "bob", "password": PASSWORD})
    assert "You are bob" in browser.page.text
    mallory.session.cookies.set("blacklake", first, domain="127.0.0.1", path="/")
    assert "/auth/login" in mallory.get("/auth/account").url  # alice's session ended when bob logged in


def login_form(running: Registry, browser: Browser) -> dict[str, str]:
    """Return the login's form as a browser has it that was not logged in when it was loaded."""
    other = Browser(running)
    other.get("/auth/login")
    visitor = other.session.cookies["blacklake-visitor"]
    browser.session.cookies.set("blacklake-visitor", visitor, domain="127.0.0.1", path="/")
    return other.page.form("/auth/login")


def test_a_logout_ends_the_session_itself(browser: Browser, running: Registry) -> None:
    browser.log_in("alice", PASSWORD)
    cookie = browser.cookie
    answer = browser.send("/auth/logout")
    assert answer.url == f"{browser.url}/auth/login"
    assert browser.cookie is None
    browser.session.cookies.set("blacklake", str(cookie), domain="127.0.0.1", path="/")
    assert "/auth/login" in browser.get("/auth/account").url


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.test"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1"},
        {"Origin": "http://127.0.0.1.evil.test"},
        {"Origin": None, "Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": None, "Sec-Fetch-Site": None},
    ],
)
def test_a_form_of_another_site_is_refused(browser: Browser, headers: dict[str, str | None]) -> None:
    browser.get("/auth/login")
    answer = browser.send("/auth/login", headers=headers, name="alice", password=PASSWORD)
    assert answer.status_code == 403
    assert browser.cookie is None


@pytest.mark.parametrize("headers", [{"Origin": None}, {"Sec-Fetch-Site": None}])
def test_a_browser_that_says_only_one_of_both_is_believed(browser: Browser, headers: dict[str, str | None]) -> None:
    browser.get("/auth/login")
    browser.send("/auth/login", headers=headers, name="alice", password=PASSWORD)
    assert browser.cookie is not None


@pytest.mark.parametrize("token", ["", "0" * 64, "“", None])
def test_a_login_without_the_token_of_the_browser_is_refused(browser: Browser, token: str | None) -> None:
    browser.get("/auth/login")
    fields = browser.page.form("/auth/login") | {"name": "alice", "password": PASSWORD}
    fields.pop("token")
    answer = browser.post("/auth/login", fields | ({} if token is None else {"token": token}))
    assert answer.status_code == 403
    assert "too old" in browser.page.text


def test_the_token_of_another_browser_is_refused(browser: Browser, running: Registry) -> None:
    """Login CSRF: an attacker's own form, sent by his victim's browser, logs nobody in."""
    mallory = Browser(running)
    mallory.get("/auth/login")
    form = mallory.page.form("/auth/login") | {"name": "bob", "password": PASSWORD}
    browser.get("/auth/login")
    assert browser.post("/auth/login", form).status_code == 403
    browser.session.cookies.clear()
    assert browser.post("/auth/login", form).status_code == 403
    browser.session.cookies.set("blacklake-visitor", "", domain="127.0.0.1", path="/")
    assert browser.post("/auth/login", form).status_code == 403


@pytest.mark.parametrize("path", ["/auth/account", "/", "/auth/account?done=key", "/api/v1/x-y_z~!$&'()*+,;=:@%20"])
def test_a_path_of_this_site_is_led_to(path: str) -> None:
    assert local(path) == path


OPEN_REDIRECTS = [
    "https://evil.test/",
    "//evil.test/",
    "///evil.test",
    "/\\evil.test/",
    "\\\\evil.test",
    "/\t/evil.test",
    "/\n/evil.test",
    "\t//evil.test",
    "javascript:alert(1)",
    "evil.test",
    "/auth/account\r\nSet-Cookie: a=b",
    "/auth/\u2028account",
    "/#fragment",
    "/" + "a" * 2000,
]


@pytest.mark.parametrize("path", OPEN_REDIRECTS)
def test_open_redirects_lead_to_the_account(browser: Browser, path: str) -> None:
    """CVE-2024-22244 and its like: `next` is a path of this site or nothing."""
    assert local(path) == ""
    browser.get("/auth/login", params={"next": path})
    assert browser.page.form("/auth/login")["next"] == ""
    answer = browser.send("/auth/login", next=path, name="alice", password=PASSWORD)
    assert answer.history[0].headers["Location"] == "/auth/account"


def test_too_many_failures_are_refused_before_the_password_is_looked_at(browser: Browser) -> None:
    """Guessing: as at the token endpoint, and counted together with it."""
    browser.session.headers["X-Forwarded-For"] = "192.0.2.66"
    browser.get("/auth/login")
    statuses = [
        browser.send("/auth/login", name="throttled", password="guess").status_code
        for _ in range(OF_A_USER_ELSEWHERE.failures + 1)
    ]
    assert statuses == [403] * OF_A_USER_ELSEWHERE.failures + [429]
    assert OF_A_USER_ELSEWHERE.failures < OF_A_NETWORK.failures
    assert int(browser.answer.headers["Retry-After"]) > 0
    assert browser.send("/auth/login", name="throttled", password=PASSWORD).status_code == 429
    token = browser.session.get(f"{browser.url}/auth/token", auth=("throttled", PASSWORD), timeout=20)
    assert token.status_code == 429


def test_a_disabled_user_is_out_at_once(browser: Browser, running: Registry) -> None:
    browser.log_in("leaver", PASSWORD)
    assert browser.get("/auth/account").url == f"{browser.url}/auth/account"
    administration.disable(settings_of(running), "leaver", kind="user")
    assert "/auth/login" in browser.get("/auth/account").url
    assert browser.log_in("leaver", PASSWORD).status_code == 403
    administration.enable(settings_of(running), "leaver", kind="user")
    assert "/auth/login" in browser.get("/auth/account").url  # the session doesn't come back


PAGES = ["/auth/login", "/auth/account", "/auth/nothing", "/auth/callback", "/auth/static/nothing", "/auth/logout"]


@pytest.mark.parametrize("path", PAGES)
def test_every_page_is_protected(browser: Browser, path: str) -> None:
    """Clickjacking, sniffing, injected scripts: no frame, no other type, nothing inline."""
    for method in ("GET", "POST", "DELETE"):
        answer = browser.session.request(
            method, browser.url + path, data={} if method == "POST" else None, allow_redirects=False, timeout=20
        )
        headers = answer.headers
        policy = dict(part.strip().split(" ", 1) for part in headers["Content-Security-Policy"].split(";"))
        assert policy == {
            "default-src": "'none'",
            "style-src": "'self'",
            "img-src": "'self'",
            "form-action": "'self'",
            "frame-ancestors": "'none'",
            "base-uri": "'none'",
        }
        assert headers["Cache-Control"] == "no-store"
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["X-Frame-Options"] == "DENY"
        assert headers["Referrer-Policy"] == "same-origin"
        assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
        assert "camera=()" in headers["Permissions-Policy"]
        assert "Strict-Transport-Security" not in headers  # without TLS
        assert headers["X-Request-ID"]
        assert not re.search(r"<script|<style|\son[a-z]+=|\sstyle=|javascript:", answer.text)


def test_what_pages_need_they_bring_along(browser: Browser) -> None:
    page = browser.get("/auth/login").text
    files = set(re.findall(r'(?:href|src)="(/auth/static/[^"]+)"', page))
    assert len(files) == 2
    for file in files:
        answer = browser.get(file)
        assert answer.status_code == 200
        assert answer.headers["Content-Type"] in ("text/css; charset=utf-8", "image/svg+xml")
        assert "immutable" in answer.headers["Cache-Control"]
    for name in ("../rendering.py", "..%2frendering.py", "templates/login.html", ""):
        assert browser.session.get(f"{browser.url}/auth/static/{name}", timeout=20).status_code == 404


def test_methods_and_paths_that_are_none(browser: Browser) -> None:
    answer = browser.session.delete(f"{browser.url}/auth/login", timeout=20)
    assert (answer.status_code, answer.headers["Allow"]) == (405, "GET, POST")
    head = browser.session.head(f"{browser.url}/auth/login", timeout=20)
    assert (head.status_code, head.content) == (200, b"")
    assert browser.get("/auth/nothing").status_code == 404
    assert browser.session.post(f"{browser.url}/auth/login", data=b"x" * 40_000, timeout=20).status_code == 403
    browser.get("/auth/login")
    assert browser.post("/auth/login", {"token": "x" * 40_000}).status_code == 400


def test_logins_and_logouts_are_in_the_audit_log_and_passwords_are_not(browser: Browser, running: Registry) -> None:
    before = len(events(running, "logout"))
    browser.log_in("alice", "a wrong password")
    browser.log_in("nobody-at-all", "a wrong password")
    browser.log_in("alice", PASSWORD)
    browser.send("/auth/logout")
    wait_until(lambda: len(events(running, "logout")) > before)  # what is exported is sealed
    logins = events(running, "login")[:3]
    assert [(one["principal"], one["outcome"]) for one in logins] == [
        ("alice", "done"),
        ("somebody", "denied"),
        ("alice", "denied"),
    ]
    assert events(running, "logout")[0]["principal"] == "alice"
    for text in (str(logins), running.log.read_text()):
        assert "a wrong password" not in text
        assert PASSWORD not in text
        assert "nobody-at-all" not in text


def test_cookies_are_shut_to_scripts_and_to_other_sites(browser: Browser) -> None:
    browser.get("/auth/login")
    cookies = [browser.answer.headers["Set-Cookie"]]
    answer = browser.send("/auth/login", name="alice", password=PASSWORD)
    cookies += [answer.history[0].raw.headers.getlist("Set-Cookie")[0]]
    for cookie in cookies:
        assert cookie.startswith("blacklake")
        assert {"HttpOnly", "Path=/", "SameSite=Lax"} <= set(cookie.split("; "))
        assert "Domain" not in cookie
        assert "Secure" not in cookie  # on loopback without TLS, where it would be dropped, and


@pytest.mark.parametrize("host", ["registry.example", "192.0.2.1:5000", "localhost.evil.test", "127.0.0.1.evil.test"])
def test_a_cookie_is_bound_to_host_and_tls_everywhere_else(browser: Browser, host: str) -> None:
    cookie = browser.get("/auth/login", headers={"Host": host}).headers["Set-Cookie"]
    assert cookie.startswith("__Host-blacklake-visitor=")
    assert {"Secure", "HttpOnly", "Path=/", "SameSite=Lax"} <= set(cookie.split("; "))
    assert Page(browser.answer.text).form("/auth/login")
