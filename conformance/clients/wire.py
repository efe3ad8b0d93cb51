"""The independent look: the registry's API by plain HTTP requests, everything checked against its digest."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote, urljoin

import requests

from conformance.clients.accounts import Account
from conformance.clients.bearer import Bearer
from conformance.clients.images import DOCKER_LIST, DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST, Content, digest_of, every

_ACCEPT: Final = f"{OCI_MANIFEST}, {OCI_INDEX}, {DOCKER_MANIFEST}, {DOCKER_LIST}"
_TIMEOUT: Final = 60


class Mismatch(Exception):
    """The registry holds or answers something else than it must; the message says what."""


@dataclass(frozen=True)
class Stored:
    """A manifest as the registry serves it."""

    content: bytes
    media_type: str
    digest: str
    json: dict[str, Any]


class Registry:
    """A running registry at `host` (`ADDRESS:PORT`), spoken to over plain HTTP, with an API key where it asks."""

    def __init__(self, host: str, key: str | None = None) -> None:
        self.host = host
        self._http = requests.Session()
        self._http.trust_env = False  # no proxy and no credentials of whoever runs this
        if key is not None:
            self._http.headers["Authorization"] = f"Bearer {key}"

    def log_in(self, account: Account | None) -> None:
        """Be somebody from now on, by the token protocol; None is nobody."""
        self._http.auth = Bearer(self._http, (account.user, account.password) if account is not None else None)

    def request(self, method: str, path: str, **more: Any) -> requests.Response:
        """Send a request below `/v2/`, or to a Location, and return whatever is answered."""
        url = urljoin(f"http://{self.host}/v2/", path)
        return self._http.request(method, url, timeout=_TIMEOUT, **more)

    def expect(self, status: int, method: str, path: str, **more: Any) -> requests.Response:
        """Send a request; raise Mismatch unless the answer has that status."""
        answer = self.request(method, path, **more)
        if answer.status_code != status:
            raise Mismatch(f"{method} {path}: {answer.status_code} instead of {status}: {answer.text[:300]}")
        return answer

    def manifest(self, repository: str, reference: str) -> Stored:
        """Return a manifest; raise Mismatch unless its bytes have the digest that the header names."""
        answer = self.expect(200, "GET", f"{repository}/manifests/{reference}", headers={"Accept": _ACCEPT})
        digest = answer.headers.get("Docker-Content-Digest", "")
        checked(f"the manifest {repository}:{reference}", answer.content, digest)
        if ":" in reference:
            same("the digest of the manifest", digest, reference)
        return Stored(answer.content, answer.headers["Content-Type"], digest, answer.json())

    def blob(self, repository: str, digest: str) -> bytes:
        """Return a blob; raise Mismatch unless its bytes have that digest."""
        answer = self.expect(200, "GET", f"{repository}/blobs/{digest}")
        return checked(f"the blob {repository}@{digest}", answer.content, digest)

    def redirects(self, repository: str, digest: str) -> bool:
        """Say whether a pull of a blob is answered by a redirect to where it lies."""
        with self.request("GET", f"{repository}/blobs/{digest}", allow_redirects=False, stream=True) as answer:
            return answer.is_redirect

    def put_blob(self, repository: str, content: bytes, digest: str) -> None:
        """Push a blob in two requests."""
        location = self.expect(202, "POST", f"{repository}/blobs/uploads/").headers["Location"]
        self.expect(201, "PUT", with_parameter(location, "digest", digest), data=content)

    def put_manifest(self, repository: str, reference: str, content: bytes, media_type: str) -> None:
        """Push a manifest."""
        path = f"{repository}/manifests/{reference}"
        self.expect(201, "PUT", path, data=content, headers={"Content-Type": media_type})

    def put(self, repository: str, tag: str, content: Content) -> None:
        """Push content with everything below it, and tag it."""
        for part in every(content):
            for digest, blob in part.blobs.items():
                self.put_blob(repository, blob, digest)
            self.put_manifest(repository, part.digest, part.manifest, part.media_type)
        self.put_manifest(repository, tag, content.manifest, content.media_type)

    def tags(self, repository: str) -> list[str]:
        """Return all tags of a repository, over all pages."""
        return [tag for page in self.pages(f"{repository}/tags/list") for tag in page["tags"]]

    def referrers(self, repository: str, digest: str, artifact_type: str | None = None) -> list[dict[str, Any]]:
        """Return the descriptors of the manifests whose subject is a digest, of one type if given, over all pages."""
        chosen = f"?artifactType={quote(artifact_type, safe='')}" if artifact_type else ""
        pages = self.pages(f"{repository}/referrers/{digest}{chosen}")
        return [found for page in pages for found in page["manifests"]]

    def pages(self, path: str) -> Iterator[dict[str, Any]]:
        """Yield a list page by page, along the Link headers."""
        more: str | None = path
        while more:
            answer = self.expect(200, "GET", more)
            yield answer.json()
            more = urljoin(answer.url, answer.links["next"]["url"]) if "next" in answer.links else None


def with_parameter(location: str, name: str, value: str) -> str:
    """Return a URL with one more parameter."""
    return f"{location}{'&' if '?' in location else '?'}{name}={value}"


def checked(what: str, content: bytes, digest: str) -> bytes:
    """Return the content; raise Mismatch unless it has that digest."""
    algorithm, _, encoded = digest.partition(":")
    if algorithm not in {"sha256", "sha512"} or not encoded:
        raise Mismatch(f"{what} comes with the digest {digest!r}")
    same(f"the digest of {what}", digest_of(content, algorithm), digest)
    return content


def same(what: str, found: object, wanted: object) -> None:
    """Raise Mismatch unless both are equal."""
    if found != wanted:
        raise Mismatch(f"{what}: {_short(found)} instead of {_short(wanted)}")


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 400 else f"{text[:300]} … ({len(text)} characters)"
