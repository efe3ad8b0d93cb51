"""Blobs on their way in: every way to push one, and to go on with an upload that was interrupted."""

from __future__ import annotations

import time
from typing import Final

from tests.faults.exchange import Exchange, Unavailable
from tests.faults.ledger import Content, Key, Upload
from tests.faults.wire import Answer

TWO_CHUNKS: Final = 128
"""Bytes of a blob, at least, that is sent in parts."""

_TTL: Final = 50.0  # seconds after which an upload may have expired; the server's setting is 60
BLOB: Final = {"Content-Type": "application/octet-stream"}


class Uploads:
    """Pushes blobs; what is not finished stays in the ledger."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._ledger = exchange.ledger
        self._wire = exchange.wire

    def in_one_request(self, repository: str, content: Content) -> None:
        """POST with the digest and the bytes."""
        path = f"/v2/{repository}/blobs/uploads/?digest={content.digest}"
        key = Key("blob", repository, content.digest)
        self._exchange.write([(key, content.digest)], lambda: self._wire.request("POST", path, content.data, BLOB), 201)

    def in_two_requests(self, repository: str, content: Content) -> None:
        """POST, then PUT with the bytes."""
        self.finish(self.start(repository, content), content.data)

    def in_chunks(self, repository: str, content: Content, chunks: int) -> None:
        """POST, a PATCH for each chunk but the last, PUT with the last."""
        upload, data = self.start(repository, content), content.data
        size = max(TWO_CHUNKS // 2, -(-len(data) // chunks))
        while len(data) - upload.acknowledged > size:
            if not self.append(upload, data[upload.acknowledged :][:size], upload.acknowledged):
                return
        self.finish(upload, data[upload.acknowledged :])

    def in_a_stream(self, repository: str, content: Content) -> None:
        """POST, PATCH of a length that is not announced, PUT."""
        upload = self.start(repository, content)
        if self.append(upload, content.data, streamed=True):
            self.finish(upload, b"")

    def start(self, repository: str, content: Content) -> Upload:
        """Begin a session and enter it into the ledger. Raise Gone."""
        self._ledger.contents[content.digest] = content
        algorithm = content.digest.partition(":")[0]
        query = "" if algorithm == "sha256" else f"?digest-algorithm={algorithm}"
        answer = self._wire.request("POST", f"/v2/{repository}/blobs/uploads/{query}")
        if not self._exchange.expect(answer, f"start an upload in {repository}", 202):
            raise Unavailable
        upload = Upload(repository, answer.headers["location"], content)
        with self._ledger.lock:
            self._ledger.uploads.append(upload)
        return upload

    def append(self, upload: Upload, data: bytes, offset: int | None = None, *, streamed: bool = False) -> bool:
        """Send a chunk, with Content-Range when `offset` is given; return False while another request holds the upload."""
        upload.sent = max(upload.sent, upload.acknowledged + len(data))
        answer = self._wire.request("PATCH", upload.location, data, BLOB | _range(offset, data), streamed=streamed)
        if self._has_ended(upload, answer):
            return False
        if not self._exchange.expect(answer, f"append to {upload.location}", 202, 416):
            raise Unavailable
        if answer.status == 416:
            return False
        upload.acknowledged += len(data)
        upload.touched = time.monotonic()
        if answer.headers["range"] != f"0-{max(upload.acknowledged - 1, 0)}":
            self._ledger.violate(f"{upload.location} at {upload.acknowledged} says Range {answer.headers['range']}")
        return True

    def finish(self, upload: Upload, data: bytes, offset: int | None = None) -> bool:
        """Send the last bytes and the digest; return False while another request holds the upload.

        Only whoever resumes gives the `offset`: a request that was cut off may go on for a moment without its client.
        """
        digest = upload.content.digest
        refused = () if offset is None else (404, 416) if _may_have_ended(upload) else (416,)
        upload.finishing = True
        upload.sent = upload.content.size
        path = f"{upload.location}?digest={digest}"
        key = Key("blob", upload.repository, digest)
        answer = self._exchange.write(
            [(key, digest)], lambda: self._wire.request("PUT", path, data, BLOB | _range(offset, data)), 201, *refused
        )
        if answer.status == 201:
            self.forget(upload)
        return answer.status == 201 or self._has_ended(upload, answer)

    def resume(self, upload: Upload, *, by_patch: bool = False) -> bool:
        """Go on with an upload from where it stands and finish it; return False while another request holds it."""
        offset = self.status(upload)
        if offset is None:
            return True
        rest = upload.content.data[offset:]
        if rest and by_patch:
            return self.append(upload, rest, offset) and self.finish(upload, b"")
        return self.finish(upload, rest, offset)

    def status(self, upload: Upload) -> int | None:
        """Return how far an upload is; None where it is, rightly, no longer known. Complain about anything else."""
        answer = self._wire.request("GET", upload.location)
        if answer.status == 404:
            self.forget(upload)
            self._judge_unknown(upload)
            return None
        if not self._exchange.expect(answer, f"status of {upload.location}", 204):
            raise Unavailable
        last = int(answer.headers["range"].removeprefix("0-"))
        offset = last + 1 if last else 0  # "0-0" stands for nothing; no upload here ends at one byte
        if not upload.acknowledged <= offset <= upload.sent:
            self._ledger.violate(
                f"upload {upload.location} stands at {offset}; acknowledged {upload.acknowledged}, sent {upload.sent}"
            )
        upload.acknowledged = offset
        return offset

    def forget(self, upload: Upload) -> None:
        """Strike a session out that has ended."""
        with self._ledger.lock:
            if upload in self._ledger.uploads:
                self._ledger.uploads.remove(upload)

    def _has_ended(self, upload: Upload, answer: Answer) -> bool:
        """Say whether an upload is not known any more that was known a moment ago: then its blob must be there.

        When it was asked for its offset, PostgreSQL may still have been at the commit of a request whose server was killed.
        """
        if answer.status != 404 or not _may_have_ended(upload):
            return False
        self.forget(upload)
        self._judge_unknown(upload)
        return True

    def _judge_unknown(self, upload: Upload) -> None:
        """Complain when an upload that nobody ended is not known, or one whose blob is not there either."""
        if upload.cancelling or _may_have_expired(upload):
            return
        if not upload.finishing:
            self._ledger.violate(f"upload {upload.location} is unknown, {upload.acknowledged} bytes were acknowledged")
        elif self._exchange.look(Key("blob", upload.repository, upload.content.digest)) is None:
            self._ledger.violate(f"upload {upload.location} is unknown, and so is its blob {upload.content.digest}")


def _may_have_ended(upload: Upload) -> bool:
    """Say whether an upload that was known a moment ago may be unknown now: its finish came through, or it has expired."""
    return upload.finishing or _may_have_expired(upload)


def _may_have_expired(upload: Upload) -> bool:
    return time.monotonic() - upload.touched > _TTL


def _range(offset: int | None, data: bytes) -> dict[str, str]:
    return {} if offset is None or not data else {"Content-Range": f"{offset}-{offset + len(data) - 1}"}
