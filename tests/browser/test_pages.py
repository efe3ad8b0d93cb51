"""The pages in a real Chromium: people log in, and other sites can't make them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from registry import administration
from registry.config import load_settings
from tests import provider as providers
from tests.browser.conftest import PASSWORD, Serve
from tests.http.client import wait_until
from tests.http.server import Registry


def log_in(browser: Chrome, registry: Registry, password: str = PASSWORD) -> None:
    """Log in by the keyboard alone: the page begins at the name."""
    browser.get(f"{registry.url}/auth/login")
    enter(browser, "name", "alice", Keys.TAB, password, Keys.ENTER)
    arrive(browser, "/auth/account")


def enter(browser: Chrome, field: str, *keys: str) -> None:
    """Type into the field at which the page begins."""
    wait_until(lambda: browser.execute_script("return document.activeElement?.id") == field)
    browser.find_element(By.ID, field).send_keys(*keys)


def arrive(browser: Chrome, path: str) -> None:
    """Wait until the browser shows all of a page."""
    wait_until(
        lambda: path in browser.current_url and browser.execute_script("return document.readyState") == "complete"
    )


def text(browser: Chrome) -> str:
    found: str = browser.execute_script("return document.body?.innerText ?? ''")  # of a page that may just be changing
    return found


def test_somebody_logs_in_makes_a_key_and_logs_out(browser: Chrome, registry: Registry) -> None:
    log_in(browser, registry)
    assert "You are alice" in text(browser)
    browser.find_element(By.ID, "key-name").send_keys("laptop", Keys.ENTER)
    arrive(browser, "/auth/account/keys")
    assert "blk_" in browser.find_element(By.ID, "key").text
    browser.find_element(By.LINK_TEXT, "I have kept it").click()
    arrive(browser, "/auth/account")
    assert "blk_" not in browser.page_source
    browser.find_element(By.CSS_SELECTOR, "[aria-label='Revoke the key laptop']").click()
    arrive(browser, "done=key")
    assert "The key is revoked" in text(browser)
    browser.find_element(By.CSS_SELECTOR, "header button").click()
    arrive(browser, "/auth/login")
    browser.get(f"{registry.url}/auth/account")
    assert "/auth/login" in browser.current_url


def test_the_cookie_is_shut_to_scripts(browser: Chrome, registry: Registry) -> None:
    log_in(browser, registry)
    (cookie,) = browser.get_cookies()
    assert (cookie["name"], cookie["httpOnly"], cookie["sameSite"]) == ("blacklake", True, "Lax")
    assert browser.execute_script("return document.cookie") == ""


def test_a_change_of_the_password_keeps_this_browser_in(browser: Chrome, registry: Registry) -> None:
    log_in(browser, registry)
    for old, new in ((PASSWORD, "another long one"), ("another long one", PASSWORD)):
        for field, value in (("current", old), ("new", new), ("again", new)):
            browser.find_element(By.ID, field).send_keys(value)
        browser.find_element(By.ID, "again").send_keys(Keys.ENTER)
        arrive(browser, "done=password")
        assert "Your password is changed" in text(browser)
        browser.get(f"{registry.url}/auth/account")


@pytest.fixture(scope="module")
def provider(registry: Registry, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Return the URL of a provider whose user id1 is alice here."""
    callback = f"http://localhost:{registry.port}/auth/callback"
    with providers.running(tmp_path_factory.mktemp("provider") / "log", callback=callback) as url:
        settings = load_settings(data_dir=registry.directory)
        administration.add_issuer(settings, url, kind=None, algorithms=("RS256",), client_id="web", secret="secret")
        administration.link(settings, url, "id1", "alice")
        yield url
        administration.remove_issuer(settings, url)


def test_somebody_logs_in_by_a_provider(browser: Chrome, registry: Registry, provider: str) -> None:
    browser.get(f"http://localhost:{registry.port}/auth/login")
    browser.find_element(By.PARTIAL_LINK_TEXT, "Continue with").click()
    arrive(browser, provider)
    browser.find_element(By.NAME, "username").send_keys("test-user@localhost")
    browser.find_element(By.NAME, "password").send_keys("verysecure", Keys.ENTER)
    arrive(browser, "/auth/account")
    assert "You are alice" in text(browser)


def test_a_page_of_another_site_can_send_no_form(browser: Chrome, registry: Registry, elsewhere: Serve) -> None:
    """CSRF in the browser itself, logged in: its cookie stays away (SameSite), and its own words betray the page."""
    log_in(browser, registry)
    token = browser.find_element(By.NAME, "token").get_attribute("value")
    for action, fields in (
        ("/auth/account/keys", {"token": token, "name": "forged", "days": "30"}),
        ("/auth/login", {"token": token, "name": "alice", "password": PASSWORD, "next": ""}),
    ):
        inputs = "".join(f'<input name="{name}" value="{value}">' for name, value in fields.items())
        form = f'<form method="post" action="{registry.url}{action}">{inputs}<button id="go">go</button></form>'
        browser.get(elsewhere(form))
        browser.find_element(By.ID, "go").click()
        arrive(browser, registry.url)
        assert "blk_" not in browser.page_source
    browser.get(f"{registry.url}/auth/account")
    assert "You are alice" in text(browser)
    assert "forged" not in text(browser)


def test_no_other_page_frames_ours(chromium: Chrome, registry: Registry, elsewhere: Serve) -> None:
    """Clickjacking."""
    chromium.get(elsewhere(f'<iframe src="{registry.url}/auth/login" width="600" height="600"></iframe>'))
    chromium.switch_to.frame(0)
    assert chromium.find_elements(By.NAME, "password") == []
    chromium.switch_to.default_content()
    assert any("frame-ancestors" in entry["message"] for entry in chromium.get_log("browser"))


# WCAG 2.2 §1.4.3: 4.5 to 1 between a text and what is behind it.
CONTRASTS = """
const parts = (color) => color.match(/[\\d.]+/g).map(Number);
const light = (color) => {
  const [r, g, b] = parts(color).map((c) => (c /= 255) <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const behind = (node) => {
  for (; node; node = node.parentElement) {
    const color = getComputedStyle(node).backgroundColor;
    if ((parts(color)[3] ?? 1) > 0) return color;
  }
  return "rgb(255, 255, 255)";
};
return [...document.querySelectorAll("body *")]
  .filter((node) => [...node.childNodes].some((child) => child.nodeType === 3 && child.data.trim()))
  .map((node) => {
    const [one, other] = [light(getComputedStyle(node).color), light(behind(node))];
    return [node.outerHTML.slice(0, 80), (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05)];
  });
"""
UNLABELLED = """
return [...document.querySelectorAll("input:not([type=hidden]):not([aria-hidden]), select, button")]
  .filter((node) => !(node.labels?.length || node.getAttribute("aria-label") || node.textContent.trim()))
  .map((node) => node.outerHTML);
"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_can_be_read_by_everybody_on_every_screen(
    browser: Chrome, registry: Registry, provider: str, scheme: str, pictures: Path
) -> None:
    browser.execute_cdp_cmd(
        "Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    )
    log_in(browser, registry)
    browser.find_element(By.ID, "key-name").send_keys("a machine with rather a long name", Keys.ENTER)
    arrive(browser, "/auth/account/keys")
    require_readable(browser, pictures / f"key-{scheme}")
    browser.get(f"{registry.url}/auth/account?done=session")
    require_readable(browser, pictures / f"account-{scheme}")
    browser.find_element(By.CSS_SELECTOR, "[aria-label^='Revoke the key']").click()
    arrive(browser, "done=key")
    assert "The key is revoked" in text(browser)
    browser.find_element(By.CSS_SELECTOR, "header button").click()
    arrive(browser, "/auth/login")
    enter(browser, "name", "alice", Keys.TAB, "wrong", Keys.ENTER)
    wait_until(lambda: "no such user with this password" in text(browser))
    require_readable(browser, pictures / f"login-{scheme}")
    background: Any = browser.execute_script("return getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, background[4:-1].split(","))) > 384) is (scheme == "light")


def require_readable(browser: Chrome, picture: Path) -> None:
    """Check contrast, labels and that nothing is wider than the screen, of a desk and of a phone."""
    contrasts = browser.execute_script(CONTRASTS)
    assert len(contrasts) > 5
    assert [found for found in contrasts if found[1] < 4.5] == []
    assert browser.execute_script(UNLABELLED) == []
    assert browser.find_element(By.TAG_NAME, "html").get_attribute("lang") == "en"
    for name, width in (("desk", 1200), ("phone", 360)):
        size = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": name == "phone"}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        assert browser.execute_script("return document.documentElement.scrollWidth") <= width
        browser.save_screenshot(f"{picture}-{name}.png")
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
