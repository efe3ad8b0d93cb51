"""A client that does everything a registry allows, one thing after another, and keeps the ledger of it.

Each client writes in a repository of its own, where it knows what must be there, and in one that all share, where
several push the same blobs and move the same tags at once.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

from tests.faults.documents import INDEX, MANIFEST, doomed_tag, index, manifest, sha256
from tests.faults.exchange import Exchange, Unavailable
from tests.faults.ledger import KINDS, Content, Key, Ledger, Upload, now
from tests.faults.uploads import BLOB, TWO_CHUNKS, Uploads
from tests.faults.wire import Gone, Ports

SHARED: Final = "soak/shared"

_PAUSE: Final = 0.02  # seconds after a request that was not answered
_SHARED_BLOBS: Final = 12
_SHARED_TAGS: Final = 3
_TAGS: Final = 5
_SIZES: Final = ((0, 0), (1, 1 << 10), (1 << 10, 64 << 10), (64 << 10, 1 << 20), (1 << 20, 8 << 20))  # bytes, from … to
_SIZE_WEIGHTS: Final = (5, 30, 35, 22, 8)


def home(number: int) -> str:
    """Return the repository that belongs to one client alone."""
    return f"soak/client-{number}"


class Client:
    """Acts as `rng` decides. `number` names its repository; `large` adds blobs of several parts of a storage that has parts."""

    def __init__(self, ledger: Ledger, ports: Ports, number: int, rng: random.Random, *, large: bool = False) -> None:
        self._ledger = ledger
        self._exchange = Exchange(ledger, ports)
        self._uploads = Uploads(self._exchange)
        self._wire = self._exchange.wire
        self._home = home(number)
        self._rng = rng
        self._again: tuple[str, Content] | None = None
        self._acts: Sequence[tuple[Callable[[], object], int]] = (
            (self.push_blob, 30),
            (self.push_manifest, 20),
            (self.push_index, 3),
            (self.move_tag, 10),
            (self.pull, 15),
            (self.mount, 6),
            (self.push_wrong_digest, 2),
            (self.cancel_upload, 4),
            (self.leave_upload, 3),
            (self.abandon_upload, 2),
            (self.vanish_from_upload, 3),
            (self.resume_some_upload, 8),
            (self.delete_blob, 4),
            (self.delete_tag, 3),
            (self.push_manifest_to_delete, 4),
            (self.delete_manifest, 3),
            (self.push_shared_blob, 8),
            (self.move_shared_tag, 10),
            (self.push_large_blob, 5 * large),
            (self.push_blob_in_large_chunks, large),
        )

    def close(self) -> None:
        """End the connection."""
        self._wire.close()

    def act(self) -> None:
        """Do one thing; what isn't answered is counted."""
        try:
            if self._again is not None:
                (repository, content), self._again = self._again, None
                self.push(repository, content)
                return
            acts, weights = zip(*self._acts, strict=True)
            self._rng.choices(acts, weights)[0]()
        except Unavailable:
            with self._ledger.lock:
                self._ledger.unavailable += 1
            time.sleep(_PAUSE)
        except Gone:
            with self._ledger.lock:
                self._ledger.broken += 1
            time.sleep(_PAUSE)

    def push_blob(self) -> None:
        self.push(self._home, self._new_content())

    def push_large_blob(self) -> None:
        """Push a blob of several parts: of at least 8 MiB each where its size is known at first."""
        content = Content.make(f"{self._rng.getrandbits(64)}", self._rng.randint(9 << 20, 30 << 20))
        ways = (self._uploads.in_one_request, self._uploads.in_two_requests)
        self._ledger.contents[content.digest] = content
        self._rng.choice(ways)(self._home, content)

    def push_blob_in_large_chunks(self) -> None:
        """Push a blob of two parts, of 64 MiB where its size is not known."""
        content = Content.make(f"{self._rng.getrandbits(64)}", (64 << 20) + self._rng.randint(1, 20 << 20))
        ways = (partial(self._uploads.in_chunks, chunks=self._rng.randint(2, 3)), self._uploads.in_a_stream)
        self._rng.choice(ways)(self._home, content)

    def push_shared_blob(self) -> None:
        content = Content.make(f"shared {self._rng.randrange(_SHARED_BLOBS)}", 100_000)
        self.push(SHARED, content)

    def push(self, repository: str, content: Content) -> None:
        """Push a blob in one of the ways there are."""
        self._ledger.contents[content.digest] = content
        uploads = self._uploads
        how: Callable[[str, Content], None] = self._rng.choice(
            (
                uploads.in_one_request,
                uploads.in_two_requests,
                partial(uploads.in_chunks, chunks=self._rng.randint(1, 4)),
                uploads.in_a_stream,
            )
        )
        if content.size == 1:
            how = uploads.in_one_request  # of a session, `Range: 0-0` can't tell one byte from none
        try:
            how(repository, content)
        except Gone:
            if self._rng.random() < 0.5:
                self._again = repository, content
            raise

    def push_manifest(self) -> None:
        blobs = self._blobs_to_name()
        if not blobs:
            return
        body = manifest(blobs, {"random": f"{self._rng.getrandbits(64):x}"})
        self._put_manifest(self._home, body, MANIFEST, self._a_tag() if self._rng.random() < 0.7 else None)

    def push_manifest_to_delete(self) -> None:
        blobs = self._blobs_to_name()
        if blobs:
            body = manifest(blobs, {"delete": f"{self._rng.getrandbits(64):x}"})
            self._put_manifest(self._home, body, MANIFEST, doomed_tag(sha256(body)))

    def push_index(self) -> None:
        children = self._some(self._lasting_manifests(self._home), 3)
        if children:
            body = index(
                [(child, *self._ledger.manifests[child]) for child in children], f"{self._rng.getrandbits(64):x}"
            )
            self._put_manifest(self._home, body, INDEX, self._a_tag())

    def move_tag(self) -> None:
        manifests = self._lasting_manifests(self._home)
        if manifests:
            self._put_manifest(self._home, *self._ledger.manifests[self._rng.choice(manifests)], self._a_tag())

    def move_shared_tag(self) -> None:
        blobs = self._some(self._ledger.present("blob", SHARED), 2)
        if blobs:
            body = manifest([self._ledger.contents[blob] for blob in blobs], {"n": str(self._rng.randrange(40))})
            self._put_manifest(SHARED, body, MANIFEST, f"s{self._rng.randrange(_SHARED_TAGS)}")

    def pull(self) -> None:
        """Read something that was written once, perhaps deleted since."""
        kind = self._rng.choice(KINDS)
        keys = self._ledger.keys(kind, self._rng.choice((self._home, SHARED)))
        if not keys:
            return
        key, since = self._rng.choice(keys), now()
        content = self._ledger.contents.get(key.name)
        if content is not None and content.size and self._rng.random() < 0.3:
            start = self._rng.randrange(content.size)
            found = self._exchange.look_at_part(key, start, self._rng.randint(start + 1, content.size))
        else:
            found = self._exchange.look(key)
        if found not in self._ledger.readable(key, since):
            self._ledger.violate(f"{key} read {found}, allowed {self._ledger.readable(key, since)}")

    def mount(self) -> None:
        blobs = self._ledger.present("blob", SHARED)
        if blobs:
            digest = self._rng.choice(blobs)
            source = self._rng.choice((f"&from={SHARED}", ""))
            path = f"/v2/{self._home}/blobs/uploads/?mount={digest}{source}"
            self._exchange.write(
                [(Key("blob", self._home, digest), digest)], lambda: self._wire.request("POST", path), 201
            )

    def push_wrong_digest(self) -> None:
        content, wrong = self._new_content(), Content.make(f"wrong {self._rng.getrandbits(64)}", 10).digest
        path = f"/v2/{self._home}/blobs/uploads/?digest={wrong}"
        self._exchange.write(
            [(Key("blob", self._home, wrong), wrong)],
            lambda: self._wire.request("POST", path, content.data, BLOB),
            201,
            400,
        )

    def cancel_upload(self) -> None:
        upload = self.leave_upload()
        upload.cancelling = True
        answer = self._wire.request("DELETE", upload.location)
        if self._exchange.expect(answer, f"cancel {upload.location}", 204):
            self._uploads.forget(upload)
            self._exchange.expect(
                self._wire.request("GET", upload.location), f"status of cancelled {upload.location}", 404
            )

    def leave_upload(self) -> Upload:
        """Send half of a blob; somebody resumes it later."""
        upload = self._uploads.start(self._home, self._new_content(least=TWO_CHUNKS))
        self._uploads.append(upload, upload.content.data[: upload.content.size // 2])
        return upload

    def abandon_upload(self) -> None:
        """Send half of a blob and never come back: the session expires, and its bytes are removed."""
        self._uploads.forget(self.leave_upload())

    def vanish_from_upload(self) -> None:
        upload = self._uploads.start(self._home, self._new_content(least=TWO_CHUNKS))
        half = upload.content.data[: upload.content.size // 2]
        upload.sent = len(half)
        self._wire.vanish("PATCH", upload.location, half, upload.content.size)

    def resume_some_upload(self) -> None:
        mine = [upload for upload in self._ledger.uploads if upload.repository == self._home]
        if mine:
            self._uploads.resume(self._rng.choice(mine), by_patch=self._rng.random() < 0.5)

    def delete_blob(self) -> None:
        doomed = [
            name
            for name in self._ledger.present("blob", self._home)
            if self._ledger.contents[name].seed.startswith("doomed")
        ]
        if not doomed:
            content = Content.make(f"doomed {self._rng.getrandbits(64)}", self._rng.randrange(100_000))
            self._ledger.contents[content.digest] = content
            self._uploads.in_one_request(self._home, content)
        else:
            digest = self._rng.choice(doomed)
            path = f"/v2/{self._home}/blobs/{digest}"
            self._exchange.write(
                [(Key("blob", self._home, digest), None)], lambda: self._wire.request("DELETE", path), 202
            )

    def delete_tag(self) -> None:
        tags = [name for name in self._ledger.present("tag", self._home) if name.startswith("t")]
        if tags:
            tag = self._rng.choice(tags)
            path = f"/v2/{self._home}/manifests/{tag}"
            self._exchange.write([(Key("tag", self._home, tag), None)], lambda: self._wire.request("DELETE", path), 202)

    def delete_manifest(self) -> None:
        doomed = [name for name in self._ledger.present("manifest", self._home) if self._is_doomed(name)]
        if doomed:
            digest = self._rng.choice(doomed)
            path = f"/v2/{self._home}/manifests/{digest}"
            keys = (Key("manifest", self._home, digest), Key("tag", self._home, doomed_tag(digest)))
            self._exchange.write([(key, None) for key in keys], lambda: self._wire.request("DELETE", path), 202)

    def _put_manifest(self, repository: str, body: bytes, media_type: str, tag: str | None) -> None:
        digest = sha256(body)
        self._ledger.manifests[digest] = body, media_type
        changes: list[tuple[Key, str | None]] = [(Key("manifest", repository, digest), digest)]
        if tag is not None:
            changes.append((Key("tag", repository, tag), digest))
        path = f"/v2/{repository}/manifests/{tag or digest}"
        self._exchange.write(changes, lambda: self._wire.request("PUT", path, body, {"Content-Type": media_type}), 201)

    def _new_content(self, least: int = 0) -> Content:
        low, high = self._rng.choices(_SIZES, _SIZE_WEIGHTS)[0]
        algorithm = "sha512" if self._rng.random() < 0.1 else "sha256"
        return Content.make(f"{self._rng.getrandbits(64)}", max(least, self._rng.randint(low, high)), algorithm)

    def _a_tag(self) -> str:
        return f"t{self._rng.randrange(_TAGS)}"

    def _some(self, names: list[str], most: int) -> list[str]:
        return self._rng.sample(names, min(len(names), self._rng.randint(1, most)))

    def _blobs_to_name(self) -> list[Content]:
        lasting = [
            content
            for name in self._ledger.present("blob", self._home)
            if not (content := self._ledger.contents[name]).seed.startswith("doomed")
        ]
        return self._rng.sample(lasting, min(len(lasting), self._rng.randint(1, 4)))

    def _lasting_manifests(self, repository: str) -> list[str]:
        return [name for name in self._ledger.present("manifest", repository) if not self._is_doomed(name)]

    def _is_doomed(self, digest: str) -> bool:
        return b'"delete"' in self._ledger.manifests[digest][0]
