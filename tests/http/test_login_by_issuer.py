"""Logins by a real OpenID provider through the pages: to it and back, and what attackers make of the way."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
import requests

from registry import administration
from registry.config import Settings, load_settings
from tests import provider as providers
from tests.http.browser import Browser
from tests.http.server import Registry, serving
from tests.setups import SETUPS, share


@pytest.fixture(scope="module", params=share(SETUPS, __name__), ids="-".join)
def running(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    server, door = request.param
    directory = tmp_path_factory.mktemp(f"issuer-{server}-{door}")
    lane = str(door == "lane").lower()
    with serving(directory, auth="token", server=server, fast_lane=lane, outgoing_allow="localhost") as registry:
        yield registry


@pytest.fixture(scope="module")
def provider(running: Registry, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Return the URL of a provider whose user id1 is ann here."""
    log = tmp_path_factory.mktemp("provider") / "log"
    with providers.running(log, callback=f"{site(running)}/auth/callback") as url:
        settings = settings_of(running)
        administration.add_user(settings, "ann", password=None, is_admin=False)
        administration.add_issuer(settings, url, kind=None, algorithms=("RS256",), client_id="web", secret="secret")
        administration.link(settings, url, "id1", "ann")
        yield url


@pytest.fixture
def browser(running: Registry, provider: str) -> Iterator[Browser]:
    found = Browser(running, "localhost")
    with found.session:
        yield found


def site(registry: Registry) -> str:
    return f"http://localhost:{registry.port}"


def settings_of(registry: Registry) -> Settings:
    return load_settings(data_dir=registry.directory)


def begun(browser: Browser, link: str) -> str:
    """Follow the link to the provider, as far as it; return where that leads."""
    answer = browser.session.get(browser.url + link, allow_redirects=False, timeout=20)
    assert answer.status_code == 303, answer.text
    return answer.headers["Location"]


def link_of(provider: str, **more: str) -> str:
    return f"/auth/login/oidc?{urlencode({'issuer': provider, **more})}"


def came_back(browser: Browser, url: str) -> str:
    """Log in at the provider; return the path by which the browser is led back to the registry."""
    back = providers.way_back(url, back=f"{browser.url}/auth/callback")
    return back.removeprefix(browser.url)


def test_somebody_logs_in_by_a_provider_and_is_who_is_linked(browser: Browser, provider: str) -> None:
    browser.get("/auth/login?next=/auth/account?done=x")
    (link,) = [found for found in browser.page.links if "oidc" in found]
    assert urlsplit(provider).netloc in browser.page.text
    answer = browser.get(came_back(browser, begun(browser, link)))
    assert answer.url == f"{browser.url}/auth/account?done=x"
    assert "You are ann" in browser.page.text
    assert "/auth/account/password" not in browser.page.forms  # ann has none
    assert "blacklake-attempt" not in browser.session.cookies


def test_what_the_provider_is_asked_is_ours_alone(browser: Browser, provider: str) -> None:
    asked = parse_qs(urlsplit(begun(browser, link_of(provider, redirect_uri="https://evil.test/"))).query)
    assert asked["redirect_uri"] == [f"{browser.url}/auth/callback"]
    assert asked["code_challenge_method"] == ["S256"]


@pytest.mark.parametrize("issuer", ["https://evil.test", "", "file:///etc/passwd", "http://169.254.169.254/"])
def test_an_issuer_that_nobody_has_added_is_not_called(browser: Browser, issuer: str) -> None:
    answer = browser.get(link_of(issuer))
    assert answer.status_code == 403
    assert "an administrator adds it" in browser.page.text


def test_an_answer_that_this_browser_has_not_begun_is_refused(
    browser: Browser, running: Registry, provider: str
) -> None:
    """Login CSRF: an attacker's code in his victim's browser, which has begun nothing, or another login."""
    mallory = Browser(running, "localhost")
    stolen = came_back(mallory, begun(mallory, link_of(provider)))
    assert browser.get(stolen).status_code == 403
    begun(browser, link_of(provider))
    assert browser.get(stolen).status_code == 403
    assert "has not begun this login" in browser.page.text
    assert browser.cookie is None


@pytest.mark.parametrize("state", ["", "x", "é"])
def test_a_state_that_does_not_match_is_refused(browser: Browser, provider: str, state: str) -> None:
    back = urlsplit(came_back(browser, begun(browser, link_of(provider))))
    code = parse_qs(back.query)["code"][0]
    assert browser.get(f"/auth/callback?{urlencode({'code': code, 'state': state})}").status_code == 403
    assert browser.cookie is None


def test_a_callback_is_good_once(browser: Browser, provider: str) -> None:
    """Replay: the browser has forgotten the attempt, and whoever has kept it finds the code used up."""
    url = begun(browser, link_of(provider))
    attempt = browser.session.cookies["blacklake-attempt"]
    back = came_back(browser, url)
    assert "You are ann" in browser.get(back).text.replace("<b>", "")
    assert browser.get(back).status_code == 403
    replayed = requests.get(
        browser.url + back, cookies={"blacklake-attempt": attempt}, timeout=20, allow_redirects=False
    )
    assert replayed.status_code == 400
    assert "invalid_grant" in replayed.text


def test_a_login_that_the_provider_refuses_says_so(browser: Browser, provider: str) -> None:
    state = parse_qs(urlsplit(begun(browser, link_of(provider))).query)["state"][0]
    answer = browser.get(f"/auth/callback?{urlencode({'error': 'access_denied', 'state': state})}")
    assert answer.status_code == 403
    assert "access_denied" in browser.page.text


def test_what_an_issuer_says_is_shown_and_never_carried_out(browser: Browser, provider: str) -> None:
    state = parse_qs(urlsplit(begun(browser, link_of(provider))).query)["state"][0]
    answer = browser.get(f"/auth/callback?{urlencode({'error': '<script>alert(1)</script>', 'state': state})}")
    assert "<script" not in answer.text
    assert "<script" not in browser.get(link_of("https://x/<script>alert(1)</script>")).text


def test_an_open_redirect_does_not_lead_out_of_the_login(browser: Browser, provider: str) -> None:
    url = begun(browser, link_of(provider, next="//evil.test/"))
    back = browser.session.get(browser.url + came_back(browser, url), allow_redirects=False, timeout=20)
    assert back.headers["Location"] == "/auth/account"
    url = begun(browser, link_of(provider))
    attempt = browser.session.cookies["blacklake-attempt"].partition(".")[0]
    changed = {"blacklake-attempt": f"{attempt}.%2F%2Fevil.test"}
    back = requests.get(browser.url + came_back(browser, url), cookies=changed, allow_redirects=False, timeout=20)
    assert (back.status_code, back.headers["Location"]) == (303, "/auth/account")


def test_who_is_linked_to_nobody_is_refused_and_told_what_to_do(
    browser: Browser, running: Registry, provider: str
) -> None:
    administration.unlink(settings_of(running), provider, "id1")
    try:
        assert browser.get(came_back(browser, begun(browser, link_of(provider)))).status_code == 403
        assert "blacklake admin issuer link" in browser.page.text
    finally:
        administration.link(settings_of(running), provider, "id1", "ann")


def test_a_host_that_anybody_may_claim_is_no_way_back(browser: Browser, provider: str) -> None:
    answer = browser.get(link_of(provider), headers={"Host": "evil.test"})
    assert answer.status_code == 400
    assert "BLACKLAKE_EXTERNAL_URL" in answer.text
