"""The process that speaks HTTP, and its workers: granian or hypercorn (`python -m registry.servers`).

The supervisor starts it with the settings in the environment, its own pid as the argument, and the descriptor that
locks the data directory open. Workers are forked and so hold that lock too. Whoever's parent ends is killed.
"""

from __future__ import annotations

import contextlib
import ctypes
import logging
import multiprocessing
import os
import resource
import signal
import socket
import ssl
import sys
import time
from collections.abc import Callable
from functools import partial
from multiprocessing.connection import wait
from multiprocessing.context import ForkProcess
from typing import TYPE_CHECKING, Any, Final

from registry.config import HttpServer, Settings, load_settings
from registry.logs import configure_logging
from registry.tls import CertificateUnusable, server_context

if TYPE_CHECKING:
    from registry.http.lane import App

_PR_SET_PDEATHSIG: Final = 1  # prctl(2)
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # mallopt(3)
_REUSED_PIECE: Final = 32 << 20  # bytes up to which an allocation comes from the heap, and
_REUSED: Final = 64 << 20  # bytes that stay free on its top
_BACKLOG: Final = 2048  # connections that wait to be accepted
_CONNECTIONS: Final = 16_384  # of a worker at a time; idle and slow ones cost little
_HEADER_SECONDS: Final = 15.0  # for a request's head, and until it begins: granian counts both together
_HANDSHAKE_SECONDS: Final = 10.0
_LARGEST_HEAD: Final = (
    64 << 10
)  # bytes; granian takes 100 headers and 408 KiB, which is not to be set apart from its buffer
_KEEP_ALIVE: Final = 5.0  # seconds that hypercorn keeps an idle connection, and also one that the client has closed
_STABLE: Final = 5.0  # seconds that a worker must live to be replaced by this process; with granian 5.5
_RETRY_SECONDS: Final = 6.0  # until a worker that can't serve is followed by the next one: more than that

_log = logging.getLogger("registry.servers")


def main() -> None:
    """Serve until SIGTERM, then let running requests end."""
    _die_with(int(sys.argv[1]))
    settings = load_settings()
    configure_logging(settings.log_level)
    _allow_many_files()
    _reuse_memory()
    if settings.server is HttpServer.GRANIAN:
        _run_granian(settings)
    else:
        _run_hypercorn(settings)


def _die_with(parent: int) -> None:
    """Have the kernel kill this process when its parent ends; at once when it has ended already.

    The kernel watches the parent's *thread* that forked: every process here forks from its main thread.
    """
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
    if os.getppid() != parent:
        os._exit(1)


def _allow_many_files() -> None:
    """Raise the soft limit of open files, often 1024, to the hard one: each connection is a file."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _reuse_memory() -> None:
    """Have glibc keep what is freed of pieces of bodies, instead of returning it and faulting it in again, page by page."""
    with contextlib.suppress(AttributeError):  # another libc
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_M_MMAP_THRESHOLD, _REUSED_PIECE)
        mallopt(_M_TRIM_THRESHOLD, _REUSED)


def _application(settings: Settings, parent: int) -> App:
    """Return the application of this worker, which was forked by `parent`."""
    _die_with(parent)
    # The parent's handler was inherited: it would swallow a SIGTERM that comes before the server sets its own.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # certificates are for those who replace workers
    from registry.compose.server import create_asgi
    from registry.storage.base import StorageError

    try:
        if settings.tls_cert_file is not None:
            server_context(settings)  # whoever is just renewing the files may have written half of them
        return create_asgi()
    except (CertificateUnusable, StorageError, ValueError) as error:  # credentials or keys that can't be used
        _log.error("this worker can't serve: %s", error)
        time.sleep(_RETRY_SECONDS)
        sys.exit(1)


def _run_granian(settings: Settings) -> None:
    from granian.constants import HTTPModes, Interfaces, Loops, SSLProtocols
    from granian.http import HTTP1Settings
    from granian.log import LogLevels
    from granian.server.mp import MPServer

    # granian forks by the default method; with another one workers would not hold the lock.
    multiprocessing.set_start_method("fork")
    server = MPServer(
        target="registry.compose.server:create_asgi",
        address=settings.host,
        port=settings.port,
        interface=Interfaces.ASGI,
        workers=settings.workers,
        loop=Loops.uvloop,
        http=HTTPModes.http1,
        websockets=False,
        backlog=_BACKLOG,
        backpressure=_CONNECTIONS,
        log_level=LogLevels.info if settings.log_level == "debug" else LogLevels.warning,
        # `incremental` leaves handlers as they are: granian's lines go through ours.
        log_dictconfig={"version": 1, "incremental": True, "handlers": {}, "loggers": {"_granian": {}}},
        respawn_failed_workers=True,
        workers_kill_timeout=max(1, settings.drain_timeout),
        http1_settings=HTTP1Settings(header_read_timeout=int(_HEADER_SECONDS * 1000)),
        ssl_cert=settings.tls_cert_file,
        ssl_key=settings.tls_key_file,
        ssl_protocol_min=SSLProtocols.tls12,
        ssl_ca=settings.tls_client_ca_file,
        ssl_client_verify=settings.tls_client_ca_file is not None,
    )
    server.serve(target_loader=partial(_application, settings, os.getpid()), wrap_loader=False)


def _run_hypercorn(settings: Settings) -> None:
    """Fork workers that share a listening socket, replace those that die, and let all end on SIGTERM.

    Hypercorn's own manager ends every worker when one dies, and cuts running requests when the first has drained.
    """
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family) as sock:
        # The supervisor holds the port by a socket that doesn't listen; this option lets us in.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((settings.host, settings.port))
        sock.listen(_BACKLOG)
        fork = partial(_fork_hypercorn, settings, sock.fileno(), os.getpid())
        sys.exit(_keep_alive([fork] * settings.workers, settings.drain_timeout, sock))


def _fork_hypercorn(settings: Settings, listener: int, parent: int) -> ForkProcess:
    worker = multiprocessing.get_context("fork").Process(target=_hypercorn_worker, args=(settings, listener, parent))
    worker.start()
    return worker


def _hypercorn_worker(settings: Settings, listener: int, parent: int) -> None:
    application = _application(settings, parent)
    import uvloop
    from hypercorn.asyncio import serve
    from hypercorn.config import Config

    class SecureConfig(Config):
        def create_ssl_context(self) -> ssl.SSLContext | None:
            return server_context(settings) if settings.tls_cert_file is not None else None

        @property
        def ssl_enabled(self) -> bool:
            return settings.tls_cert_file is not None

    config = SecureConfig()
    config.ssl_handshake_timeout = _HANDSHAKE_SECONDS
    config.h11_max_incomplete_size = _LARGEST_HEAD
    config.bind = [f"fd://{listener}"]
    config.backlog = _BACKLOG
    config.errorlog = logging.getLogger("hypercorn.error")
    # Longer than `_keep_alive` waits: hypercorn would answer requests that it gives up with a bare 500.
    config.graceful_timeout = settings.drain_timeout + 60.0
    config.include_server_header = False
    config.keep_alive_timeout = _KEEP_ALIVE
    config.keep_alive_max_requests = sys.maxsize
    uvloop.run(serve(_as_http1(application), config))


def _as_http1(application: App) -> App:
    """Hide what hypercorn does by itself.

    It has answered `Expect: 100-continue` before the application is asked, so the body comes anyway. And it changes to HTTP/2
    when a client asks for that: inside such a connection, requests would pass by a proxy that judges or marks them.
    """

    async def asked(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            if not scope["http_version"].startswith("1"):
                await send({"type": "http.response.start", "status": 505, "headers": []})
                await send({"type": "http.response.body"})
                return
            scope["headers"] = [header for header in scope["headers"] if header[0].lower() != b"expect"]
        await application(scope, receive, send)

    return asked


def _keep_alive(forks: list[Callable[[], ForkProcess]], drain_timeout: float, listener: socket.socket) -> int:
    """Keep one worker of each kind alive until SIGTERM, then wait for them; return the exit code.

    At SIGHUP others take their places; who waits to be accepted meanwhile doesn't notice.
    `listener` is closed at the end, as each worker closes its own: while anyone held it, new connections would wait in vain.
    """
    ended: list[float] = []
    reloads: list[float] = []
    signal.signal(signal.SIGTERM, lambda *_: ended.append(time.monotonic()))
    signal.signal(signal.SIGHUP, lambda *_: reloads.append(time.monotonic()))
    code = 0
    running = {fork(): (fork, time.monotonic()) for fork in forks}
    leaving: dict[ForkProcess, float] = {}
    while running or leaving:
        wait([worker.sentinel for worker in (*running, *leaving)], timeout=0.2)
        if reloads and not ended:
            leaving |= dict.fromkeys(running, time.monotonic())
            running = {fork(): (fork, time.monotonic()) for fork in forks}
            reloads.clear()
        for worker in [worker for worker in running if worker.exitcode is not None]:
            fork, born = running.pop(worker)
            if ended:
                continue
            _log.error("a worker ended with code %s", worker.exitcode)
            if time.monotonic() - born > _STABLE:
                running[fork()] = fork, time.monotonic()
            else:  # It won't be better with the next one; the supervisor tries again later.
                code = 1
                ended.append(time.monotonic())
        if ended:
            listener.close()
            leaving = dict.fromkeys(running, ended[0]) | leaving
            running = {}
        leaving = {worker: since for worker, since in leaving.items() if worker.exitcode is None}
        for worker, since in leaving.items():
            # More than once: a worker that was just forked may not hear the first.
            late = time.monotonic() - since > drain_timeout + 1
            worker.kill() if late else worker.terminate()
    return code


if __name__ == "__main__":
    main()
