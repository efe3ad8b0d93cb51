"""A client that does everything a registry allows, one thing after another, and keeps the ledger of it.

Each client writes in a repository of its own, where it knows what must be there, and in one that all share, where
several push the same blobs and move the same tags at once.
"""

from __future__ import annotations

import hashlib
import json
import random
import time
from collections.abc import Callable, Sequence
from typing import Final

from tests.faults.ledger import KINDS, Content, Key, Ledger, Upload, now
from tests.faults.wire import Answer, Gone, Unreachable, Wire

SHARED: Final = "soak/shared"
MANIFEST: Final = "application/vnd.oci.image.manifest.v1+json"
INDEX: Final = "application/vnd.oci.image.index.v1+json"

_PAUSE: Final = 0.02  # seconds after a request that was not answered
_TTL: Final = 50.0  # seconds after which an upload may have expired; the server's setting is 60
_BLOB: Final = {"Content-Type": "application/octet-stream"}
_SHARED_BLOBS: Final = 12
_TWO_CHUNKS: Final = 128  # bytes of a blob, at least, that is sent in parts
_SHARED_TAGS: Final = 3
_TAGS: Final = 5
_SIZES: Final = ((0, 0), (1, 1 << 10), (1 << 10, 64 << 10), (64 << 10, 1 << 20), (1 << 20, 8 << 20))  # bytes, from … to
_SIZE_WEIGHTS: Final = (5, 30, 35, 22, 8)


def home(number: int) -> str:
    """Return the repository that belongs to one client alone."""
    return f"soak/client-{number}"


class Unavailable(Gone):
    """The answer was 503."""


class Client:
    """Acts as `rng` decides. `number` names its repository."""

    def __init__(self, ledger: Ledger, port: int, number: int, rng: random.Random) -> None:
        self.ledger = ledger
        self.wire = Wire(port, ledger.violate)
        self._home = home(number)
        self._rng = rng
        self._again: tuple[str, Content] | None = None
        self._acts: Sequence[tuple[Callable[[], None], int]] = (
            (self.push_blob, 30),
            (self.push_manifest, 20),
            (self.push_index, 3),
            (self.move_tag, 10),
            (self.pull, 15),
            (self.mount, 6),
            (self.push_wrong_digest, 2),
            (self.cancel_upload, 4),
            (self.leave_upload, 3),
            (self.vanish_from_upload, 3),
            (self.resume_some_upload, 8),
            (self.delete_blob, 4),
            (self.delete_tag, 3),
            (self.push_manifest_to_delete, 4),
            (self.delete_manifest, 3),
            (self.push_shared_blob, 8),
            (self.move_shared_tag, 10),
        )

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
            with self.ledger.lock:
                self.ledger.unavailable += 1
            time.sleep(_PAUSE)
        except Gone:
            with self.ledger.lock:
                self.ledger.broken += 1
            time.sleep(_PAUSE)

    def push_blob(self) -> None:
        self.push(self._home, self._new_content())

    def push_shared_blob(self) -> None:
        content = Content.make(f"shared {self._rng.randrange(_SHARED_BLOBS)}", 100_000)
        self.push(SHARED, content)

    def push(self, repository: str, content: Content) -> None:
        """Push a blob in one of the ways there are."""
        self.ledger.contents[content.digest] = content
        how = self._rng.choice((self._in_one_request, self._in_two_requests, self._in_chunks, self._in_a_stream))
        if content.size == 1:
            how = self._in_one_request  # of a session, `Range: 0-0` can't tell one byte from none
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
        body = _manifest(blobs, {"random": f"{self._rng.getrandbits(64):x}"})
        self._put_manifest(self._home, body, MANIFEST, self._a_tag() if self._rng.random() < 0.7 else None)

    def push_manifest_to_delete(self) -> None:
        blobs = self._blobs_to_name()
        if blobs:
            body = _manifest(blobs, {"delete": f"{self._rng.getrandbits(64):x}"})
            self._put_manifest(self._home, body, MANIFEST, _doomed_tag(_sha256(body)))

    def push_index(self) -> None:
        children = self._some(self._lasting_manifests(self._home), 3)
        if children:
            body = _index(
                [(child, *self.ledger.manifests[child]) for child in children], f"{self._rng.getrandbits(64):x}"
            )
            self._put_manifest(self._home, body, INDEX, self._a_tag())

    def move_tag(self) -> None:
        manifests = self._lasting_manifests(self._home)
        if manifests:
            self._put_manifest(self._home, *self.ledger.manifests[self._rng.choice(manifests)], self._a_tag())

    def move_shared_tag(self) -> None:
        blobs = self._some(self.ledger.present("blob", SHARED), 2)
        if blobs:
            body = _manifest([self.ledger.contents[blob] for blob in blobs], {"n": str(self._rng.randrange(40))})
            self._put_manifest(SHARED, body, MANIFEST, f"s{self._rng.randrange(_SHARED_TAGS)}")

    def pull(self) -> None:
        """Read something that was written once, perhaps deleted since."""
        kind = self._rng.choice(KINDS)
        keys = self.ledger.keys(kind, self._rng.choice((self._home, SHARED)))
        if not keys:
            return
        key, since = self._rng.choice(keys), now()
        found = self.look(key)
        if found not in self.ledger.readable(key, since):
            self.ledger.violate(f"{key} read {found}, allowed {self.ledger.readable(key, since)}")

    def mount(self) -> None:
        blobs = self.ledger.present("blob", SHARED)
        if blobs:
            digest = self._rng.choice(blobs)
            source = self._rng.choice((f"&from={SHARED}", ""))
            path = f"/v2/{self._home}/blobs/uploads/?mount={digest}{source}"
            self._write([(Key("blob", self._home, digest), digest)], lambda: self.wire.request("POST", path), 201)

    def push_wrong_digest(self) -> None:
        content, wrong = self._new_content(), Content.make(f"wrong {self._rng.getrandbits(64)}", 10).digest
        path = f"/v2/{self._home}/blobs/uploads/?digest={wrong}"
        self._write(
            [(Key("blob", self._home, wrong), wrong)],
            lambda: self.wire.request("POST", path, content.data, _BLOB),
            201,
            400,
        )

    def cancel_upload(self) -> None:
        upload = self._start(self._home, self._new_content(least=_TWO_CHUNKS))
        self._append(upload, upload.content.data[: upload.content.size // 2])
        upload.cancelling = True
        answer = self.wire.request("DELETE", upload.location)
        if self._expect(answer, f"cancel {upload.location}", 204):
            self._forget(upload)
            self._expect(self.wire.request("GET", upload.location), f"status of cancelled {upload.location}", 404)

    def leave_upload(self) -> None:
        upload = self._start(self._home, self._new_content(least=_TWO_CHUNKS))
        self._append(upload, upload.content.data[: upload.content.size // 2])

    def vanish_from_upload(self) -> None:
        upload = self._start(self._home, self._new_content(least=_TWO_CHUNKS))
        half = upload.content.data[: upload.content.size // 2]
        upload.sent = len(half)
        self.wire.vanish("PATCH", upload.location, half, upload.content.size)

    def resume_some_upload(self) -> None:
        mine = [upload for upload in self.ledger.uploads if upload.repository == self._home]
        if mine:
            self.resume(self._rng.choice(mine))

    def delete_blob(self) -> None:
        doomed = [
            name
            for name in self.ledger.present("blob", self._home)
            if self.ledger.contents[name].seed.startswith("doomed")
        ]
        if not doomed:
            content = Content.make(f"doomed {self._rng.getrandbits(64)}", self._rng.randrange(100_000))
            self.ledger.contents[content.digest] = content
            self._in_one_request(self._home, content)
        else:
            digest = self._rng.choice(doomed)
            path = f"/v2/{self._home}/blobs/{digest}"
            self._write([(Key("blob", self._home, digest), None)], lambda: self.wire.request("DELETE", path), 202)

    def delete_tag(self) -> None:
        tags = [name for name in self.ledger.present("tag", self._home) if name.startswith("t")]
        if tags:
            tag = self._rng.choice(tags)
            path = f"/v2/{self._home}/manifests/{tag}"
            self._write([(Key("tag", self._home, tag), None)], lambda: self.wire.request("DELETE", path), 202)

    def delete_manifest(self) -> None:
        doomed = [name for name in self.ledger.present("manifest", self._home) if self._is_doomed(name)]
        if doomed:
            digest = self._rng.choice(doomed)
            path = f"/v2/{self._home}/manifests/{digest}"
            keys = (Key("manifest", self._home, digest), Key("tag", self._home, _doomed_tag(digest)))
            self._write([(key, None) for key in keys], lambda: self.wire.request("DELETE", path), 202)

    def resume(self, upload: Upload) -> bool:
        """Go on with an upload from where it stands and finish it; return False while another request holds it."""
        offset = self.status(upload)
        if offset is None:
            return True
        rest = upload.content.data[offset:]
        if rest and self._rng.random() < 0.5:
            return self._append(upload, rest, offset) and self._finish(upload, b"")
        return self._finish(upload, rest, offset)

    def status(self, upload: Upload) -> int | None:
        """Return how far an upload is; None where it is, rightly, no longer known. Complain about anything else."""
        answer = self.wire.request("GET", upload.location)
        if answer.status == 404:
            self._forget(upload)
            self._judge_unknown(upload)
            return None
        if not self._expect(answer, f"status of {upload.location}", 204):
            raise Unavailable
        last = int(answer.headers["range"].removeprefix("0-"))
        offset = last + 1 if last else 0  # "0-0" stands for nothing; no upload here ends at one byte
        if not upload.acknowledged <= offset <= upload.sent:
            self.ledger.violate(
                f"upload {upload.location} stands at {offset}; acknowledged {upload.acknowledged}, sent {upload.sent}"
            )
        upload.acknowledged = offset
        return offset

    def look(self, key: Key) -> str | None:
        """Read a key; return the digest of what is there, None for nothing. Complain about wrong bytes, raise Gone."""
        collection = "blobs" if key.kind == "blob" else "manifests"
        answer = self.wire.request("GET", f"/v2/{key.repository}/{collection}/{key.name}")
        if answer.status == 404:
            return None
        if not self._expect(answer, f"pull {key}", 200):
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

    def _in_one_request(self, repository: str, content: Content) -> None:
        path = f"/v2/{repository}/blobs/uploads/?digest={content.digest}"
        key = Key("blob", repository, content.digest)
        self._write([(key, content.digest)], lambda: self.wire.request("POST", path, content.data, _BLOB), 201)

    def _in_two_requests(self, repository: str, content: Content) -> None:
        self._finish(self._start(repository, content), content.data)

    def _in_chunks(self, repository: str, content: Content) -> None:
        upload, data = self._start(repository, content), content.data
        size = max(_TWO_CHUNKS // 2, -(-len(data) // self._rng.randint(1, 4)))
        while len(data) - upload.acknowledged > size:
            if not self._append(upload, data[upload.acknowledged :][:size], upload.acknowledged):
                return
        self._finish(upload, data[upload.acknowledged :])

    def _in_a_stream(self, repository: str, content: Content) -> None:
        upload = self._start(repository, content)
        if self._append(upload, content.data, streamed=True):
            self._finish(upload, b"")

    def _start(self, repository: str, content: Content) -> Upload:
        self.ledger.contents[content.digest] = content
        algorithm = content.digest.partition(":")[0]
        query = "" if algorithm == "sha256" else f"?digest-algorithm={algorithm}"
        answer = self.wire.request("POST", f"/v2/{repository}/blobs/uploads/{query}")
        if not self._expect(answer, f"start an upload in {repository}", 202):
            raise Unavailable
        upload = Upload(repository, answer.headers["location"], content)
        with self.ledger.lock:
            self.ledger.uploads.append(upload)
        return upload

    def _append(self, upload: Upload, data: bytes, offset: int | None = None, *, streamed: bool = False) -> bool:
        """Send a chunk, with Content-Range when `offset` is given; return False while another request holds the upload."""
        upload.sent = max(upload.sent, upload.acknowledged + len(data))
        answer = self.wire.request("PATCH", upload.location, data, _BLOB | _range(offset, data), streamed=streamed)
        if not self._expect(answer, f"append to {upload.location}", 202, 416):
            raise Unavailable
        if answer.status == 416:
            return False
        upload.acknowledged += len(data)
        upload.touched = time.monotonic()
        if answer.headers["range"] != f"0-{max(upload.acknowledged - 1, 0)}":
            self.ledger.violate(f"{upload.location} at {upload.acknowledged} says Range {answer.headers['range']}")
        return True

    def _finish(self, upload: Upload, data: bytes, offset: int | None = None) -> bool:
        """Send the last bytes and the digest; return False while another request holds the upload.

        Whoever resumes gives the `offset`: a request that was cut off may go on for a moment after its client has gone.
        """
        digest = upload.content.digest
        upload.finishing = True
        upload.sent = upload.content.size
        path = f"{upload.location}?digest={digest}"
        key = Key("blob", upload.repository, digest)
        answer = self._write(
            [(key, digest)], lambda: self.wire.request("PUT", path, data, _BLOB | _range(offset, data)), 201, 416
        )
        if answer.status == 201:
            self._forget(upload)
        return answer.status == 201

    def _judge_unknown(self, upload: Upload) -> None:
        """Complain when an upload that nobody ended is not known, or one whose blob is not there either."""
        if upload.cancelling or time.monotonic() - upload.touched > _TTL:
            return
        if not upload.finishing:
            self.ledger.violate(f"upload {upload.location} is unknown, {upload.acknowledged} bytes were acknowledged")
        elif self.look(Key("blob", upload.repository, upload.content.digest)) is None:
            self.ledger.violate(f"upload {upload.location} is unknown, and so is its blob {upload.content.digest}")

    def _put_manifest(self, repository: str, body: bytes, media_type: str, tag: str | None) -> None:
        digest = _sha256(body)
        self.ledger.manifests[digest] = body, media_type
        changes: list[tuple[Key, str | None]] = [(Key("manifest", repository, digest), digest)]
        if tag is not None:
            changes.append((Key("tag", repository, tag), digest))
        path = f"/v2/{repository}/manifests/{tag or digest}"
        self._write(changes, lambda: self.wire.request("PUT", path, body, {"Content-Type": media_type}), 201)

    def _write(
        self, changes: Sequence[tuple[Key, str | None]], send: Callable[[], Answer], done: int, *refused: int
    ) -> Answer:
        """Send a request that changes registers and enter its outcome; raise Gone where there is none, or a 503."""
        writes = [(key, self.ledger.begin(key, value)) for key, value in changes]
        outcome: bool | None = False
        try:
            answer = send()
            self._expect(answer, "; ".join(f"{key} := {value}" for key, value in changes), done, *refused)
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

    def _expect(self, answer: Answer, what: str, *statuses: int) -> bool:
        if answer.status not in (*statuses, 503):
            self.ledger.violate(f"{what}: {answer.status} instead of {statuses}: {answer.body[:500]!r}")
        return answer.status in statuses

    def _forget(self, upload: Upload) -> None:
        with self.ledger.lock:
            if upload in self.ledger.uploads:
                self.ledger.uploads.remove(upload)

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
            for name in self.ledger.present("blob", self._home)
            if not (content := self.ledger.contents[name]).seed.startswith("doomed")
        ]
        return self._rng.sample(lasting, min(len(lasting), self._rng.randint(1, 4)))

    def _lasting_manifests(self, repository: str) -> list[str]:
        return [name for name in self.ledger.present("manifest", repository) if not self._is_doomed(name)]

    def _is_doomed(self, digest: str) -> bool:
        return b'"delete"' in self.ledger.manifests[digest][0]


def _range(offset: int | None, data: bytes) -> dict[str, str]:
    return {} if offset is None or not data else {"Content-Range": f"{offset}-{offset + len(data) - 1}"}


def _manifest(blobs: Sequence[Content], annotations: dict[str, str]) -> bytes:
    described = [{"mediaType": "application/octet-stream", "digest": blob.digest, "size": blob.size} for blob in blobs]
    return json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "artifactType": "application/vnd.example.soak",
            "config": described[0],
            "layers": described,
            "annotations": annotations,
        }
    ).encode()


def _index(children: Sequence[tuple[str, bytes, str]], word: str) -> bytes:
    described = [{"mediaType": kind, "digest": digest, "size": len(body)} for digest, body, kind in children]
    return json.dumps(
        {"schemaVersion": 2, "mediaType": INDEX, "manifests": described, "annotations": {"random": word}}
    ).encode()


def _sha256(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def _doomed_tag(digest: str) -> str:
    """Return the one tag of a manifest that is pushed to be deleted."""
    return f"gone-{digest.partition(':')[2][:12]}"
