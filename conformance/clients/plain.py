# ruff: noqa: ARG002, D102 - what a verb takes and does stands in Client.
"""Plain HTTP requests as a client: what the others have no word for, above all an upload that is resumed."""

from __future__ import annotations

import http.client
import importlib.metadata
import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar, Final
from urllib.parse import urlsplit

from conformance.clients.accounts import Account
from conformance.clients.client import Client, CommandFailed, Pulled
from conformance.clients.images import OCI_INDEX, Content, artifact, digest_of
from conformance.clients.wire import Mismatch, Registry, same, with_parameter

_FILES: Final = "knows nothing of files"
_GONE: Final = 20.0  # seconds within which a registry notices that a client has hung up
_POLL: Final = 0.05  # seconds between two looks


class Plain(Client):
    """The library requests, and http.client where a request has to break off."""

    name: ClassVar[str] = "requests"
    failures: ClassVar[tuple[type[Exception], ...]] = (CommandFailed, Mismatch)
    lacks: ClassVar[Mapping[str, str]] = {
        "push_files": _FILES,
        "pull_files": _FILES,
        "push_command": "runs in this process, which can't be killed: see resume",
        "pull_platform": "chooses nothing by itself",
        "round_trip": "knows no layouts",
    }

    def __init__(self, host: str, home: Path) -> None:
        super().__init__(host, home)
        self._registry = Registry(host)
        self._account: Account | None = None

    def login(self, host: str, account: Account) -> None:
        self._account = account
        self._registry.log_in(account)

    def logout(self, host: str) -> None:
        self._account = None
        self._registry.log_in(None)

    def version(self) -> str:
        return importlib.metadata.version("requests")

    def push_image(self, content: Content, target: str) -> str | None:
        repository, tag = self._parts(target)
        self._registry.put(repository, tag, content)
        return None

    def push_whole_index(self, content: Content, target: str) -> str | None:
        return self.push_image(content, target)

    def push_docker_list(self, content: Content, target: str) -> str | None:
        return self.push_image(content, target)

    def push_docker(self, content: Content, target: str) -> str | None:
        return self.push_image(content, target)

    def pull_image(self, source: str, platform: str | None = None) -> Pulled:
        repository, reference = self._parts(source)
        found = self._registry.manifest(repository, reference)
        named = [found.json["config"], *found.json["layers"]]
        blobs = {blob["digest"]: self._registry.blob(repository, blob["digest"]) for blob in named}
        return Pulled(frozenset({found.digest}), {**blobs, found.digest: found.content})

    def copy(self, source: str, target: str) -> None:
        # Over the target's host, which may be a proxy that counts.
        registry = Registry(target.partition("/")[0])
        registry.log_in(self._account)
        (origin, reference), (repository, tag) = self._parts(source), self._parts(target)
        found = registry.manifest(origin, reference)
        for blob in (found.json["config"], *found.json["layers"]):
            mount = {"mount": blob["digest"], "from": origin}
            registry.expect(201, "POST", f"{repository}/blobs/uploads/", params=mount)
        registry.put_manifest(repository, tag, found.content, found.media_type)

    def push_index(self, target: str, children: Sequence[str]) -> str | None:
        repository, tag = self._parts(target)
        found = [self._registry.manifest(repository, child.partition("@")[2]) for child in children]
        entries = [
            {"mediaType": child.media_type, "digest": child.digest, "size": len(child.content)} for child in found
        ]
        for entry, child in zip(entries, found, strict=True):
            config = json.loads(self._registry.blob(repository, child.json["config"]["digest"]))
            entry["platform"] = {name: config[name] for name in ("os", "architecture")}
        index = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries}).encode()
        self._registry.put_manifest(repository, tag, index, OCI_INDEX)
        return digest_of(index)

    def attach(self, subject: str, file: Path, media_type: str, artifact_type: str) -> str | None:
        repository, tag = self._parts(subject)
        found = self._registry.manifest(repository, tag)
        named = Content(found.media_type, found.content, found.digest, {}, {})
        attached = artifact(artifact_type, {media_type: file.read_bytes()}, subject=named)
        self._registry.put(repository, attached.digest, attached)
        return attached.digest

    def discover(self, subject: str, artifact_type: str | None = None) -> list[str]:
        repository, tag = self._parts(subject)
        digest = self._registry.manifest(repository, tag).digest
        return [found["digest"] for found in self._registry.referrers(repository, digest, artifact_type)]

    def tags(self, repository: str) -> list[str]:
        return self._registry.tags(repository.partition("/")[2])

    def list_pages(self, repository: str, size: int) -> list[str]:
        path = f"{repository.partition('/')[2]}/tags/list?n={size}"
        pages = [page["tags"] for page in self._registry.pages(path)]
        same("the sizes of the pages but the last", {len(page) for page in pages[:-1]}, {size})
        return [tag for page in pages for tag in page]

    def catalog(self) -> list[str]:
        return [name for page in self._registry.pages("_catalog?n=1000") for name in page["repositories"]]

    def delete_tag(self, target: str) -> None:
        repository, tag = self._parts(target)
        self._registry.expect(202, "DELETE", f"{repository}/manifests/{tag}")

    def delete_manifest(self, repository: str, digest: str, tag: str) -> None:
        self._registry.expect(202, "DELETE", f"{repository.partition('/')[2]}/manifests/{digest}")

    def push_blob(self, repository: str, file: Path, digest: str) -> None:
        self._registry.put_blob(repository.partition("/")[2], file.read_bytes(), digest)

    def pull_blob(self, repository: str, digest: str) -> bytes:
        return self._registry.blob(repository.partition("/")[2], digest)

    def delete_blob(self, repository: str, digest: str) -> None:
        self._registry.expect(202, "DELETE", f"{repository.partition('/')[2]}/blobs/{digest}")

    def push_chunked(self, repository: str, file: Path, digest: str, size: int) -> None:
        content, location = file.read_bytes(), self._begin(repository)
        for start in range(0, len(content), size):
            location = self._append(location, content[start : start + size], start)
        self._registry.expect(201, "PUT", with_parameter(location, "digest", digest))

    def resume(self, repository: str, file: Path, digest: str) -> None:
        content, location = file.read_bytes(), self._begin(repository)
        quarter = len(content) // 4
        location = self._append(location, content[:quarter], 0)
        authorization = self._registry.expect(204, "GET", location).request.headers.get("Authorization")
        self._break_off(location, content[quarter : 2 * quarter], len(content) - quarter, authorization)
        location = self._go_on(location, content[: 3 * quarter], range(quarter, 2 * quarter + 1))
        same("the offset after the upload went on", self._offset(location)[0], 3 * quarter)
        self._registry.expect(201, "PUT", with_parameter(location, "digest", digest), data=content[3 * quarter :])

    def _begin(self, repository: str) -> str:
        path = f"{repository.partition('/')[2]}/blobs/uploads/"
        return self._registry.expect(202, "POST", path).headers["Location"]

    def _append(self, location: str, chunk: bytes, start: int) -> str:
        headers = _range(start, start + len(chunk))
        return self._registry.expect(202, "PATCH", location, data=chunk, headers=headers).headers["Location"]

    def _break_off(self, location: str, sent: bytes, announced: int, authorization: str | None) -> None:
        """Announce a body, send less, and hang up."""
        connection = http.client.HTTPConnection(self.host, timeout=60)
        parts = urlsplit(location)
        connection.putrequest("PATCH", f"{parts.path}?{parts.query}" if parts.query else parts.path)
        connection.putheader("Content-Type", "application/octet-stream")
        connection.putheader("Content-Length", str(announced))
        if authorization is not None:
            connection.putheader("Authorization", authorization)
        connection.endheaders()
        connection.send(sent)
        connection.close()

    def _go_on(self, location: str, content: bytes, possible: range) -> str:
        """Append the rest of the content to an upload that was broken off at one of the possible offsets.

        The registry may notice only in a moment that the client is gone; until then it answers 416, and we ask again.
        """
        deadline = time.monotonic() + _GONE
        while True:
            offset, location = self._offset(location)
            if offset not in possible:
                raise Mismatch(f"the upload stands at {offset}, which is not within {possible}")
            headers = _range(offset, len(content))
            answer = self._registry.request("PATCH", location, data=content[offset:], headers=headers)
            if answer.status_code == 202:
                return answer.headers["Location"]
            if answer.status_code != 416 or time.monotonic() > deadline:
                raise Mismatch(f"PATCH {location} with {headers}: {answer.status_code} {answer.text[:300]}")
            time.sleep(_POLL)

    def _offset(self, location: str) -> tuple[int, str]:
        """Return how many bytes the registry has of an upload, and where it goes on."""
        answer = self._registry.expect(204, "GET", location)
        return int(answer.headers["Range"].partition("-")[2]) + 1, answer.headers["Location"]

    @staticmethod
    def _parts(reference: str) -> tuple[str, str]:
        """Return repository and tag, or digest, of a reference."""
        path = reference.partition("/")[2]
        repository, _, digest = path.partition("@")
        if digest:
            return repository, digest
        name, _, tag = repository.rpartition(":")
        return name, tag


def _range(start: int, stop: int) -> dict[str, str]:
    return {"Content-Type": "application/octet-stream", "Content-Range": f"{start}-{stop - 1}"}
