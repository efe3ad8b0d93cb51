"""Many large uploads into Blacklake at once, and the memory that its processes use meanwhile."""

import shutil
import threading
from dataclasses import dataclass
from pathlib import Path

from bench.crowd import together
from bench.errors import BenchmarkError, WrongAnswer
from bench.payload import large
from bench.registry_client import check
from bench.servers import Kind, Server, Usage, running
from bench.wire import Connection
from bench.work import LIMIT, MB, MIB, push_one

STREAMS = 8
BOUND = 400 * MB  # bytes of PSS that the server's processes may use together, PostgreSQL's not among them
INTERVAL = 0.25  # seconds between two samples


@dataclass(frozen=True)
class UploadsMemory:
    """The outcome: bytes of PSS, seconds, and how often the memory was sampled."""

    streams: int
    size: int
    seconds: float
    samples: int
    idle: Usage
    peak: Usage

    @property
    def bounded(self) -> bool:
        """Return whether the server's own processes stayed below the bound."""
        return self.peak.server < BOUND

    def markdown(self) -> str:
        """Return the outcome as a paragraph."""
        total = self.streams * self.size
        return (
            f"{self.streams} uploads of {self.size // MIB:,} MiB at once took {self.seconds:.1f} s "
            f"({total / MB / self.seconds:,.0f} MB/s). The PSS of the server's processes added up to at most "
            f"**{self.peak.server / MB:.0f} MB** ({self.idle.server / MB:.0f} MB before; {self.samples} samples; "
            f"{'below' if self.bounded else 'NOT BELOW'} the bound of {BOUND / MB:.0f} MB), that of PostgreSQL's "
            f"beside it to at most {self.peak.postgres / MB:.0f} MB ({self.idle.postgres / MB:.0f} MB before)."
        )


_BLOBS = "/v2/bench/memory/blobs/"


class Sampler(threading.Thread):
    """Takes samples of a server's memory until `end`."""

    def __init__(self, server: Server) -> None:
        super().__init__(daemon=True)
        self._server = server
        self._end = threading.Event()
        self.samples = [server.memory()]

    def run(self) -> None:
        """Take them."""
        while not self._end.wait(INTERVAL):
            self.samples.append(self._server.memory())

    def end(self) -> None:
        """Take no more."""
        self._end.set()
        self.join()


def uploads_memory(kind: Kind, directory: Path, *, size: int, streams: int = STREAMS) -> UploadsMemory:
    """Upload that many blobs of a size in bytes at once; each must be served with its size, the first is read back."""
    free = shutil.disk_usage(directory).free
    if free < streams * size + (1 << 30):
        raise BenchmarkError(f"{streams} uploads of {size} bytes do not fit into the {free} bytes free in {directory}.")
    payloads = large(directory, size, streams)
    with running(kind, directory) as server:
        sampler = Sampler(server)
        sampler.start()
        try:
            jobs = [(server.port, "bench/memory", payload) for payload in payloads]
            seconds = together(push_one, jobs, limit=2 * LIMIT)
        finally:
            sampler.end()
        with Connection(server.port) as connection:
            check(connection, f"{_BLOBS}{payloads[0].digest}", payloads[0].digest, size)
            for payload in payloads:
                end = {"Range": "bytes=-1"}
                answer = connection.request("GET", f"{_BLOBS}{payload.digest}", expect=206, headers=end)
                if not answer.headers.get("content-range", "").endswith(f"/{size}"):
                    raise WrongAnswer(f"{payload.digest} is not served with its {size} bytes.")
    return UploadsMemory(
        streams=streams,
        size=size,
        seconds=seconds,
        samples=len(sampler.samples),
        idle=sampler.samples[0],
        peak=Usage(
            server=max(sample.server for sample in sampler.samples),
            postgres=max(sample.postgres for sample in sampler.samples),
        ),
    )
