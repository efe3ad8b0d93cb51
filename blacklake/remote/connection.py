"""A running registry's API: one connection, by which credentials go to that registry and nowhere else."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import httpx

from blacklake.references import is_loopback
from blacklake.transport import client_of, plain, translated

_SECONDS: Final = 600.0  # without a byte: to verify a long audit log takes its time
_LONGEST_REFUSAL: Final = 2000  # characters that are shown


class RemoteFailed(Exception):
    """It could not be done there; the message says why and what to do."""


class Connection:
    """The API of one registry, and as whom it is asked."""

    def __init__(self, client: httpx.Client) -> None:
        """Ask by a client whose base URL is that of the registry."""
        self._client = client

    def get(self, path: str, **query: Any) -> Any:
        """Return what is at a path (`path_of`); parameters that are None are left out. Raise RemoteFailed."""
        return _document(self._send("GET", path, query=query))

    def pages(self, path: str, **query: Any) -> Iterator[dict[str, Any]]:
        """Yield all items of a list, page by page: each says after what the next one begins. Raise RemoteFailed."""
        after: str | None = None
        while True:
            page = self.get(path, **query, after=after)
            yield from member(page, "items")
            after = member(page, "next")
            if after is None:
                return

    def lines(self, path: str, **query: Any) -> Iterator[str]:
        """Yield the lines of what is streamed. Raise RemoteFailed."""
        with _translated(self._client.base_url):
            request = self._client.build_request("GET", path, params=_given(query))
            with contextlib.closing(self._client.send(request, stream=True)) as answer:
                if answer.status_code != 200:
                    answer.read()
                    raise refusal(answer)
                yield from map(plain, answer.iter_lines())

    def content(self, place: str, **query: Any) -> Iterator[bytes]:
        """Yield the bytes of what is at a place; where they lie elsewhere, that is told no credential. Raise RemoteFailed."""
        with _translated(self._client.base_url):
            request = self._client.build_request("GET", place, params=_given(query))
            answer = self._client.send(request, stream=True)
            if answer.has_redirect_location:
                answer.close()
                where = answer.next_request
                assert where is not None
                answer = self._client.send(httpx.Request("GET", where.url), auth=None, stream=True)
            with contextlib.closing(answer):
                if answer.status_code != 200:
                    answer.read()
                    raise refusal(answer)
                yield from answer.iter_raw()

    def post(self, path: str, document: Mapping[str, Any]) -> Any:
        """Send a document to a path and return the answer's. Raise RemoteFailed."""
        return _document(self._send("POST", path, document))

    def patch(self, path: str, document: Mapping[str, Any]) -> None:
        """Change what is at a path. Raise RemoteFailed."""
        self._send("PATCH", path, document)

    def put(self, path: str, document: Mapping[str, Any] | None = None) -> None:
        """Let something be at a path. Raise RemoteFailed."""
        self._send("PUT", path, document)

    def delete(self, path: str, document: Mapping[str, Any] | None = None, **query: Any) -> Any:
        """Delete what is at a path, and return the answer's document. Raise RemoteFailed."""
        return _document(self._send("DELETE", path, document, query))

    def _send(
        self,
        method: str,
        path: str,
        document: Mapping[str, Any] | None = None,
        query: Mapping[str, Any] | None = None,
    ) -> httpx.Response:
        with _translated(self._client.base_url):
            answer = self._client.request(method, path, json=document, params=_given(query or {}))
        if not answer.is_success:
            raise refusal(answer)
        return answer


def path_of(*names: str) -> str:
    """Return the path of what has these names below `/api/v1/admin`: each is one segment, whatever is in it."""
    return "/api/v1/admin/" + "/".join(quote(name, safe="") for name in names)


@contextlib.contextmanager
def connected(server: str, auth: httpx.Auth, *, ca_file: Path | None, insecure: bool) -> Iterator[Connection]:
    """Yield a connection to a registry by its URL. Raise RemoteFailed."""
    url = _checked(server, insecure=insecure)
    headers = {"Accept": "application/json, application/problem+json"}
    with client_of(url, ca_file, RemoteFailed, seconds=_SECONDS, base_url=url, auth=auth, headers=headers) as client:
        yield Connection(client)


def member(document: Any, name: str) -> Any:
    """Return what a document says under a name. Raise RemoteFailed where it says nothing."""
    try:
        return document[name]
    except (LookupError, TypeError):
        raise RemoteFailed(
            f"the registry's answer has no “{name}”; is it one of another version? `blacklake version` tells this one's"
        ) from None


def refusal(answer: httpx.Response) -> RemoteFailed:
    """Return what an answer says that is no success."""
    if answer.has_redirect_location:
        where = plain(answer.headers["location"])
        return RemoteFailed(f"{answer.url} redirects to {where}; if that is the registry, name it by --server")
    try:
        document = answer.json()
        said = document["detail"] if "detail" in document else document["errors"][0]["message"]
    except (ValueError, LookupError, TypeError):
        return RemoteFailed(
            f"{answer.request.method} {answer.url} was answered by {answer.status_code} {plain(answer.reason_phrase)},"
            " which is not how Blacklake says it; check the URL, and what is between"
        )
    return RemoteFailed(plain(str(said))[:_LONGEST_REFUSAL])


def _checked(server: str, *, insecure: bool) -> httpx.URL:
    try:
        url = httpx.URL(server)
    except httpx.InvalidURL:
        url = httpx.URL("")
    if url.scheme not in ("http", "https") or not url.host or url.query or url.fragment:
        raise RemoteFailed("--server is the URL of a registry, such as https://registry.example")
    if url.userinfo:
        raise RemoteFailed("--server holds no credentials, which others would see: use --user or --api-key-file")
    if url.scheme == "http" and not insecure and not is_loopback(url.host):
        raise RemoteFailed(
            f"credentials would go to {url.host} unencrypted: use https, or say --insecure where the network is trusted"
        )
    return url


def _translated(url: httpx.URL) -> contextlib.AbstractContextManager[None]:
    late = "; it may have done what it was asked: look before you ask again"
    check = "check the URL, that the registry runs, and what is between (firewall, proxy)"
    return translated(str(url), RemoteFailed, late=late, check=check)


def _document(answer: httpx.Response) -> Any:
    if answer.status_code == 204:
        return None
    try:
        return answer.json()
    except (json.JSONDecodeError, UnicodeDecodeError):
        raise RemoteFailed(f"{answer.url} answered with something else than JSON; check the URL") from None


def _given(query: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in query.items() if value is not None}
