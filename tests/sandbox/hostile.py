"""Readers as hostile files would have them, if they came to run code in one. Each runs in the sandbox only."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mediatypes.files.reading import Malformed, Source

KEPT: list[bytes] = []


def read(task: dict[str, Any], source: Source) -> Any:
    return globals()[task["act"]](task, source)


def sum_of_bytes(task: dict[str, Any], source: Source) -> Any:
    return sum(source.read(task["start"], task["stop"]))


def in_order(task: dict[str, Any], source: Source) -> Any:
    return [len(source.read(at, at + 100)) for at in range(0, source.size - 100, 100)]


def beyond(task: dict[str, Any], source: Source) -> Any:
    return source.read(0, source.size + 1)


def malformed(task: dict[str, Any], source: Source) -> Any:
    raise Malformed("has a bad magic number")


def defect(task: dict[str, Any], source: Source) -> Any:
    return {}["missing"]


def recursion(task: dict[str, Any], source: Source) -> Any:
    return recursion(task, source)


def loop(task: dict[str, Any], source: Source) -> Any:
    while True:
        pass


def sleep(task: dict[str, Any], source: Source) -> Any:
    time.sleep(600)


def allocate(task: dict[str, Any], source: Source) -> Any:
    while True:
        KEPT.append(b"x" * (16 << 20))


def crash(task: dict[str, Any], source: Source) -> Any:
    ctypes.string_at(0)


def leave(task: dict[str, Any], source: Source) -> Any:
    os._exit(0)


def tried(act: Any) -> str:
    """Return what an attempt comes to."""
    try:
        act()
    except BaseException as error:  # noqa: BLE001 - whatever it is, is told
        return type(error).__name__
    return "done"


def write_file(task: dict[str, Any], source: Source) -> Any:
    place = Path(task["place"])
    return {
        "written": tried(lambda: place.write_bytes(b"x")),
        "made": tried(place.touch),
        "removed": tried((place.parent / "victim").unlink),
        "renamed": tried(lambda: (place.parent / "victim").rename(place)),
        "directory": tried(place.mkdir),
        "linked": tried(lambda: place.symlink_to("/")),
        "mode": tried(lambda: (place.parent / "victim").chmod(0o777)),
        "truncated": tried(lambda: os.truncate(place.parent / "victim", 0)),
        **{name: tried(call) for name, call in _newer_calls(bytes(place.parent / "victim")).items()},
    }


def _newer_calls(path: bytes) -> dict[str, Callable[[], None]]:
    """Return what changes a file by calls that libraries don't use yet; they have the same numbers on all machines."""
    value = ctypes.create_string_buffer(b"x")
    attribute = struct.pack("QII", ctypes.addressof(value), 1, 0)
    return {
        "mode by fchmodat2": lambda: _call(452, path, 0o777, 0),
        "attribute": lambda: _call(463, path, 0, b"user.made", attribute, len(attribute)),
        "no attribute": lambda: _call(466, path, 0, b"user.kept"),
        "flags": lambda: _call(469, path, struct.pack("QIIII", 0x80, 0, 0, 0, 0), 24, 0),  # FS_XFLAG_NODUMP
    }


def _call(number: int, path: bytes, *arguments: Any) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.syscall(ctypes.c_long(number), -100, path, *arguments) < 0:
        raise OSError(ctypes.get_errno(), "refused")


def read_file(task: dict[str, Any], source: Source) -> Any:
    with contextlib.suppress(OSError):
        return Path(task["place"]).read_text()
    return None


def new_process(task: dict[str, Any], source: Source) -> Any:
    return {
        "fork": tried(os.fork),
        "command": tried(lambda: subprocess.run(["true"], check=True)),
        "exec": tried(lambda: os.execv("/bin/true", ["true"])),
        "thread": tried(_thread),
    }


def _thread() -> None:
    thread = threading.Thread(target=lambda: None)
    thread.start()
    thread.join()


def network(task: dict[str, Any], source: Source) -> Any:
    return {
        "tcp": tried(lambda: socket.create_connection(("127.0.0.1", task["port"]), 1)),
        "udp": tried(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM)),
        "unix": tried(lambda: socket.socket(socket.AF_UNIX)),
    }


def signals(task: dict[str, Any], source: Source) -> Any:
    return {
        "server": tried(lambda: os.kill(task["pid"], 0)),
        "template": tried(lambda: os.kill(os.getppid(), signal.SIGKILL)),
        "limits": tried(_more_memory),
    }


def _more_memory() -> None:
    import resource

    resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


def environment(task: dict[str, Any], source: Source) -> Any:
    return dict(os.environ)


def descriptors(task: dict[str, Any], source: Source) -> Any:
    found = []
    for number in range(256):
        with contextlib.suppress(OSError):
            os.fstat(number)
            found.append(number)
    return len(found)


def nonsense(task: dict[str, Any], source: Any) -> Any:
    os.write(source._descriptor, b"\x00\x00\x00\x01\xc1")
    time.sleep(600)


def nested(task: dict[str, Any], source: Any) -> Any:
    os.write(source._descriptor, (100_000).to_bytes(4, "big") + b"\x91" * 100_000)
    time.sleep(600)


def many_lists(task: dict[str, Any], source: Source) -> Any:
    return [[number, [1]] for number in range(100_000)]


def huge_frame(task: dict[str, Any], source: Any) -> Any:
    os.write(source._descriptor, b"\xff\xff\xff\xff")
    time.sleep(600)


def long_answer(task: dict[str, Any], source: Source) -> Any:
    return bytes(20 << 20)


def foreign_range(task: dict[str, Any], source: Any) -> Any:
    return source._fetched(-1, 10)


def nothing_for_ever(task: dict[str, Any], source: Any) -> Any:
    while True:
        source._fetched(0, 0)


def limits_of_others(task: dict[str, Any], source: Source) -> Any:
    """Set a limit by way of an address whose lower half is zero, which a filter sees in two halves."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mmap.restype = ctypes.c_void_p
    libc.mmap.argtypes = (ctypes.c_void_p, *(ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long))
    place = libc.mmap(1 << 32, 4096, 3, 0x22 | 0x10, -1, 0)  # private, anonymous, at this very address
    ctypes.memmove(place, (b"\0" * 8 + b"\xff" * 8), 16)
    libc.prlimit.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)
    made = libc.prlimit(task["pid"], 4, place, None)  # RLIMIT_CORE
    return place == 1 << 32, made, ctypes.get_errno()


def outliving(task: dict[str, Any], source: Source) -> Any:
    """Make memory that stays when this process is gone, and take turns from the server."""
    libc = ctypes.CDLL(None, use_errno=True)
    memory, messages = libc.shmget(0, ctypes.c_size_t(4096), 0o1600), libc.msgget(0, 0o1600)
    if memory >= 0:
        libc.shmctl(memory, 0, None)  # away with it
    if messages >= 0:
        libc.msgctl(messages, 0, None)
    return {
        "memory": memory >= 0,
        "messages": messages >= 0,
        "turns": tried(lambda: os.setpriority(os.PRIO_PROCESS, task["pid"], 19)),
        "processors": tried(lambda: os.sched_setaffinity(task["pid"], {0})),
    }
