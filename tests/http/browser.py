"""A browser without a screen: it keeps cookies, follows links and sends forms as a browser does."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Any
from urllib.parse import urljoin

import requests

from tests.http.client import PATIENCE
from tests.http.server import Registry


class Page(HTMLParser):
    """The forms of a page, by where they go, and its text."""

    def __init__(self, content: str) -> None:
        super().__init__()
        self.forms: dict[str, list[dict[str, str]]] = {}
        self.links: list[str] = []
        self.words: list[str] = []
        self._fields: dict[str, str] | None = None
        self.feed(content)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def form(self, action: str) -> dict[str, str]:
        """Return the fields of the first form that goes to a path, with what stands in them."""
        return dict(self.forms[action][0])

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._fields = {}
            self.forms.setdefault(given["action"], []).append(self._fields)
        if tag in ("input", "select") and self._fields is not None:
            self._fields[given["name"]] = given.get("value", "")
        if tag == "option" and "selected" in given and self._fields is not None:
            self._fields[list(self._fields)[-1]] = given["value"]
        if tag == "a":
            self.links.append(given["href"])

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._fields = None

    def handle_data(self, data: str) -> None:
        self.words.append(data)


class Browser:
    """One person's browser. `page` is what it shows, `answer` the last answer."""

    def __init__(self, registry: Registry, host: str = "127.0.0.1") -> None:
        self.url = f"http://{host}:{registry.port}"
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.headers["User-Agent"] = "Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0"
        self.answer = requests.Response()

    @property
    def page(self) -> Page:
        return Page(self.answer.text)

    @property
    def cookie(self) -> str | None:
        """The cookie of who is logged in."""
        return self.session.cookies.get("blacklake")

    def get(self, path: str, **options: Any) -> requests.Response:
        self.answer = self.session.get(urljoin(self.url, path), timeout=PATIENCE, **options)
        return self.answer

    def send(self, action: str, *, headers: dict[str, str | None] | None = None, **fields: str) -> requests.Response:
        """Fill the page's form that goes to `action` and send it; `headers` come instead of a browser's own."""
        return self.post(action, self.page.form(action) | fields, headers=headers)

    def post(
        self, path: str, fields: dict[str, str], *, headers: dict[str, str | None] | None = None
    ) -> requests.Response:
        """Send a form."""
        own: dict[str, str | None] = {"Origin": self.url, "Sec-Fetch-Site": "same-origin"}
        self.answer = self.session.post(
            urljoin(self.url, path), fields, headers=own | (headers or {}), timeout=PATIENCE
        )
        return self.answer

    def log_in(self, name: str, password: str, after: str = "/auth/account") -> requests.Response:
        """Log in by a password."""
        self.get(f"/auth/login?next={after}")
        return self.send("/auth/login", name=name, password=password)
