"""The process that `blacklake serve` becomes: it starts PostgreSQL and the HTTP server, heals them and ends them.

    supervisor ─┬─ PostgreSQL            unless BLACKLAKE_DATABASE_URL is set
                └─ HTTP main process ─── workers

Every one is killed by the kernel when its parent ends, and holds the lock of the data directory.
"""

from __future__ import annotations

import contextlib
import http.client
import ipaddress
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Final, Self
from urllib.parse import urlsplit

import structlog

from registry.config import PREFIX, Auth, Migrate, Settings, is_loopback
from registry.datadir import DataDirectory, DataDirectoryUnusable, FirstStartFailed
from registry.db import migrate
from registry.db.embedded import EmbeddedPostgres, EmbeddedPostgresFailed
from registry.logs import configure_logging
from registry.ports import AddressUnusable, reserved
from registry.tls import CertificateUnusable, server_context

_TICK: Final = 1.0  # seconds between looks at the children; the end of one is seen at once
_READY_TICK: Final = 0.05  # seconds between questions until the first answer
_READY_LIMIT: Final = 10.0  # seconds for one answer; the server gives its parts five
_WAITING_TOLD: Final = 10.0  # seconds between lines about a start that takes long
_FIRST_DELAY: Final = 0.1  # seconds before a restart; doubled each time, up to
_LAST_DELAY: Final = 10.0
_STABLE: Final = 30.0  # seconds after which a restart counts as a success
_SHARED_MEMORY: Final = Path("/dev", "shm")  # in it, mkdtemp makes a private directory
_DRAIN_MARGIN: Final = 5.0  # seconds beyond the drain time-out for the HTTP server's own end

_log = structlog.get_logger("registry.supervisor")


class StartFailed(Exception):
    """The server can't be started; the message says why and what to do."""


def run(settings: Settings) -> int:
    """Serve until SIGTERM or SIGINT, then drain; return the exit code.

    Call it from the main thread: the children end with the thread that started them. Raise StartFailed.
    """
    configure_logging(settings.log_level)
    try:
        with _Signals() as signals, contextlib.ExitStack() as stack:
            with signals.breaking_off():
                host, port = stack.enter_context(reserved(settings.host, settings.port))
                chosen = settings.model_copy(update={"host": host, "port": port})
                if settings.admin_address is not None:
                    place = stack.enter_context(reserved(*settings.admin_address, option="--admin-listen"))
                    chosen = chosen.model_copy(update={"admin_listen": shown(*place)})
                if settings.tls_cert_file is not None:
                    server_context(settings)
                    signals.hear_reloads()
                data = DataDirectory(settings.data_dir)
                data.acquire()
                stack.callback(data.release)
                chosen = chosen.model_copy(update={"data_dir": data.path})
                supervisor = _Supervisor(chosen, data, signals, stack)
                supervisor.start()
            supervisor.watch()
    except (
        AddressUnusable,
        CertificateUnusable,
        DataDirectoryUnusable,
        EmbeddedPostgresFailed,
        FirstStartFailed,
        migrate.SchemaUnusable,
    ) as error:
        raise StartFailed(str(error)) from error
    except _BrokenOff:
        _log.info("stopped before it had started")
    return 0


class _BrokenOff(BaseException):
    """SIGTERM or SIGINT came in the middle of something that may be left as it is."""


class _Signals:
    """SIGTERM and SIGINT are counted; they and the end of a child end a `wait`."""

    def __init__(self) -> None:
        self.asked = 0
        self.reloads = 0
        self._breaks = False

    def __enter__(self) -> Self:
        self._reader, self._writer = socket.socketpair()
        self._writer.setblocking(False)
        signal.set_wakeup_fd(self._writer.fileno(), warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._ask)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        return self

    def __exit__(self, *_: object) -> None:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.set_wakeup_fd(-1)
        self._reader.close()
        self._writer.close()

    def hear_reloads(self) -> None:
        """Count SIGHUPs, too, from now on. Before, they end the process, as when its terminal goes away."""
        signal.signal(signal.SIGHUP, self._reload)

    @contextlib.contextmanager
    def breaking_off(self) -> Iterator[None]:
        """Inside, a further signal raises _BrokenOff; elsewhere it is only counted."""
        self._breaks = True
        try:
            yield
        finally:
            self._breaks = False

    def wait(self, seconds: float) -> None:
        """Return after `seconds`, or when a signal comes or a child ends."""
        self._reader.settimeout(seconds)
        with contextlib.suppress(TimeoutError):
            self._reader.recv(4096)

    def _ask(self, _number: int, _frame: FrameType | None) -> None:
        self.asked += 1
        if self._breaks:
            raise _BrokenOff

    def _reload(self, _number: int, _frame: FrameType | None) -> None:
        self.reloads += 1


class _Restarts:
    """When a child that has died may be started again."""

    def __init__(self) -> None:
        self._delay = 0.0
        self._due: float | None = None
        self.begin()

    def begin(self) -> None:
        """Note that the child is being started."""
        self._begun = time.monotonic()
        self._due = None

    def due(self) -> bool:
        """Say whether to start the dead child now; ask until it is so."""
        now = time.monotonic()
        if self._due is None:
            stable = now - self._begun > _STABLE
            self._delay = _FIRST_DELAY if stable else min(max(_FIRST_DELAY, self._delay * 2), _LAST_DELAY)
            self._due = now + self._delay
        return now >= self._due


class _Supervisor:
    """What runs, and how it is kept running. What it starts is ended by `stack`."""

    def __init__(self, settings: Settings, data: DataDirectory, signals: _Signals, stack: contextlib.ExitStack) -> None:
        self._settings = settings
        self._data = data
        self._signals = signals
        self._stack = stack
        self._postgres: EmbeddedPostgres | None = None
        self._postgres_restarts = _Restarts()
        self._http: subprocess.Popen[bytes]
        self._http_restarts = _Restarts()
        self._announced = False
        self._told_waiting = time.monotonic()

    def start(self) -> None:
        """Start everything, in order."""
        if self._settings.auth is Auth.TOKEN:
            from registry.first_start import ensure_secret_key  # what authenticates takes its time and memory

            self._settings = ensure_secret_key(self._settings, self._data.path)
        if self._settings.database_url is None:
            _log.debug("starting PostgreSQL")
            self._postgres = EmbeddedPostgres(self._data.postgres, lock_fd=self._data.lock_fd)
            self._stack.callback(self._postgres.stop)
            self._start_postgres(self._postgres)
            self._settings = self._settings.model_copy(update={"database_url": self._postgres.url})
        if self._settings.session_url is not None:
            _log.debug("looking at the schema")
            bring_schema_up(self._settings.session_url, self._settings.migrate)
        if self._settings.auth is Auth.TOKEN:
            from registry.first_start import ensure_admin, require_fitting_key  # likewise

            _log.debug("looking for users")
            require_fitting_key(self._settings)
            ensure_admin(self._settings, self._data.path)
        self._metrics = _metrics_directory(self._data.run)
        self._stack.callback(shutil.rmtree, self._metrics, ignore_errors=True)
        _log.debug("starting the HTTP server")
        self._start_http()
        self._stack.callback(self._drain)

    def watch(self) -> None:
        """Restart what dies, until a signal asks for the end. Raise StartFailed when the server never gets ready."""
        while not self._signals.asked:
            self._signals.wait(_TICK if self._announced else _READY_TICK)
            if self._postgres is not None and self._postgres.poll() is not None:
                self._heal_postgres(self._postgres)
            if self._http.poll() is not None:
                self._heal_http()
            elif not self._announced:
                self._look_whether_ready()
            elif self._signals.reloads:
                self._signals.reloads = 0
                self._reload_certificate()

    def _start_postgres(self, postgres: EmbeddedPostgres) -> None:
        self._postgres_restarts.begin()
        postgres.start()
        self._data.record("postgres", postgres.pid)

    def _start_http(self) -> None:
        self._http_restarts.begin()
        foreign = {name: value for name, value in os.environ.items() if not name.upper().startswith(PREFIX)}
        self._http = subprocess.Popen(
            # -P: a directory `registry` where the user happens to be is not ours.
            [sys.executable, "-P", "-m", "registry.servers", str(os.getpid())],
            env=foreign | self._settings.to_environment() | {"PROMETHEUS_MULTIPROC_DIR": str(self._metrics)},
            pass_fds=(self._data.lock_fd,),
            stdin=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C at the terminal is for us, who end our children in order.
        )
        self._data.record("http", self._http.pid)

    def _heal_postgres(self, postgres: EmbeddedPostgres) -> None:
        if not self._postgres_restarts.due():
            return
        _log.error("PostgreSQL ended; it is started again", code=postgres.poll())
        self._data.forget(postgres.pid)
        try:
            with self._signals.breaking_off():
                self._start_postgres(postgres)
            _log.info("PostgreSQL works again")
        except EmbeddedPostgresFailed as error:
            _log.error("PostgreSQL can't be started", error=str(error))
        except _BrokenOff:
            _log.warning("the start of PostgreSQL was broken off")

    def _heal_http(self) -> None:
        if not self._announced:
            raise StartFailed(
                f"the HTTP server ended with code {self._http.returncode} before it was ready; its messages are above"
            )
        if self._http_restarts.due():
            _log.error("the HTTP server ended; it is started again", code=self._http.returncode)
            self._data.forget(self._http.pid)
            self._start_http()

    def _reload_certificate(self) -> None:
        """Have the workers replaced by such as know the certificate that is in the files now, unless it can't be used."""
        try:
            server_context(self._settings)
        except CertificateUnusable as error:
            _log.error("the certificate stays as it was", error=str(error))
        else:
            _log.info("the certificate is read again")
            self._http.send_signal(signal.SIGHUP)

    def _drain(self) -> None:
        """Let running requests end, for `drain_timeout` seconds or until a second signal."""
        _log.info("draining", seconds=self._settings.drain_timeout)
        self._http.terminate()
        try:
            with self._signals.breaking_off():
                if self._signals.asked > 1:  # The second came before it could break anything off.
                    raise _BrokenOff
                self._http.wait(self._settings.drain_timeout + _DRAIN_MARGIN)
        except (subprocess.TimeoutExpired, _BrokenOff):
            _log.warning("running requests are cut")
            self._http.kill()
            self._http.wait()

    def _look_whether_ready(self) -> None:
        answer = self._ask_ready()
        if answer is None:
            self._announced = True
            self._announce()
        elif time.monotonic() - self._told_waiting > _WAITING_TOLD:
            self._told_waiting = time.monotonic()
            _log.warning("not ready yet", answer=answer)

    def _ask_ready(self) -> str | None:
        """Return None when `/ready` answers 200 and clients can connect, and what it answers otherwise."""
        try:
            return self._ask(self._connection_to_ready())
        except OSError as error:
            return str(error)

    def _connection_to_ready(self) -> http.client.HTTPConnection:
        """Return the way to `/ready` with details. Raise OSError where nobody listens for clients yet."""
        main = _reachable(self._settings.host), self._settings.port
        if self._settings.admin_address is not None:
            socket.create_connection(main, _READY_LIMIT).close()
            host, port = self._settings.admin_address
            return http.client.HTTPConnection(_reachable(host), port, timeout=_READY_LIMIT)
        if self._settings.tls_cert_file is None:
            return http.client.HTTPConnection(*main, timeout=_READY_LIMIT)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False  # it is our own child, whatever name clients know it by
        context.verify_mode = ssl.CERT_NONE
        return http.client.HTTPSConnection(*main, timeout=_READY_LIMIT, context=context)

    def _ask(self, connection: http.client.HTTPConnection) -> str | None:
        try:
            connection.request("GET", "/ready", headers={"Connection": "close"})
            response = connection.getresponse()
            return None if response.status == http.HTTPStatus.OK else response.read(1000).decode(errors="replace")
        except (OSError, http.client.HTTPException) as error:
            return str(error)
        finally:
            connection.close()

    def _announce(self) -> None:
        admin = {} if self._settings.admin_listen is None else {"admin": self._settings.admin_listen}
        _log.info("ready", host=self._settings.host, port=self._settings.port, **admin)
        # Whoever started us may have closed the pipe. What `sys.stdout` couldn't write it would try again at the exit.
        with contextlib.suppress(OSError):
            os.write(1, greeting(self._settings).encode())


def bring_schema_up(url: str, mode: Migrate) -> None:
    """Migrate the database, or only check it where `mode` is `never`. Raise SchemaUnusable."""
    migrate.check(migrate.upgrade(url) if mode is Migrate.AUTO else migrate.status(url))


def greeting(settings: Settings) -> str:
    """Return what a person wants to know first: where the registry listens, and a push to copy."""
    host = settings.host
    is_secure = settings.tls_cert_file is not None
    if settings.external_url is not None:
        url = urlsplit(settings.external_url)
        name, plain = url.netloc, "" if url.scheme == "https" else "--plain-http "
    else:
        local = is_loopback(host) or _is_every_address(host)
        name, plain = shown("localhost" if local else host, settings.port), "" if is_secure else "--plain-http "
    listens = f"{'https' if is_secure else 'http'}://{shown(host, settings.port)}"
    return (
        f"Blacklake listens on {listens}, data in {Path(settings.data_dir)}\n"
        "Push something:\n\n"
        f"  oras push {plain}{name}/team/bert:v1 model.safetensors\n"
    )


def _metrics_directory(run: Path) -> Path:
    """Make a directory for the files that the workers map, and remove that of an earlier server which was killed.

    It is in memory where the machine has a place for that: a mapped file on a full disk kills its process (SIGBUS).
    """
    note = run / "metrics-directory"
    with contextlib.suppress(FileNotFoundError):
        shutil.rmtree(note.read_text(), ignore_errors=True)
    made = tempfile.mkdtemp(
        prefix="blacklake-metrics-", dir=_SHARED_MEMORY if os.access(_SHARED_MEMORY, os.W_OK) else run
    )
    note.write_text(made)
    return Path(made)


def shown(host: str, port: int) -> str:
    """Return an address as it is written in URLs and settings."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _reachable(host: str) -> str:
    """Return an address by which this machine reaches itself where a server listens on `host`."""
    if not _is_every_address(host):
        return host
    return "::1" if ":" in host else "127.0.0.1"


def _is_every_address(host: str) -> bool:
    return ipaddress.ip_address(host).is_unspecified
