"""Requests to one registry: as whom, how often, how much of an answer, and where redirects may lead."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx

from blacklake.docker_config import ConfigUnusable, Credential, credential_of
from blacklake.oci.authentication import ChallengeRefused, basic, challenges, token_of, token_request
from blacklake.oci.contents import Unavailable
from blacklake.references import is_loopback
from blacklake.transport import client_of, plain, translated

_SECONDS: Final = 60.0  # without a byte
_ALL_SECONDS: Final = (
    600.0  # for all answers together: of what is read here a line of 1 Mbit/s brings all in half of that
)
_REDIRECTS: Final = 5
_TRIES: Final = 3
_LONGEST_WAIT: Final = 10.0  # seconds until the next try
_BUSY: Final = (429, 502, 503, 504)
_REFUSAL: Final = 64 << 10  # bytes that are read of an answer that is no success
_SHOWN: Final = 500  # characters of it that are shown
_CHECK: Final = "check the name, that the registry runs, whether it speaks http (--plain-http), and what is between"


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer, read whole."""

    status: int
    headers: httpx.Headers
    content: bytes
    url: httpx.URL

    @property
    def said(self) -> str:
        """Return what it says for people: the messages of the specification's errors, else its status."""
        with contextlib.suppress(ValueError, LookupError, TypeError):
            errors = json.loads(self.content)["errors"]
            texts = [str(one.get("message") or one["code"]) for one in errors]
            if texts:
                return plain("; ".join(texts))[:_SHOWN]
        return f"status {self.status}"


class Connection:
    """A registry by its URL, asked as nobody until it asks who it is, then by what Docker's configuration keeps."""

    def __init__(self, client: httpx.Client, server: httpx.URL, name: str, repository: str, *, insecure: bool) -> None:
        """Ask at `server` by a client; `name` is the registry's in Docker's configuration."""
        self._client = client
        self._server = server
        self._name = name
        self._repository = repository
        self._is_trusted = insecure or server.scheme == "https" or is_loopback(server.host)
        self._authorization: dict[str, str] = {}
        self._left = _ALL_SECONDS

    @property
    def server(self) -> str:
        """The registry, for people."""
        return self._server.netloc.decode()

    def send(
        self,
        method: str,
        path: str,
        *,
        scope: str,
        limit: int,
        headers: Mapping[str, str] | None = None,
        content: bytes | None = None,
    ) -> Answer:
        """Return the answer to a request to a path, or to a URL that the registry gave. Raise Unavailable.

        All answers together may take ten minutes, with the waits between tries. At most `limit` bytes are read of a success.
        Only GET and HEAD follow redirects; another origin is told no credential.
        """
        url = self._server.join(path)
        self._check_scheme(self._server, url)
        for left in reversed(range(_TRIES)):
            answer = self._authorized(method, url, scope, limit, headers or {}, content)
            if answer.status not in _BUSY or left == 0:
                return answer
            wait = _wait(answer, _TRIES - left)
            if wait > self._left:
                raise self._late(answer.url)
            time.sleep(wait)
            self._left -= wait
        raise AssertionError("the last try returns")

    def _authorized(
        self, method: str, url: httpx.URL, scope: str, limit: int, headers: Mapping[str, str], content: bytes | None
    ) -> Answer:
        answer = self._followed(method, url, scope, limit, headers, content)
        if answer.status != 401 or not self._is_own(answer.url):
            return answer
        known = self._authorization.pop(scope, None)
        self._authorization[scope] = self._authorize(answer, scope)
        if known == self._authorization[scope]:
            return answer
        return self._followed(method, url, scope, limit, headers, content)

    def _followed(
        self, method: str, url: httpx.URL, scope: str, limit: int, headers: Mapping[str, str], content: bytes | None
    ) -> Answer:
        for _ in range(_REDIRECTS + 1):
            authorization = self._authorization.get(scope) if self._is_own(url) else None
            sent = {**headers, **({"Authorization": authorization} if authorization else {})}
            answer = self._once(self._client.build_request(method, url, headers=sent, content=content), limit)
            location = answer.headers.get("location")
            if not 300 <= answer.status < 400 or location is None or answer.status == 304:
                return answer
            if method not in ("GET", "HEAD"):
                raise Unavailable(f"{self.server} redirects {method} to {plain(location)[:_SHOWN]}; name that registry")
            following = url.join(location)
            self._check_scheme(url, following)
            url = following
        raise Unavailable(f"{self.server} redirects more than {_REDIRECTS} times")

    def _once(self, request: httpx.Request, limit: int) -> Answer:
        began = time.monotonic()
        try:
            return _within(self._left, lambda: self._answer(request, limit))
        except TimeoutError:
            raise self._late(request.url) from None
        finally:
            self._left -= time.monotonic() - began

    def _late(self, url: httpx.URL) -> Unavailable:
        return Unavailable(
            f"{shown(url)} did not answer in time: {self.server} has {_ALL_SECONDS:.0f} seconds for all answers"
        )

    def _answer(self, request: httpx.Request, limit: int) -> Answer:
        request.headers["Accept-Encoding"] = "identity"
        with (
            translated(shown(request.url), Unavailable, late="", check=_CHECK),
            contextlib.closing(self._client.send(request, stream=True)) as answer,
        ):
            if answer.is_success:
                if answer.headers.get("content-encoding", "identity") != "identity":
                    raise Unavailable(f"{shown(request.url)} answers in an encoding that nobody asked for")
                content = _read(answer, limit, refuse=True)
            else:
                content = _read(answer, _REFUSAL, refuse=False)
            return Answer(answer.status_code, answer.headers, content, request.url)

    def _authorize(self, answer: Answer, scope: str) -> str:
        """Return the header by which a challenge is answered. Raise Unavailable."""
        asked = challenges(answer.headers.get_list("www-authenticate"))
        bearer = next((one for one in asked if one.scheme == "bearer"), None)
        try:
            credential = self._credential()
            if credential is not None and credential.registry_token is not None:
                return f"Bearer {credential.registry_token}"
            if bearer is not None:
                request = token_request(bearer, scope, credential, registry=self._server, is_trusted=self._is_trusted)
                return f"Bearer {self._token(request)}"
            if any(one.scheme == "basic" for one in asked) and credential is not None and credential.user is not None:
                return basic(credential)
        except ChallengeRefused as error:
            raise Unavailable(f"{self.server} asks who you are, and {error}") from None
        raise Unavailable(f"{self.server} asks who you are: {answer.said}; log in by `docker login {self._name}`")

    def _credential(self) -> Credential | None:
        """Return what is kept for the registry; None where that is nothing, or may not be sent. Raise Unavailable."""
        try:
            found = credential_of(self._name, self._repository)
        except ConfigUnusable as error:
            raise Unavailable(str(error)) from None
        if found is not None and not self._is_trusted:
            raise ChallengeRefused("credentials would go over http: say --insecure where the network is trusted")
        return found

    def _token(self, request: httpx.Request) -> str:
        answer = self._once(request, _REFUSAL)
        if 200 <= answer.status < 300:
            with contextlib.suppress(ValueError, RecursionError):
                if token := token_of(json.loads(answer.content)):
                    return token
        why = answer.said if answer.status >= 400 else "it gives no token"
        raise Unavailable(f"{shown(request.url)} lets you not in: {why}; log in by `docker login {self._name}`")

    def _is_own(self, url: httpx.URL) -> bool:
        return _origin(url) == _origin(self._server)

    def _check_scheme(self, before: httpx.URL, after: httpx.URL) -> None:
        if after.scheme not in ("http", "https") or (before.scheme == "https" and after.scheme == "http"):
            raise Unavailable(f"{self.server} leads to {shown(after)}, which is not encrypted")


@contextlib.contextmanager
def connected(server: str, name: str, repository: str, *, ca_file: Path | None, insecure: bool) -> Iterator[Connection]:
    """Yield a connection to a registry by its URL; `name` is its own in Docker's configuration. Raise Unavailable.

    `insecure` lets credentials go over http to another machine.
    """
    url = httpx.URL(server)
    with client_of(url, ca_file, Unavailable, seconds=_SECONDS, headers={"User-Agent": "blacklake"}) as client:
        yield Connection(client, url, name, repository, insecure=insecure)


def shown(url: httpx.URL) -> str:
    """Return a URL without its query, which may hold a signature."""
    return str(url.copy_with(query=None, fragment=None))


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port


def _wait(answer: Answer, number: int) -> float:
    """Return for how many seconds to wait before the next try, as the answer says or by the number of tries."""
    said = answer.headers.get("retry-after", "")
    seconds = float(said) if said.isascii() and said.isdecimal() and len(said) < 6 else 0.5 * 2**number
    return min(seconds, _LONGEST_WAIT)


def _read(answer: httpx.Response, limit: int, *, refuse: bool) -> bytes:
    found = bytearray()
    for piece in answer.iter_raw():
        found += piece
        if len(found) > limit:
            if refuse:
                raise Unavailable(f"{shown(answer.url)} has more than {limit} bytes, more than is read")
            return bytes(found[:limit])
    return bytes(found)


def _within(seconds: float, work: Callable[[], Answer]) -> Answer:
    """Return what work gives. Raise TimeoutError where it takes longer: a server may send a byte a minute for ever."""
    done: Future[Answer] = Future()

    def act() -> None:
        try:
            done.set_result(work())
        except BaseException as error:  # noqa: BLE001 - it is raised where the work is waited for
            done.set_exception(error)

    threading.Thread(target=act, daemon=True).start()
    return done.result(timeout=max(seconds, 0.0))
