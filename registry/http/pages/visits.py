"""A request for a page, with what is known of who sends it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import quote

from registry.auth.browser_login import Origin
from registry.auth.browser_sessions import Browser
from registry.core.audit import Actor, actor_of
from registry.errors import RequestInvalid
from registry.http.call import Call
from registry.http.reply import Reply


@dataclass(frozen=True, slots=True)
class Visit:
    """`browser` is None where nobody is logged in, `form` empty but for POST; `token` is what this page's forms must send."""

    call: Call
    origin: Origin
    browser: Browser | None
    form: dict[str, str]
    token: str

    @property
    def user(self) -> Browser:
        """Who is logged in, which a private page's visitor is."""
        assert self.browser is not None
        return self.browser

    @property
    def actor(self) -> Actor:
        """Who is logged in, as who acts."""
        return actor_of(self.user.caller, address=self.origin.network, request_id=self.origin.request_id)

    def field(self, name: str) -> str:
        """Return a field of the form. Raise RequestInvalid where it is missing, or holds what no name or number does."""
        found = self.form.get(name)
        if found is None or "\0" in found:
            raise RequestInvalid(f"the form's field {name} is missing, or holds a NUL character")
        return found


Handler = Callable[[Visit], Awaitable[Reply]]


PageKey = tuple[str, str]
"""A path and a method."""


class Endpoint(NamedTuple):
    """What a path is called in metrics. Who isn't logged in is led away from a private one."""

    name: str
    is_private: bool = False


def led_to(path: str, *headers: tuple[str, str]) -> Reply:
    """Return an answer that leads a browser to another page, by GET (RFC 9110 §15.4.4)."""
    return Reply(303, [("Location", path), *headers])


def led_to_login(base: str, path: str, *headers: tuple[str, str]) -> Reply:
    """Return an answer that leads to the login, and from there to a path of ours."""
    return led_to(f"{base}/auth/login?next={quote(path, safe='/')}", *headers)
