"""What the tests say to a registry: `Client` is well-behaved, `Wire` sends the very bytes it is told to."""

from __future__ import annotations

import hashlib
import json
import socket
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin, urlsplit

import requests

from tests.http.server import Registry

IMAGE = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
DOCKER_IMAGE = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
EMPTY = "application/vnd.oci.empty.v1+json"

LIMIT = 4 << 20  # bytes of a manifest
PATIENCE = 20  # seconds until a test gives up


def digest_of(content: bytes, algorithm: str = "sha256") -> str:
    return f"{algorithm}:{hashlib.new(algorithm, content).hexdigest()}"


def descriptor(content: bytes, media_type: str = "application/octet-stream", **more: object) -> dict[str, object]:
    return {"mediaType": media_type, "digest": digest_of(content), "size": len(content), **more}


def image_of(*layers: bytes, config: bytes = b"{}", config_type: str = EMPTY, **more: object) -> bytes:
    """Return an OCI image manifest; nothing is pushed. A field given as None is left out."""
    document: dict[str, object] = {
        "schemaVersion": 2,
        "mediaType": IMAGE,
        "config": descriptor(config, config_type),
        "layers": [descriptor(layer) for layer in layers],
        **more,
    }
    return json.dumps({name: value for name, value in document.items() if value is not None}).encode()


def index_of(*manifests: bytes, **more: object) -> bytes:
    """Return an OCI image index of image manifests."""
    children = [descriptor(content, IMAGE) for content in manifests]
    return json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": children, **more}).encode()


class Client:
    """Sends requests to one registry, and notes what it begins there."""

    def __init__(self, registry: Registry) -> None:
        self.registry = registry
        self.session = requests.Session()
        self.session.trust_env = False
        # requests adds these by itself; the tests say all that they send.
        self.session.headers.clear()

    def request(self, method: str, path: str, **options: Any) -> requests.Response:
        """Send a request to a path or a Location; redirects are not followed."""
        options.setdefault("allow_redirects", False)
        options.setdefault("timeout", PATIENCE)
        answer = self.session.request(method, urljoin(self.registry.url, path), **options)
        if answer.status_code == 202 and "Docker-Upload-UUID" in answer.headers:
            self.registry.uploads.add(urlsplit(answer.headers["Location"]).path)
        return answer

    def get(self, path: str, **options: Any) -> requests.Response:
        return self.request("GET", path, **options)

    def head(self, path: str, **options: Any) -> requests.Response:
        return self.request("HEAD", path, **options)

    def post(self, path: str, **options: Any) -> requests.Response:
        return self.request("POST", path, **options)

    def put(self, path: str, **options: Any) -> requests.Response:
        return self.request("PUT", path, **options)

    def patch(self, path: str, **options: Any) -> requests.Response:
        return self.request("PATCH", path, **options)

    def delete(self, path: str, **options: Any) -> requests.Response:
        return self.request("DELETE", path, **options)

    def start(self, repo: str, **params: str) -> str:
        """Begin an upload and return its Location."""
        answer = self.post(f"/v2/{repo}/blobs/uploads/", params=params)
        assert answer.status_code == 202, answer.text
        return answer.headers["Location"]

    def chunk(self, location: str, content: bytes, first: int) -> requests.Response:
        """Send a chunk that says where it belongs."""
        return self.patch(location, data=content, headers={"Content-Range": f"{first}-{first + len(content) - 1}"})

    def finish(self, location: str, digest: str, content: bytes = b"", **options: Any) -> requests.Response:
        """End an upload, with the last bytes or without any."""
        return self.put(location, params={"digest": digest}, data=content, **options)

    def push_blob(self, repo: str, content: bytes, algorithm: str = "sha256") -> str:
        """Push a blob in one request and return its digest."""
        self.expect(content)
        digest = digest_of(content, algorithm)
        answer = self.post(f"/v2/{repo}/blobs/uploads/", params={"digest": digest}, data=content)
        assert answer.status_code == 201, answer.text
        return digest

    def expect(self, *contents: bytes) -> None:
        """Note that these blobs are rightly in the storage when the tests are over."""
        self.registry.blobs.update(hashlib.sha256(content).hexdigest() for content in contents)

    def push_manifest(
        self, repo: str, content: bytes, reference: str | None = None, media_type: str = IMAGE, **options: Any
    ) -> str:
        """Push a manifest, by its digest where no reference is given, and return the digest."""
        answer = self.put_manifest(repo, content, reference, media_type, **options)
        assert answer.status_code == 201, answer.text
        return answer.headers["Docker-Content-Digest"]

    def put_manifest(
        self, repo: str, content: bytes, reference: str | None = None, media_type: str = IMAGE, **options: Any
    ) -> requests.Response:
        path = f"/v2/{repo}/manifests/{reference or digest_of(content)}"
        return self.put(path, data=content, headers={"Content-Type": media_type}, **options)

    def push_image(self, repo: str, reference: str | None = None, *layers: bytes, **more: object) -> bytes:
        """Push an image with its blobs and return its manifest."""
        config = more.get("config", b"{}")
        assert isinstance(config, bytes)
        for blob in (config, *layers):
            self.push_blob(repo, blob)
        content = image_of(*layers, **more)  # type: ignore[arg-type]
        self.push_manifest(repo, content, reference)
        return content

    def pages(self, path: str, key: str) -> list[list[Any]]:
        """Return the pages of a list, following its Links to the end."""
        pages = []
        following: str | None = path
        while following is not None:
            answer = self.get(following)
            assert answer.status_code == 200, answer.text
            pages.append(answer.json()[key])
            assert len(pages) < 1000, "the links lead in a circle"
            following = answer.links["next"]["url"] if "next" in answer.links else None
        return pages


@dataclass(frozen=True)
class Answer:
    """An answer as it came over the wire. Header names are lower case; `text` is the body."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


class Closed(Exception):
    """The server closed the connection where an answer could have come."""


class Wire:
    """A connection that speaks raw HTTP/1.1."""

    def __init__(self, registry: Registry) -> None:
        self._host = f"127.0.0.1:{registry.port}"
        self.socket = socket.create_connection(("127.0.0.1", registry.port), PATIENCE)
        self._file = self.socket.makefile("rb")

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def head(self, method: str, target: str | bytes, headers: Iterable[tuple[str, str]] = ()) -> None:
        """Send a request's head, with a Host unless `headers` has one."""
        headers = list(headers)
        if all(name.lower() != "host" for name, _ in headers):
            headers.insert(0, ("Host", self._host))
        lines = [f"{name}: {value}\r\n".encode("latin-1") for name, value in headers]
        where = target.encode("latin-1") if isinstance(target, str) else target
        self.send(method.encode() + b" " + where + b" HTTP/1.1\r\n" + b"".join(lines) + b"\r\n")

    def request(
        self, method: str, target: str | bytes, headers: Iterable[tuple[str, str]] = (), body: bytes | None = None
    ) -> Answer:
        """Send a request and return its answer."""
        length = [("Content-Length", str(len(body)))] if body is not None else []
        self.head(method, target, [*headers, *length])
        if body:
            self.send(body)
        return self.answer(method)

    def answer(self, method: str = "GET") -> Answer:
        """Read the next answer. Raise Closed where none comes."""
        status, headers = self._read_head()
        while status == 100:
            status, headers = self._read_head()
        if method == "HEAD" or status in (204, 304):
            body = b""
        elif headers.get("transfer-encoding") == "chunked":
            body = b"".join(self._chunks())
        else:
            body = self._file.read(int(headers["content-length"]))
        return Answer(status, headers, body)

    def is_closed(self) -> bool:
        """Wait for the server's end of the connection; False where bytes come instead."""
        try:
            return self._file.read(1) == b""
        except ConnectionError:
            return True

    def vanish(self) -> None:
        """End the connection as a client does that crashes: by a reset, without reading."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.close()

    def close(self) -> None:
        self._file.close()
        self.socket.close()

    def _read_head(self) -> tuple[int, dict[str, str]]:
        try:
            first = self._file.readline()
        except ConnectionError:
            raise Closed from None
        if not first:
            raise Closed
        headers: dict[str, str] = {}
        while (line := self._file.readline().decode("latin-1").strip()) != "":
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        return int(first.split()[1]), headers

    def _chunks(self) -> Iterator[bytes]:
        while (size := int(self._file.readline(), 16)) > 0:
            yield self._file.read(size)
            self._file.readline()
        self._file.readline()


def wait_until(is_so: Callable[[], bool]) -> None:
    """Ask until it is so: when a server does what no answer waits for is its own affair."""
    until = time.monotonic() + PATIENCE
    while not is_so():
        assert time.monotonic() < until
        time.sleep(0.01)


@contextmanager
def wire(registry: Registry) -> Iterator[Wire]:
    """Open a raw connection for the block's time."""
    connection = Wire(registry)
    try:
        yield connection
    finally:
        connection.close()


def refusal(answer: requests.Response | Answer, status: int, code: str) -> dict[str, Any]:
    """Check that an answer is an error of the specification's shape, and return its detail."""
    got = answer.status_code if isinstance(answer, requests.Response) else answer.status
    text = answer.content if isinstance(answer, requests.Response) else answer.body
    assert (got, answer.headers.get("content-type")) == (status, "application/json"), text
    document = answer.json()
    assert list(document) == ["errors"]
    (error,) = document["errors"]
    assert set(error) == {"code", "message", "detail"}
    assert error["code"] == code, error
    assert error["message"]
    assert error["detail"]["request_id"] == answer.headers["x-request-id"]
    detail: dict[str, Any] = error["detail"]
    return detail
