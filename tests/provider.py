"""A real OpenID provider on loopback, zitadel's example, and its user in a browser."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urljoin

import requests

from conformance import tether
from conformance.ports import free_port
from conformance.tools import path_of
from tests.lifecycle.serving import eventually
from tests.tools import needed


@contextlib.contextmanager
def running(log: Path, *, callback: str | None = None) -> Iterator[str]:
    """Yield the URL of a provider with the clients `web` (with a secret) and `native` (without), and the user id1.

    `callback` is where both lead back to, and not to what the provider has by itself.
    """
    program = needed(path_of, "oidc-provider")
    port = free_port()
    url = f"http://localhost:{port}/"
    environment = os.environ | {"PORT": str(port)} | ({"REDIRECT_URI": callback} if callback is not None else {})

    def answers() -> bool:
        try:
            return requests.get(f"{url}.well-known/openid-configuration", timeout=30).status_code == 200
        except requests.ConnectionError:
            return False

    with tether.running((program,), log, env=environment) as process:
        eventually(lambda: answers() or process.poll() is not None, "the provider answers")
        assert process.poll() is None, log.read_text()
        yield url


class Form(HTMLParser):
    """The fields of a page's form."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.fields: dict[str, str] = {}
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "input" and given.get("name"):
            self.fields[str(given["name"])] = given.get("value") or ""


def way_back(url: str, *, back: str) -> str:
    """Act as a browser and its user, who logs in at the provider; return the URL below `back` to which it is led."""
    browser = requests.Session()
    page = browser.get(url, timeout=30)
    page.raise_for_status()
    fields = Form(page.text).fields | {"username": "test-user@localhost", "password": "verysecure"}
    answer = browser.post(page.url, fields, timeout=30, allow_redirects=False)
    while answer.is_redirect:
        target = urljoin(answer.url, answer.headers["location"])
        if target.startswith(back):
            return target
        answer = browser.get(target, timeout=30, allow_redirects=False)
    raise AssertionError(f"the browser doesn't come back: {answer.status_code} {answer.text[:300]}")
