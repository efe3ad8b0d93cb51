"""What a process of the sandbox takes from itself before it reads what others have made (registry.sandboxed).

The kernel enforces it, whatever code comes to run: no memory, time and open files beyond limits (setrlimit(2)); of files only
code, and that only to be read (landlock(7), where the kernel has it); no new process, no network, no signal to others
(seccomp(2), on x86-64 and 64-bit ARM); no look into other processes (user_namespaces(7), where they are allowed); no privilege
that a program could give (prctl(2)).
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import platform
import resource
import signal
import struct
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Final

_PR_SET_PDEATHSIG, _PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP = 1, 38, 22  # linux/prctl.h
_FILES: Final = 48  # open at a time: modules that a reader imports late

# linux/landlock.h: system calls (of all machines), access rights by the version of the interface that has them.
_LANDLOCK_CREATE, _LANDLOCK_ADD, _LANDLOCK_RESTRICT = 444, 445, 446
_FS_RIGHTS: Final = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 4: (1 << 15) - 1, 5: (1 << 16) - 1}
_NET_RIGHTS: Final = 3  # bind and connect of TCP, from version 4 on
_READ: Final = 1 << 2 | 1 << 3  # files and directories

# linux/sched.h, linux/capability.h
_CLONE_NEWUSER, _CAPABILITY_VERSION_3 = 0x10000000, 0x20080522

# linux/filter.h, linux/seccomp.h, linux/audit.h
_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _ERRNO, _FILTER = 0x7FFF0000, 0x00050000, 2
_NUMBER, _MACHINE, _ARGUMENTS = 0, 4, 16  # offsets in struct seccomp_data
_CLONE_THREAD: Final = 0x10000
_WRITING: Final = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
_X32: Final = 0x40000000

# From this number on, the same on all machines, calls are of Linux 5.16 and later, some of which change files in ways for which
# Landlock has no right (fchmodat2, setxattrat, file_setattr): libraries do without them, as on kernels that lack them.
_NEWER: Final = 449

# By machine: what AUDIT_ARCH_… is, calls that are refused, those that glibc then does otherwise, and the numbers of
# clone, prlimit64, openat with its flags' position, and open likewise.
_CALLS: Final = {
    "x86_64": (
        0xC000003E,
        # sockets; processes; signals; files; privileges and namespaces; other processes' memory; keys, io_uring, the kernel;
        # memory, semaphores and messages that outlive who makes them; the turns and the memory that other processes get
        (
            *(41, 42, 43, 44, 46, 49, 50, 53, 288, 307),
            *(57, 58, 59, 322),
            *(62, 129, 200, 234, 297, 424, 434),
            *(
                76,
                77,
                82,
                83,
                84,
                85,
                86,
                87,
                88,
                90,
                91,
                92,
                93,
                94,
                132,
                133,
                235,
                258,
                259,
                260,
                261,
                263,
                264,
                265,
                266,
            ),
            *(268, 280, 316, 319, 188, 189, 190, 197, 198, 199),
            *(105, 106, 117, 119, 126, 155, 160, 161, 165, 166, 272, 308),
            *(101, 310, 311, 438),
            *(248, 249, 250, 425, 426, 427, 169, 170, 171, 175, 246, 298, 313, 320, 321),
            *(29, 30, 31, 64, 65, 66, 67, 68, 69, 70, 71, 220, 240, 241),
            *(141, 142, 144, 203, 251, 256, 279, 314, 440),
        ),
        (435, 437),
        56,
        302,
        {257: 2, 2: 1},
    ),
    "aarch64": (
        0xC00000B7,
        (
            *(198, 199, 200, 201, 202, 203, 206, 211, 242, 269),
            *(221, 281),
            *(129, 130, 131, 138, 240, 424, 434),
            *(33, 34, 35, 36, 37, 38, 45, 46, 52, 53, 54, 55, 88, 276, 279, 5, 6, 7, 14, 15, 16),
            *(39, 40, 41, 51, 97, 144, 146, 147, 149, 164, 268),
            *(117, 270, 271, 438),
            *(217, 218, 219, 425, 426, 427, 104, 105, 142, 161, 162, 241, 273, 280),
            *(180, 181, 186, 187, 188, 189, 190, 191, 192, 193, 194, 195, 196, 197),
            *(30, 118, 119, 122, 140, 238, 239, 274, 440),
        ),
        (435, 437),
        220,
        261,
        {56: 2},
    ),
}


def confine(*, memory: int, seconds: int) -> None:
    """Give up all but `memory` bytes beyond what is in use, and `seconds` of processor time. Raise OSError.

    What the kernel lacks of Landlock is left out; limits, and the filter where the machine is known, are not.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    _apart(libc)  # first: a process that has other rights than before has no signal of its parent's death any more
    _call(libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0), "prctl(PR_SET_PDEATHSIG)")
    _call(libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "prctl(PR_SET_NO_NEW_PRIVS)")
    _limit(memory=memory, seconds=seconds)
    _read_only(libc)
    _refuse_calls(libc)


def _apart(libc: ctypes.CDLL) -> None:
    """Give up all capabilities, and leave the user namespace where that is allowed.

    Who is in another one may not look into processes of the same user, such as the server: at its environment, its memory
    (ptrace(2), access mode checking). That holds where there is no Landlock, too.
    """
    libc.unshare(_CLONE_NEWUSER)
    nothing = struct.pack("6I", *[0] * 6)
    _call(libc.capset(struct.pack("Ii", _CAPABILITY_VERSION_3, 0), nothing), "capset")


def _limit(*, memory: int, seconds: int) -> None:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    most = pages * os.sysconf("SC_PAGE_SIZE") + memory
    for what, limit in (
        (resource.RLIMIT_AS, most),
        (resource.RLIMIT_CPU, seconds),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_NOFILE, _FILES),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NPROC, 0),  # which root ignores
    ):
        _, hard = resource.getrlimit(what)
        least = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
        resource.setrlimit(what, (least, least))


def _code() -> list[Path]:
    """Return where Python's code and its libraries are: not all of a directory of ours, in which the data may lie, too."""
    prefixes = {Path(sys.prefix), Path(sys.base_prefix)}
    elsewhere = [Path(place) for place in sys.path if place and not prefixes & {Path(place), *Path(place).parents}]
    packages = [file.parent for place in elsewhere for file in place.glob("*/__init__.py")]
    system = ("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib", "/usr/share/zoneinfo", "/etc/ld.so.cache")
    return [place for place in (*prefixes, *packages, *map(Path, system)) if place.exists() and place != Path("/")]


def _read_only(libc: ctypes.CDLL) -> None:
    version = libc.syscall(_LANDLOCK_CREATE, None, ctypes.c_size_t(0), 1)
    if version < 1:
        return  # an older kernel, or one that was started without it
    rights = _FS_RIGHTS.get(version, _FS_RIGHTS[max(_FS_RIGHTS)])
    handled = struct.pack("QQ", rights, _NET_RIGHTS) if version >= 4 else struct.pack("Q", rights)
    ruleset = _call(
        libc.syscall(_LANDLOCK_CREATE, handled, ctypes.c_size_t(len(handled)), 0), "landlock_create_ruleset"
    )
    for place in _code():
        with contextlib.suppress(OSError):
            beneath = os.open(place, os.O_PATH | os.O_CLOEXEC)
            allowed = _READ if place.is_dir() else _READ & ~(1 << 3)
            libc.syscall(_LANDLOCK_ADD, ruleset, 1, struct.pack("=Qi", allowed, beneath), 0)
            os.close(beneath)
    _call(libc.syscall(_LANDLOCK_RESTRICT, ruleset, 0), "landlock_restrict_self")
    os.close(ruleset)


def _refuse_calls(libc: ctypes.CDLL) -> None:
    if platform.machine() not in _CALLS:
        return
    program = b"".join(_program())
    buffer = ctypes.create_string_buffer(program, len(program))
    header = struct.pack("HxxxxxxQ", len(program) // 8, ctypes.addressof(buffer))
    _call(libc.prctl(_PR_SET_SECCOMP, _FILTER, header, 0, 0), "prctl(PR_SET_SECCOMP)")


def _program() -> Iterable[bytes]:
    """Yield the instructions: each look leads to the next one, or over what refuses."""
    machine, refused, unknown, clone, prlimit, opening = _CALLS[platform.machine()]
    denied, absent = _step(_RETURN, _ERRNO | errno.EPERM), _step(_RETURN, _ERRNO | errno.ENOSYS)
    yield _step(_LOAD, _MACHINE)
    yield _step(_EQUAL, machine, 1, 0)
    yield denied
    yield _step(_LOAD, _NUMBER)
    yield _step(_AT_LEAST, _X32, 0, 1)
    yield denied
    yield _step(_AT_LEAST, _NEWER, 0, 1)
    yield absent
    for number in refused:
        yield _step(_EQUAL, number, 0, 1)
        yield denied
    for number in unknown:
        yield _step(_EQUAL, number, 0, 1)
        yield absent
    for number, position in opening.items():
        yield _step(_EQUAL, number, 0, 4)
        yield _step(_LOAD, _ARGUMENTS + 8 * position)
        yield _step(_ANY_BIT, _WRITING, 0, 1)
        yield denied
        yield _step(_RETURN, _ALLOW)
    yield _step(_EQUAL, clone, 0, 4)
    yield _step(_LOAD, _ARGUMENTS)
    yield _step(_ANY_BIT, _CLONE_THREAD, 1, 0)
    yield denied
    yield _step(_RETURN, _ALLOW)
    yield _step(
        _EQUAL, prlimit, 0, 6
    )  # limits may be looked at, not changed: the third argument, both halves, is 0 then
    yield _step(_LOAD, _ARGUMENTS + 8 * 2)
    yield _step(_EQUAL, 0, 0, 2)
    yield _step(_LOAD, _ARGUMENTS + 8 * 2 + 4)
    yield _step(_EQUAL, 0, 1, 0)
    yield denied
    yield _step(_RETURN, _ALLOW)
    yield _step(_RETURN, _ALLOW)


def _step(code: int, value: int, when: int = 0, otherwise: int = 0) -> bytes:
    return struct.pack("HBBI", code, when, otherwise, value)


def _call(result: int, what: str) -> int:
    if result < 0:
        raise OSError(ctypes.get_errno(), what)
    return result
