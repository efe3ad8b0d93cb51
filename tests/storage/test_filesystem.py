"""What the filesystem driver alone promises: durability, one writer among processes, and clear words of a full disk."""

from __future__ import annotations

import asyncio
import errno
import os
import random
import stat
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import pytest

from mediatypes.ranges import ByteRange
from registry.storage import filesystem
from registry.storage.base import ObjectMissing, StorageError, StorageKey, WriterBusy, new_key
from registry.storage.filesystem import FilesystemStore

KEY = StorageKey("abcd" + "0" * 28)

# Writes more than its file may hold, and says what the store answers and what is left then.
FULL = """
import asyncio, resource, sys
from pathlib import Path
from registry.storage.base import StorageError, new_key
from registry.storage.filesystem import FilesystemStore

async def main(root, limit):
    if limit:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    store, key = FilesystemStore(root), new_key()
    writer = await store.open_writer(key)
    await writer.write(bytes(1 << 16))
    await writer.save()
    try:
        await writer.write(bytes(4 << 20))
    except StorageError as error:
        print(error)
    print(writer.offset)
    await writer.close()
    writer = await store.open_writer(key, offset=1 << 16)
    await writer.close()
    print(next(path for path in root.rglob("*") if path.is_file()).stat().st_size)
    await store.delete(key)
    print(sum(1 for path in root.rglob("*") if path.is_file()))
    await store.close()

asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "new" / "blobs"


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the paths that are made durable from now on, in order."""
    found: list[str] = []

    def record(fd: int) -> None:
        found.append(str(Path(f"/proc/self/fd/{fd}").readlink()))

    monkeypatch.setattr(os, "fsync", record)
    monkeypatch.setattr(os, "fdatasync", record)
    return found


async def write(store: FilesystemStore, key: StorageKey, content: bytes) -> None:
    writer = await store.open_writer(key)
    await writer.write(content)
    await writer.commit()


async def reopened(store: FilesystemStore, offset: int) -> int:
    writer = await store.open_writer(KEY, offset=offset)
    await writer.close()
    return writer.offset


def everything_below(root: Path) -> list[Path]:
    return list(root.rglob("*"))


async def test_a_commit_makes_the_file_and_each_directory_above_it_durable(root: Path, synced: list[str]) -> None:
    await write(FilesystemStore(root), KEY, b"x")
    above = [root.parent.parent, root.parent, root, root / "ab"]
    assert synced == [*map(str, above), str(root / "ab/cd" / KEY), str(root / "ab/cd")]


async def test_directories_that_another_process_made_are_made_durable_too(root: Path, synced: list[str]) -> None:
    (root / "ab/cd").mkdir(parents=True)
    store = FilesystemStore(root)
    await write(store, KEY, b"x")
    assert synced == [str(root), str(root / "ab"), str(root / "ab/cd" / KEY), str(root / "ab/cd")]
    synced.clear()
    await write(store, StorageKey("abcd" + "1" * 28), b"x")
    assert [path.removeprefix(str(root)) for path in synced] == ["/ab/cd/abcd" + "1" * 28, "/ab/cd"]


async def test_what_was_saved_is_durable_before_save_returns(root: Path, synced: list[str]) -> None:
    store = FilesystemStore(root)
    writer = await store.open_writer(KEY)
    await writer.write(b"first")
    synced.clear()
    await writer.save()
    assert synced == [str(root / "ab/cd" / KEY), str(root / "ab/cd")]
    await writer.write(b"second")
    synced.clear()
    await writer.save()
    assert synced == [str(root / "ab/cd" / KEY)]
    await writer.close()


def test_the_kernel_is_asked_to_sync_before_a_commit_returns(root: Path, tmp_path: Path) -> None:
    program = """
import asyncio, os, sys
from pathlib import Path
from registry.storage.filesystem import FilesystemStore
async def main():
    writer = await FilesystemStore(Path(sys.argv[1])).open_writer(sys.argv[2])
    await writer.write(b"content")
    await writer.commit()
    os.write(1, b"committed")
asyncio.run(main())
"""
    trace = tmp_path / "trace"
    calls = "trace=fsync,fdatasync,pwritev,pwritev2,write"
    command = ["strace", "-f", "-y", "-o", trace, "-e", calls, sys.executable, "-c", program, root, KEY]
    try:
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    except FileNotFoundError:
        pytest.skip("strace is not installed")
    lines = trace.read_text().splitlines()
    wanted = (f'{KEY}>, [{{iov_base="content"', "fdatasync(", "ab/cd>", '"committed"')
    positions = [next(number for number, line in enumerate(lines) if word in line) for word in wanted]
    assert KEY in lines[positions[1]]
    assert lines[positions[2]].split()[1].startswith("fsync(")
    assert positions == sorted(positions)


def test_a_second_process_can_not_write_a_key_until_the_first_has_ended(root: Path) -> None:
    store = FilesystemStore(root)
    holder = """
import asyncio, sys
from pathlib import Path
from registry.storage.filesystem import FilesystemStore
async def main():
    writer = await FilesystemStore(Path(sys.argv[1])).open_writer(sys.argv[2])
    await writer.write(b"held")
    print("held", flush=True)
    sys.stdin.read()
asyncio.run(main())
"""
    with subprocess.Popen(
        [sys.executable, "-c", holder, str(root), KEY], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        with pytest.raises(WriterBusy):
            asyncio.run(store.open_writer(KEY))
        process.kill()
    assert asyncio.run(reopened(store, 4)) == 4


def test_a_file_that_may_not_grow_is_a_storage_error_and_leaves_nothing(root: Path) -> None:
    done = subprocess.run([sys.executable, "-c", FULL, root, str(1 << 20)], check=True, capture_output=True, text=True)
    assert done.stdout.splitlines() == ["the file system failed: File too large", "65536", "65536", "0"]


def test_a_full_disk_is_said_and_leaves_nothing(tmp_path: Path) -> None:
    """The disk is a tmpfs of one MiB, in a mount namespace of the subprocess's own."""
    script = 'mount -t tmpfs -o size=1m none "$1" && exec "$2" -c "$3" "$1/blobs" 0'
    enter = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script, "sh"]
    done = subprocess.run([*enter, tmp_path, sys.executable, FULL], check=False, capture_output=True, text=True)
    if done.returncode != 0 and ("unshare:" in done.stderr or "mount:" in done.stderr):
        pytest.skip(f"no mount namespace can be had here: {done.stderr.strip()}")
    assert done.stderr == ""
    assert done.stdout.splitlines() == ["the file system failed: the disk is full", "65536", "65536", "0"]


async def test_files_and_directories_are_for_their_owner_alone(root: Path) -> None:
    await write(FilesystemStore(root), KEY, b"secret")
    assert {stat.S_IMODE(path.stat().st_mode) for path in (root / "ab/cd").iterdir()} == {0o600}
    assert {stat.S_IMODE(path.stat().st_mode) for path in (root, root / "ab", root / "ab/cd")} == {0o700}


@pytest.mark.parametrize("key", ["", "../../../etc/passwd", "ab", "A" * 32, "0" * 31 + "/", "0" * 33, "0" * 32 + "\n"])
async def test_what_is_no_key_reaches_no_file(root: Path, key: str) -> None:
    store = FilesystemStore(root)
    wrong = StorageKey(key)
    with pytest.raises(ValueError, match="is no storage key"):
        await store.open_writer(wrong)
    with pytest.raises(ValueError, match="is no storage key"):
        await anext(store.read(wrong, ByteRange(0, 1)))
    with pytest.raises(ValueError, match="is no storage key"):
        await store.delete(wrong)
    with pytest.raises(ValueError, match="is no storage key"):
        store.local_path(wrong, 1)
    assert everything_below(root.parent) == []


async def test_a_symbolic_link_in_place_of_a_blob_is_not_followed(root: Path, tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_bytes(b"not yours")
    (root / "ab/cd").mkdir(parents=True)
    (root / "ab/cd" / KEY).symlink_to(target)
    store = FilesystemStore(root)
    with pytest.raises(StorageError):
        await store.open_writer(KEY)
    with pytest.raises(StorageError):
        await anext(store.read(KEY, ByteRange(0, 3)))
    assert store.local_path(KEY, len(b"not yours")) is None
    assert target.read_bytes() == b"not yours"


async def test_a_blob_that_lost_bytes_is_missing_when_the_read_comes_to_them(root: Path) -> None:
    store, size = FilesystemStore(root), 2 * filesystem._PIECE
    await write(store, KEY, bytes(size))
    path = store.local_path(KEY, size)
    assert path is not None
    os.truncate(path, size - 1)
    pieces = store.read(KEY, ByteRange(0, size))
    assert set(await anext(pieces)) == {0}
    with pytest.raises(ObjectMissing, match=f"ends at byte {size - 1}"):
        async for _ in pieces:
            pass


async def test_many_readers_at_once_share_what_is_read_ahead_of_them(root: Path) -> None:
    store, size = FilesystemStore(root), 3 * filesystem._PIECE
    await write(store, KEY, bytes(size))
    readers = [store.read(KEY, ByteRange(0, size)) for _ in range(200)]
    for _ in range(2):
        pieces = [len(await anext(reader)) for reader in readers]
    assert pieces == [(8 << 20) // 200] * 200
    for reader in readers:
        await reader.aclose()


async def test_pieces_grow_with_what_was_taken(root: Path) -> None:
    store, size = FilesystemStore(root), 40 << 20
    await write(store, KEY, bytes(size))
    pieces = [len(piece) async for piece in store.read(KEY, ByteRange(0, size))]
    assert pieces[:-1] == sorted(pieces[:-1])
    assert (pieces[0], pieces[-2]) == (64 << 10, filesystem._PIECE)
    assert sum(pieces) == size


@pytest.mark.parametrize("in_memory", [True, False])
async def test_only_what_the_disk_must_bring_is_read_in_a_thread(
    root: Path, monkeypatch: pytest.MonkeyPatch, in_memory: bool
) -> None:
    store, content = FilesystemStore(root), random.Random(1).randbytes(2 * filesystem._PIECE + 7)
    await write(store, KEY, content)
    threads: list[str] = []
    pread = filesystem._pread

    def watched(fd: int, position: int, stop: int) -> bytes:
        threads.append(threading.current_thread().name)
        return pread(fd, position, stop)

    monkeypatch.setattr(filesystem, "_pread", watched)
    monkeypatch.setattr(filesystem, "_is_in_memory", lambda fd, position: in_memory)
    assert b"".join([piece async for piece in store.read(KEY, ByteRange(0, len(content)))]) == content
    assert {name == threading.main_thread().name for name in threads} == {in_memory}


async def test_bytes_just_written_are_in_memory_and_those_beyond_the_end_are_not() -> None:
    with tempfile.TemporaryDirectory(dir="/var/tmp") as disk:  # where temporary files are may be no disk
        root = Path(disk, "blobs")
        await write(FilesystemStore(root), KEY, b"content")
        with (root / KEY[:2] / KEY[2:4] / KEY).open("rb") as file:
            assert filesystem._is_in_memory(file.fileno(), 6)
            assert not filesystem._is_in_memory(file.fileno(), 7)


@pytest.mark.parametrize("in_memory", [True, False])
async def test_a_disk_that_fails_in_a_read_is_said_by_a_storage_error(
    root: Path, monkeypatch: pytest.MonkeyPatch, in_memory: bool
) -> None:
    store = FilesystemStore(root)
    await write(store, KEY, b"content")
    monkeypatch.setattr(filesystem, "_is_in_memory", lambda fd, position: in_memory)

    def failing(fd: int, position: int, stop: int) -> bytes:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(filesystem, "_pread", failing)
    with pytest.raises(StorageError, match="the file system failed: Input/output error"):
        await anext(store.read(KEY, ByteRange(0, 7)))


async def test_a_large_blob_is_no_file_to_send(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filesystem, "_LARGE", 100)
    store = FilesystemStore(root)
    for size, is_file in ((99, True), (100, False)):
        await write(store, key := new_key(), bytes(size))
        assert (store.local_path(key, size) is not None) == is_file


async def test_a_store_whose_directory_can_not_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    store = FilesystemStore(tmp_path / "file" / "blobs")
    with pytest.raises(StorageError, match="the file system failed"):
        await store.check()
    with pytest.raises(StorageError, match="the file system failed"):
        await store.open_writer(new_key())


async def test_the_probe_of_a_check_is_removed(root: Path) -> None:
    await FilesystemStore(root).check()
    assert everything_below(root) == []


@pytest.mark.parametrize("most", [1, 3, 4, 5, 100])
def test_pieces_are_written_whole_however_little_the_system_takes_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    def sparing(fd: int, pieces: list[memoryview], offset: int) -> int:
        return os.pwrite(fd, b"".join(pieces)[:most], offset)

    monkeypatch.setattr(filesystem.os, "pwritev", sparing)
    file = tmp_path / "file"
    with file.open("wb") as out:
        filesystem._pwrite(out.fileno(), [b"abcd", bytearray(b""), bytearray(b"efg"), memoryview(b"h")], 2)
    assert file.read_bytes() == b"\0\0abcdefgh"
