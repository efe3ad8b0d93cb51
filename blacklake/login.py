"""`blacklake login|logout`: log in at a terminal by an issuer of identities, for all clients that read Docker's file."""

from __future__ import annotations

import contextlib
import json
import re
import sys
import time
from collections.abc import Iterator, Mapping
from http.client import HTTPException
from typing import Annotated, Any, Final, NamedTuple
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import HTTPRedirectHandler, OpenerDirector, ProxyHandler, Request, build_opener

from cyclopts import Parameter

from blacklake.docker_config import ConfigUnusable, DockerConfig
from blacklake.references import url_of
from blacklake.settings import USAGE, Refused

_SERVER: Final = re.compile(r"(?:[A-Za-z0-9.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?", re.ASCII)
_DEVICE_GRANT: Final = "urn:ietf:params:oauth:grant-type:device_code"
_CLIENT: Final = "blacklake"
_SECONDS: Final = 30  # for one request
_ANSWER: Final = 64 << 10  # bytes
_SELDOM: Final = 60  # seconds between two questions, at most
_SLOWER: Final = 5  # seconds, by which to ask less often (RFC 8628 §3.5)

Server = Annotated[str, Parameter(help="The registry, as in image names: HOST or HOST:PORT.")]


def login(
    server: Server,
    *,
    issuer: Annotated[str | None, Parameter(help="Who says who you are, where there are several.")] = None,
) -> None:
    """Log in to a registry: enter a code in a browser, anywhere. docker, podman, oras, crane and regctl then use it."""
    base = _base_of(server)
    begun = _post(f"{base}/auth/device", {"client_id": _CLIENT, **({"issuer": issuer} if issuer else {})})
    shown = _Shown.of(begun, base)
    print(f"To log in to {server} open\n\n    {shown.page}\n\nin any browser and enter the code\n\n    {shown.code}\n")
    if shown.complete:
        print(f"or open this at once, if it shows the same code:\n\n    {shown.complete}\n")
    token, user = _waited_for(base, shown)
    with _kept():
        where = DockerConfig.of_user().store(server, user, token)
    print(f"logged in to {server} as {user}; the credential is in {where}")


def logout(server: Server) -> None:
    """End the session at a registry, and forget its credential on this machine."""
    base = _base_of(server)
    with _kept():
        token = DockerConfig.of_user().token_of(server)
        is_there = DockerConfig.of_user().erase(server)
    if token is not None:
        _end(base, token)
    print(f"logged out of {server}" if is_there else f"nobody was logged in to {server}")


def _end(base: str, token: str) -> None:
    """End a session (RFC 7009). Raise Refused; where the registry is one that doesn't know how, only say so."""
    instead = f"end the session on the page {base}/auth/account"
    try:
        _sent(f"{base}/auth/revoke", {"token": token, "client_id": _CLIENT})
    except _Missing:
        print(f"blacklake: this registry ends no sessions by their token; {instead}", file=sys.stderr)
    except (Refused, _Pending) as error:
        why = str(error) or "the registry is busy"
        raise Refused(f"the credential is gone from here, but its session goes on: {why}; {instead}") from None


@contextlib.contextmanager
def _kept() -> Iterator[None]:
    """Say why a credential could not be kept or forgotten."""
    try:
        yield
    except ConfigUnusable as error:
        raise Refused(str(error)) from error


class _Shown(NamedTuple):
    """What a terminal shows, and by what it asks for the outcome (RFC 8628 §3.2)."""

    page: str
    code: str
    complete: str | None
    device_code: str
    interval: float
    until: float

    @classmethod
    def of(cls, answer: Mapping[str, Any], base: str) -> _Shown:
        """Return what an answer says. Raise Refused where it says nothing of the kind."""
        texts = [answer.get(name) for name in ("verification_uri", "user_code", "device_code")]
        interval, seconds = answer.get("interval", 5), answer.get("expires_in")
        complete = answer.get("verification_uri_complete")
        if (
            not all(isinstance(text, str) and text.isprintable() for text in [*texts, complete or ""])
            or not isinstance(interval, int)
            or not isinstance(seconds, int)
        ):
            raise Refused(f"{base} answers no login for terminals; is it a registry with BLACKLAKE_AUTH=token?")
        page, code, device_code = map(str, texts)
        return cls(page, code, complete, device_code, max(interval, 1), time.monotonic() + seconds)


def _waited_for(base: str, shown: _Shown) -> tuple[str, str]:
    """Return the refresh token and the name of who has logged in. Raise Refused."""
    interval = shown.interval
    while time.monotonic() < shown.until:
        time.sleep(interval)
        fields = {"grant_type": _DEVICE_GRANT, "device_code": shown.device_code, "client_id": _CLIENT}
        try:
            answer = _post(f"{base}/auth/device/token", fields)
        except _Pending as pending:
            interval += _SLOWER if pending.is_slower else 0
            continue
        except _Unreached:
            interval = min(interval * 2, _SELDOM)  # RFC 8628 §3.5
            continue
        token, user = answer.get("refresh_token"), answer.get("username")
        if not isinstance(token, str) or not isinstance(user, str) or not user.isprintable():
            raise Refused(f"{base} answers without a refresh token")
        return token, user
    raise Refused("nobody has entered the code in time; begin again")


class _Missing(Refused):
    """The registry has no such endpoint."""


class _Unreached(Refused):
    """The registry doesn't answer, now."""


class _Pending(Exception):
    """Ask again later, with `is_slower` less often."""

    def __init__(self, *, is_slower: bool) -> None:
        super().__init__()
        self.is_slower = is_slower


class _NoRedirects(HTTPRedirectHandler):
    """What is sent is for the registry and nobody else."""

    def redirect_request(self, *_: object) -> None:
        """Follow none."""


def _post(url: str, fields: Mapping[str, str]) -> dict[str, Any]:
    """Return the JSON that an endpoint answers. Raise what `_sent` raises."""
    return _object(_sent(url, fields), url)


def _sent(url: str, fields: Mapping[str, str]) -> bytes:
    """Return what an endpoint answers. Raise Refused, and _Pending where it is too early or the registry doesn't answer."""
    request = Request(url, urlencode(fields).encode(), {"User-Agent": _CLIENT, "Accept": "application/json"})  # noqa: S310
    try:
        with _opener(url).open(request, timeout=_SECONDS) as response:
            content: bytes = response.read(_ANSWER)
            return content
    except HTTPError as error:
        with error:
            raise _refusal_of(error, url) from None
    except (OSError, HTTPException) as error:
        raise _Unreached(f"{url} can't be reached: {getattr(error, 'reason', None) or error}") from error


def _opener(url: str) -> OpenerDirector:
    """Return what sends a request: by http, which is to this machine, through no proxy, who would read what is sent."""
    return build_opener(_NoRedirects, ProxyHandler({}) if url.startswith("http:") else ProxyHandler())


def _refusal_of(error: HTTPError, url: str) -> Exception:
    if error.code in (429, 503):
        return _Pending(is_slower=True) if url.endswith("/token") else Refused(f"{url} is busy; try again")
    if error.code in (404, 405):
        return _Missing(f"{url} isn't there; is it a registry with BLACKLAKE_AUTH=token?")
    answer = _object(error.read(_ANSWER), url)
    word = answer.get("error")
    if word in ("authorization_pending", "slow_down"):
        return _Pending(is_slower=word == "slow_down")
    why = str(answer.get("error_description") or word or f"status {error.code}")
    return Refused("".join(letter for letter in why if letter.isprintable()))


def _object(content: bytes, url: str) -> dict[str, Any]:
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise Refused(f"{url} answers no JSON object; is it a registry?")
    return found


def _base_of(server: str) -> str:
    """Return the URL of a server: by https, but for loopback, as Docker does it. Raise Refused."""
    if _SERVER.fullmatch(server) is None:
        raise Refused(f"“{server[:128]}” is no HOST or HOST:PORT", USAGE)
    return url_of(server)
