"""A repository of a registry (distribution-spec 1.1), as what is signed and verified there needs it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import quote, urljoin, urlsplit

from blacklake.oci.connection import Answer, Connection
from blacklake.oci.contents import (
    LARGEST_MANIFEST,
    Absent,
    Content,
    Listed,
    Unavailable,
    Unsound,
    checked,
    manifest_of,
)
from mediatypes.digest import Digest, InvalidDigest
from mediatypes.documents import objects, parsed
from mediatypes.oci import IMAGE_INDEX, MANIFEST_TYPES

_ACCEPT: Final = ", ".join(MANIFEST_TYPES)
_PAGES: Final = 100
_SMALL: Final = 64 << 10


class Repository:
    """A repository by its name."""

    def __init__(self, connection: Connection, name: str) -> None:
        self._connection = connection
        self.name = name

    def manifest(self, reference: str) -> Content:
        """See Source."""
        what = f"{self._connection.server}/{self.name}{'@' if ':' in reference else ':'}{reference}"
        answer = self._get(f"manifests/{quote(reference, safe=':')}", LARGEST_MANIFEST, Accept=_ACCEPT)
        self._expect(answer, what)
        said = reference if ":" in reference else answer.headers.get("docker-content-digest")
        try:
            digest = Digest.parse(said) if said is not None else Digest.of(answer.content)
        except InvalidDigest as error:
            raise Unsound(f"{what} is said to have a digest that {error}") from None
        checked(answer.content, digest, what)
        media_type = answer.headers.get("content-type", "").partition(";")[0].strip()
        return manifest_of(answer.content, media_type, digest, what)

    def blob(self, digest: Digest, limit: int) -> bytes:
        """See Source."""
        what = f"blob {digest}"
        answer = self._get(f"blobs/{digest}", limit)
        self._expect(answer, what)
        return checked(answer.content, digest, what)

    def referrers(self, digest: Digest) -> Iterator[Listed]:
        """See Source. Where the registry has no list of referrers, that of the fallback tag counts alone."""
        first = path = f"referrers/{digest}"
        what = f"the list of what refers to {digest}"
        for _ in range(_PAGES):
            answer = self._get(path, LARGEST_MANIFEST, Accept=IMAGE_INDEX)
            if answer.status in (404, 405):
                if path == first:
                    break
                raise Unavailable(f"{what} ends with a page that is not there")
            self._expect(answer, what)
            yield from listed(parsed(answer.content), what)
            following = _following(answer)
            if following is None:
                break
            path = following
        else:
            raise Unavailable(f"{self._connection.server} lists referrers of {digest} on more than {_PAGES} pages")
        yield from self._of_fallback_tag(digest)

    def push_blob(self, content: bytes, digest: Digest) -> None:
        """Let the repository have a blob. Raise OciFailed."""
        what = f"blob {digest}"
        if self._send("HEAD", f"blobs/{digest}").status == 200:
            return
        begun = self._send("POST", "blobs/uploads/")
        self._expect(begun, "an upload", 202)
        location = begun.headers.get("location")
        if location is None:
            raise Unavailable(f"{self._connection.server} begins an upload and does not say where")
        where = urljoin(str(begun.url), location)
        where += f"{'&' if '?' in where else '?'}digest={quote(str(digest), safe='')}"
        sent = self._send("PUT", where, content, {"Content-Type": "application/octet-stream"})
        self._expect(sent, what, 201)

    def push_manifest(self, content: bytes, media_type: str, reference: str) -> Answer:
        """Let a tag or a digest name a manifest. Raise OciFailed."""
        path = f"manifests/{quote(reference, safe=':')}"
        answer = self._send("PUT", path, content, {"Content-Type": media_type})
        self._expect(answer, f"manifest {reference}", 201)
        return answer

    def _of_fallback_tag(self, digest: Digest) -> Iterator[Listed]:
        try:
            index = self.manifest(fallback_tag(digest))
        except Absent:
            return
        if index.media_type == IMAGE_INDEX:
            yield from listed(parsed(index.content), f"tag {fallback_tag(digest)}")

    def _get(self, path: str, limit: int, **headers: str) -> Answer:
        return self._connection.send("GET", self._path(path), scope=self._scope("pull"), limit=limit, headers=headers)

    def _send(
        self, method: str, path: str, content: bytes | None = None, headers: dict[str, str] | None = None
    ) -> Answer:
        scope = self._scope("pull,push")
        return self._connection.send(
            method, self._path(path), scope=scope, limit=_SMALL, headers=headers, content=content
        )

    def _path(self, path: str) -> str:
        return path if path.startswith(("http://", "https://", "/")) else f"/v2/{self.name}/{path}"

    def _scope(self, actions: str) -> str:
        return f"repository:{self.name}:{actions}"

    def _expect(self, answer: Answer, what: str, status: int = 200) -> None:
        if answer.status == status:
            return
        if answer.status == 404:
            raise Absent(f"{what} is not there: {answer.said}")
        raise Unavailable(f"{self._connection.server} does not give or take {what}: {answer.said}")


def fallback_tag(digest: Digest) -> str:
    """Return the tag that lists what refers to a manifest where a registry does not (spec: Referrers Tag Schema)."""
    return f"{digest.algorithm}-{digest.encoded[:64]}"


def listed(document: Any, what: str) -> Iterator[Listed]:
    """Yield what an index lists. Raise Unsound where it is none."""
    if not isinstance(document, dict) or not isinstance(document.get("manifests"), list):
        raise Unsound(f"{what} is no index")
    for item in objects(document["manifests"]):
        kind = item.get("artifactType")
        try:
            yield Listed(Digest.parse(str(item.get("digest"))), kind if isinstance(kind, str) else None)
        except InvalidDigest as error:
            raise Unsound(f"{what} has a digest that {error}") from None


def _following(answer: Answer) -> str | None:
    """Return where the next page is (RFC 8288). Raise Unavailable where that is another server."""
    for part in answer.headers.get("link", "").split(","):
        target, _, rest = part.strip().partition(">")
        if target.startswith("<") and 'rel="next"' in rest.replace(" ", ""):
            here = str(answer.url)
            there: str = urljoin(here, target[1:])
            if urlsplit(there)[:2] != urlsplit(here)[:2]:
                raise Unavailable(f"{here} goes on at another server")
            return there
    return None
