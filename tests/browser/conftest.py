"""A real Chromium, Debian's, driven by Selenium: what pages look like, and what a browser does with their headers."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from selenium.webdriver import Chrome, ChromeOptions, ChromeService

from conformance.tools import system_tool
from registry import administration
from registry.config import load_settings
from tests.http.server import Registry, serving
from tests.tools import needed

PASSWORD = "correct horse battery staple"
FLAGS = (
    "--headless=new",
    "--no-sandbox",  # it is run as root in containers
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--no-proxy-server",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """Return a registry with the user alice."""
    directory = tmp_path_factory.mktemp("browser")
    with serving(directory, auth="token", outgoing_allow="localhost") as running:
        administration.add_user(load_settings(data_dir=running.directory), "alice", password=PASSWORD, is_admin=False)
        yield running


@pytest.fixture(scope="session")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    driver = needed(system_tool, "chromedriver", "chromium-driver")
    options = ChromeOptions()
    options.binary_location = str(needed(system_tool, "chromium"))
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('chromium')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    with contextlib.closing(_Quitting(Chrome(options, ChromeService(str(driver))))) as found:
        yield found.chrome


class _Quitting:
    """Chromium and its driver, which end together."""

    def __init__(self, chrome: Chrome) -> None:
        self.chrome = chrome

    def close(self) -> None:
        self.chrome.quit()


@pytest.fixture
def browser(chromium: Chrome) -> Iterator[Chrome]:
    """Return a browser without cookies, which has had nothing to complain of when the test is over."""
    chromium.execute_cdp_cmd("Network.clearBrowserCookies", {})
    chromium.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    chromium.set_window_size(1200, 900)
    chromium.get_log("browser")
    yield chromium
    complaints = [
        entry["message"] for entry in chromium.get_log("browser") if "Content Security Policy" in entry["message"]
    ]
    assert complaints == []


Serve = Callable[[str], str]


@pytest.fixture
def elsewhere() -> Iterator[Serve]:
    """Return what serves a page of another site, and returns its URL."""
    pages: dict[str, bytes] = {}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            content = pages.get(self.path, b"")
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()

        def serve(page: str) -> str:
            pages["/page"] = page.encode()
            return f"http://localhost:{server.server_port}/page"  # the registry is at 127.0.0.1: another site

        yield serve
        server.shutdown()
        thread.join()


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pictures")
