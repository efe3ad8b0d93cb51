"""A small disk of its own for the filesystem driver, which can be full."""

from __future__ import annotations

import contextlib
import errno
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tests.faults.stored import Directory

_SIZE: Final = 512 << 20  # bytes
_PIECE: Final = 1 << 20


class DiskUnavailable(Exception):
    """No disk can be made here; the message says why."""


class Disk:
    """A storage of nodes: `url` is their setting, `stored` looks into it beside them."""

    def __init__(self, mounted: Path) -> None:
        self._mounted = mounted
        blobs = mounted / "blobs"
        self.url = blobs.as_uri()
        self.stored = Directory(blobs)

    @contextlib.contextmanager
    def full(self, room: int) -> Iterator[None]:
        """Fill the disk but for `room` bytes, about."""
        filler = self._mounted / "filler"
        try:
            with filler.open("wb") as file:
                with contextlib.suppress(OSError):
                    while True:
                        os.posix_fallocate(file.fileno(), os.fstat(file.fileno()).st_size, _PIECE)
                os.truncate(file.fileno(), max(0, os.fstat(file.fileno()).st_size - room))
            yield
        finally:
            filler.unlink()


@contextlib.contextmanager
def disk(directory: Path) -> Iterator[Disk]:
    """Mount a disk in memory at `directory`. Raise DiskUnavailable."""
    directory.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={_SIZE},mode=700", "blacklake", directory]
    try:
        mounting = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        raise DiskUnavailable(os.strerror(error.errno or errno.ENOENT)) from error
    if mounting.returncode != 0:
        raise DiskUnavailable(f"mounting a small disk takes root: {mounting.stderr.strip()}")
    try:
        yield Disk(directory)
    finally:
        subprocess.run(["umount", "--lazy", directory], check=True)
