"""Requests and what their answers say about the ledger's registers."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence

from tests.faults.ledger import Key, Ledger
from tests.faults.wire import Answer, Gone, Ports, Unreachable, Wire


class Unavailable(Gone):
    """The answer was 503."""


class Exchange:
    """Sends requests to the registry at `ports`, one after another, and keeps the ledger of them."""

    def __init__(self, ledger: Ledger, ports: Ports) -> None:
        self.ledger = ledger
        self.wire = Wire(ports, ledger.violate)

    def look(self, key: Key) -> str | None:
        """Read a key; return the digest of what is there, None for nothing. Complain about wrong bytes, raise Gone."""
        collection = "blobs" if key.kind == "blob" else "manifests"
        answer = self.wire.request("GET", f"/v2/{key.repository}/{collection}/{key.name}")
        if answer.status == 404:
            return None
        if not self.expect(answer, f"pull {key}", 200):
            raise Unavailable
        digest = answer.digest
        algorithm = digest.partition(":")[0]
        if not digest or f"{algorithm}:{hashlib.new(algorithm, answer.body).hexdigest()}" != digest:
            self.ledger.violate(f"{key} is served as {digest} with other bytes ({len(answer.body)})")
        if key.kind != "tag" and digest != key.name:
            self.ledger.violate(f"{key} is served as {digest}")
        if key.kind != "blob":
            body, media_type = self.ledger.manifests.get(digest, (b"", ""))
            if answer.body != body or answer.headers["content-type"] != media_type:
                self.ledger.violate(
                    f"{key} is served as {answer.headers['content-type']} with {len(answer.body)} bytes"
                )
        return digest

    def look_at_part(self, key: Key, start: int, stop: int) -> str | None:
        """Read the bytes from `start` up to `stop` of a blob that holds as many; return and complain as `look` does."""
        path = f"/v2/{key.repository}/blobs/{key.name}"
        answer = self.wire.request("GET", path, headers={"Range": f"bytes={start}-{stop - 1}"})
        if answer.status == 404:
            return None
        content = self.ledger.contents[key.name]
        if not self.expect(answer, f"pull bytes {start}-{stop - 1} of {key}", 206):
            raise Unavailable
        said = answer.headers.get("content-range")
        if answer.body != content.data[start:stop] or said != f"bytes {start}-{stop - 1}/{content.size}":
            self.ledger.violate(f"bytes {start}-{stop - 1} of {key} are served wrong: {said}, {len(answer.body)} bytes")
        return key.name

    def tags(self, repository: str) -> list[str]:
        """Return the tags that a repository lists; none where it is not known. Raise Gone."""
        answer = self.wire.request("GET", f"/v2/{repository}/tags/list")
        if not self.expect(answer, f"tags of {repository}", 200, 404):
            raise Unavailable
        return [str(tag) for tag in json.loads(answer.body)["tags"]] if answer.status == 200 else []

    def write(
        self, changes: Sequence[tuple[Key, str | None]], send: Callable[[], Answer], done: int, *refused: int
    ) -> Answer:
        """Send a request that changes registers and enter its outcome; raise Gone where there is none, or a 503."""
        writes = [(key, self.ledger.begin(key, value)) for key, value in changes]
        outcome: bool | None = False
        try:
            answer = send()
            self.expect(answer, "; ".join(f"{key} := {value}" for key, value in changes), done, *refused)
            outcome = True if answer.status == done else None if answer.status == 503 else False
        except Unreachable:
            raise
        except Gone:
            writes = []  # for ever open
            raise
        finally:
            for key, write in writes:
                self.ledger.answer(key, write, done=outcome)
        if answer.status == 503:
            raise Unavailable
        with self.ledger.lock:
            self.ledger.acknowledged += 1
        return answer

    def expect(self, answer: Answer, what: str, *statuses: int) -> bool:
        """Say whether the answer has one of the statuses; complain when it hasn't, unless it is 503."""
        if answer.status not in (*statuses, 503):
            self.ledger.violate(f"{what}: {answer.status} instead of {statuses}: {answer.body[:500]!r}")
        return answer.status in statuses
