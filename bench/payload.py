"""The bytes that are pushed: made once, hashed once, sent with sendfile so that making them costs nothing."""

import hashlib
import random
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

UNIT = 64 << 20  # bytes of the file that every large payload repeats: small enough to stay in the page cache
TAIL = 4096
CHUNK = 1 << 20  # bytes of a chunk of a body whose length is not said


@dataclass(frozen=True)
class Payload:
    """A large body: the file's bytes, over and over, up to size, the last bytes of which are the tail."""

    file: Path
    size: int
    tail: bytes
    digest: str

    def send(self, connection: socket.socket) -> None:
        """Write the body to a socket."""
        with self.file.open("rb") as file:
            for count in runs(self.size - len(self.tail)):
                connection.sendfile(file, 0, count)
        connection.sendall(self.tail)

    def stream(self, connection: socket.socket) -> None:
        """Write the body in chunks (RFC 9112 §7.1), as a client does that doesn't say how long it is."""
        with self.file.open("rb") as file:
            for run in runs(self.size - len(self.tail)):
                for start in range(0, run, CHUNK):
                    count = min(CHUNK, run - start)
                    connection.sendall(b"%x\r\n" % count, socket.MSG_MORE)
                    connection.sendfile(file, start, count)
                    connection.sendall(b"\r\n", socket.MSG_MORE)
        connection.sendall(b"%x\r\n%b\r\n0\r\n\r\n" % (len(self.tail), self.tail))


def runs(size: int) -> Iterator[int]:
    """Yield the lengths in which a size is read from the repeated file."""
    while size > 0:
        yield min(size, UNIT)
        size -= UNIT


def large(directory: Path, size: int, count: int) -> list[Payload]:
    """Return payloads of one size in bytes that differ in their last 4 KiB; the file is made in the directory."""
    file = directory / "unit"
    if not file.exists():
        file.write_bytes(random.Random(0).randbytes(UNIT))
    unit = memoryview(file.read_bytes())
    common = hashlib.sha256()
    for run in runs(size - TAIL):
        common.update(unit[:run])
    payloads = []
    for number in range(count):
        whole, tail = common.copy(), random.Random(number).randbytes(TAIL)
        whole.update(tail)
        payloads.append(Payload(file, size, tail, f"sha256:{whole.hexdigest()}"))
    return payloads


def small(seed: str, size: int) -> bytes:
    """Return that many pseudo-random bytes, the same for the same seed."""
    return random.Random(seed).randbytes(size)


def digest(content: bytes) -> str:
    """Return the sha256 digest in OCI's form."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"
