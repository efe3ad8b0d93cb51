"""The one way in which the registry calls others over HTTP, so that nobody makes it call whom it must not.

Only https, or plain http where the operator has allowed the host. A name is looked up once for each call; all of its
addresses must be permitted, and the connection goes to one of these very addresses, while Host, SNI and the certificate's
check are still those of the name: what the name means a moment later (DNS rebinding) doesn't matter. Redirects of GET are
followed by hand, three at most, each as a new call with the same checks and without credentials for another origin. Bodies
are bounded as they are sent (no compression), and so is the time. No proxy, no cookie, no netrc, no connection that is used
twice.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import MappingProxyType
from typing import Final, NamedTuple

import httpx

from registry.auth.addresses import Allowed
from registry.auth.outgoing_errors import (
    AnswerTooLarge,
    AnswerUnfit,
    TargetRefused,
    TargetTooSlow,
    TargetUnreachable,
)

REDIRECTS: Final = 3
LIMIT: Final = 256 << 10
"""Bytes of an answer, where the caller doesn't say otherwise."""

_AT_ONCE: Final = 16  # calls of each method
_LOOKUPS: Final = (
    4  # threads of each: one that waits for a resolver can't be cancelled, and must not take the files' threads
)
_TRIED: Final = 3  # addresses of a name
_REDIRECTIONS: Final = (301, 302, 303, 307, 308)
_CREDENTIALS: Final = ("authorization", "cookie")
_HEADERS: Final = {"User-Agent": "blacklake", "Accept": "application/json", "Accept-Encoding": "identity"}
_NONE: Final[Mapping[str, str]] = MappingProxyType({})


class Answer(NamedTuple):
    """An answer, whatever its status; `headers` by lower-case names."""

    status: int
    headers: Mapping[str, str]
    content: bytes


class _Room(NamedTuple):
    """Where calls of one method take their turns."""

    places: asyncio.Semaphore
    lookups: ThreadPoolExecutor


class Outgoing:
    """Calls others. Errors are OutgoingFailed's."""

    def __init__(self, allowed: Allowed, *, ca_file: Path | None = None, seconds: float = 10.0) -> None:
        """`ca_file` holds certificates that are trusted beside the public ones. A call takes `seconds` at most, all included.

        Raise OSError where the file can't be read or holds no certificate.
        """
        self._allowed = allowed
        self._seconds = seconds
        self._timeout = httpx.Timeout(seconds / 2)
        self._tls = httpx.create_ssl_context(trust_env=False)
        if ca_file is not None:
            self._tls.load_verify_locations(ca_file)
        # Anybody who begins a login causes a post: however many do, what issuers publish is fetched, and tokens are verified.
        self._rooms = {
            method: _Room(
                asyncio.Semaphore(_AT_ONCE), ThreadPoolExecutor(_LOOKUPS, thread_name_prefix=f"outgoing-names-{method}")
            )
            for method in ("GET", "POST")
        }

    async def get(self, url: str, *, headers: Mapping[str, str] = _NONE, limit: int = LIMIT) -> Answer:
        """Return what a URL answers, redirects followed. `limit` is in bytes."""
        return await self._in_time(httpx.Request("GET", _parsed(url), headers=_HEADERS | dict(headers)), limit)

    async def post(self, url: str, content: bytes, *, headers: Mapping[str, str] = _NONE, limit: int = LIMIT) -> Answer:
        """Return what a URL answers to `content`; a redirect is not followed."""
        request = httpx.Request("POST", _parsed(url), headers=_HEADERS | dict(headers), content=content)
        return await self._in_time(request, limit)

    async def _in_time(self, request: httpx.Request, limit: int) -> Answer:
        try:
            async with asyncio.timeout(self._seconds), self._rooms[request.method].places:
                return await self._followed(request, limit)
        except TimeoutError:
            raise TargetTooSlow(f"{request.url} took more than {self._seconds:g} seconds") from None

    async def _followed(self, request: httpx.Request, limit: int) -> Answer:
        for _ in range(REDIRECTS + 1):
            answer = await self._once(request, limit)
            if request.method != "GET" or answer.status not in _REDIRECTIONS:
                return answer
            request = _redirected(request, answer)
        raise AnswerUnfit(f"{request.url} is the {REDIRECTS + 1}th redirect")

    async def _once(self, request: httpx.Request, limit: int) -> Answer:
        host = _host(request.url)
        if request.url.scheme != "https" and not (request.url.scheme == "http" and self._allowed.permits_plain(host)):
            raise TargetRefused(f"{request.url} is not https, and BLACKLAKE_OUTGOING_ALLOW doesn't name {host}")
        failure = ""
        for address in (await self._addresses(host, request))[:_TRIED]:
            try:
                return await self._sent(request, host, address, limit)
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                failure = f"{type(error).__name__}: {error}"
            except httpx.TimeoutException:
                raise TargetTooSlow(f"{request.url} kept silent for too long") from None
            except httpx.HTTPError as error:
                raise TargetUnreachable(f"{request.url}: {type(error).__name__}: {error}") from error
        raise TargetUnreachable(f"{request.url}: {failure}")

    async def _addresses(self, host: str, request: httpx.Request) -> list[str]:
        """Return the addresses of a host, each permitted. Raise TargetRefused where one isn't: names must not mix both."""
        loop, url = asyncio.get_running_loop(), request.url
        try:
            found = await loop.run_in_executor(
                self._rooms[request.method].lookups, lambda: socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
            )
        except (OSError, UnicodeError) as error:
            raise TargetUnreachable(f"{url}: {host} can't be found: {error}") from None
        addresses = list(dict.fromkeys(str(place[0]) for *_, place in found))
        for address in addresses:
            if not self._allowed.permits(host, address):
                raise TargetRefused(f"{url} leads to {address}, which BLACKLAKE_OUTGOING_ALLOW doesn't open")
        return addresses

    async def _sent(self, request: httpx.Request, host: str, address: str, limit: int) -> Answer:
        # The address stands in the URL, so that nobody looks the name up again; TLS asks for the name (SNI) and verifies it.
        pinned = httpx.Request(
            request.method,
            request.url.copy_with(host=address.partition("%")[0]),
            headers=request.headers,
            content=await request.aread(),
            extensions={"sni_hostname": host},
        )
        async with self._answering(pinned) as response:
            if response.headers.get("content-encoding", "identity") != "identity":
                raise AnswerUnfit(f"{request.url} answers compressed")
            content = bytearray()
            async for piece in response.aiter_raw():
                content += piece
                if len(content) > limit:
                    raise AnswerTooLarge(f"{request.url} answers more than {limit} bytes")
            return Answer(response.status_code, MappingProxyType(dict(response.headers)), bytes(content))

    @contextlib.asynccontextmanager
    async def _answering(self, request: httpx.Request) -> AsyncIterator[httpx.Response]:
        """Yield the answer over a connection of its own: one made for another name at this address must not be used."""
        async with httpx.AsyncClient(
            verify=self._tls, trust_env=False, follow_redirects=False, timeout=self._timeout
        ) as client:
            response = await client.send(request, stream=True)
            try:
                yield response
            finally:
                await response.aclose()


def form_headers(more: Iterable[tuple[str, str]] = ()) -> dict[str, str]:
    """Return the headers of a form, which go with `post`."""
    return {"Content-Type": "application/x-www-form-urlencoded"} | dict(more)


def _parsed(url: str) -> httpx.URL:
    try:
        parsed = httpx.URL(url)
        named = bool(parsed.raw_host) and not parsed.userinfo
    except (httpx.InvalidURL, ValueError) as error:
        raise TargetRefused(f"“{url[:256]}” is no URL: {error}") from None
    if not named:
        raise TargetRefused(f"“{url[:256]}” names no host, or a user")
    return parsed


def _host(url: httpx.URL) -> str:
    return url.raw_host.decode("ascii").strip("[]").rstrip(".").lower()


def _redirected(request: httpx.Request, answer: Answer) -> httpx.Request:
    try:
        target = _parsed(str(request.url.join(answer.headers.get("location", ""))))
    except (httpx.InvalidURL, ValueError) as error:
        raise AnswerUnfit(f"{request.url} redirects to no URL: {error}") from None
    own = _origin(target) == _origin(request.url)
    headers = {
        name: value for name, value in request.headers.items() if name != "host" and (own or name not in _CREDENTIALS)
    }
    return httpx.Request("GET", target, headers=headers)


def _origin(url: httpx.URL) -> tuple[str, bytes, int | None]:
    return url.scheme, url.raw_host, url.port
