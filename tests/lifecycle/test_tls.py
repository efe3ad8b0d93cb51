"""TLS at the server: which versions, whose certificates, and how renewed ones are taken up."""

from __future__ import annotations

import contextlib
import json
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path
from typing import NamedTuple

import pytest
from cryptography import x509

from tests.docs.commands import ROOT
from tests.lifecycle.certificates import Authority, Files
from tests.lifecycle.serving import Registry, eventually


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path, "authority")


@pytest.fixture
def files(authority: Authority) -> Files:
    return authority.issue("first")


@pytest.fixture
def secured(registry: Registry, files: Files) -> Registry:
    """Return a registry with a certificate that is not started yet."""
    return registry.configure(tls_cert_file=files.certificate, tls_key_file=files.key)


def trusting(authority: Authority, own: Files | None = None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=authority.files.certificate)
    if own is not None:
        context.load_cert_chain(own.certificate, own.key)
    return context


class Answer(NamedTuple):
    status: int
    challenge: str | None
    body: bytes


def ask(connection: HTTPConnection, path: str) -> Answer:
    """Ask once and close the connection."""
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return Answer(answer.status, answer.getheader("WWW-Authenticate"), answer.read())
    finally:
        connection.close()


def get(registry: Registry, path: str, context: ssl.SSLContext) -> Answer:
    return ask(HTTPSConnection("127.0.0.1", registry.port, timeout=20, context=context), path)


def shown(registry: Registry) -> str:
    """Return whose certificate the server shows to a new connection."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with (
        socket.create_connection(("127.0.0.1", registry.port), 20) as plain,
        context.wrap_socket(plain) as connection,
    ):
        certificate = connection.getpeercert(binary_form=True)
        assert certificate is not None
        return x509.load_der_x509_certificate(certificate).subject.rfc4514_string().removeprefix("CN=")


def test_clients_come_by_https_and_are_sent_to_https(secured: Registry, authority: Authority) -> None:
    secured.configure(auth="token").start()
    assert secured.greeting.startswith(f"Blacklake listens on https://127.0.0.1:{secured.port},")
    assert "--plain-http" not in secured.greeting
    answer = get(secured, "/v2/", trusting(authority))
    assert answer.status == 401
    assert f'realm="https://127.0.0.1:{secured.port}/auth/token"' in str(answer.challenge)
    with pytest.raises((OSError, HTTPException)):
        ask(HTTPConnection("127.0.0.1", secured.port, timeout=20), "/v2/")
    assert secured.stop() == 0


def test_pages_are_reached_by_https(secured: Registry, authority: Authority) -> None:
    secured.configure(auth="token").start()
    connection = HTTPSConnection("127.0.0.1", secured.port, timeout=20, context=trusting(authority))
    connection.request("GET", "/auth/login")
    answer = connection.getresponse()
    assert answer.getheader("Strict-Transport-Security") == "max-age=31536000"
    assert str(answer.getheader("Set-Cookie")).startswith("__Host-blacklake-visitor=")
    connection.close()
    assert secured.stop() == 0


def test_only_versions_that_are_safe_are_spoken(secured: Registry, authority: Authority) -> None:
    secured.start()
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        context = trusting(authority)
        context.minimum_version = context.maximum_version = version
        assert get(secured, "/v2/", context).status == 200
    old = trusting(authority)
    old.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises(OSError, match=r"(?i)version|handshake|reset|eof"):
        get(secured, "/v2/", old)
    weak = trusting(authority)
    weak.maximum_version = ssl.TLSVersion.TLSv1_2
    weak.set_ciphers("kRSA:ECDHE+AES+SHA1")  # without forward secrecy, or with CBC
    with pytest.raises(OSError, match=r"(?i)handshake|reset|eof"):
        get(secured, "/v2/", weak)
    assert secured.stop() == 0


def test_a_client_s_certificate_where_one_is_required(secured: Registry, authority: Authority, tmp_path: Path) -> None:
    strangers = tmp_path / "strangers"
    strangers.mkdir()
    secured.configure(tls_client_ca_file=authority.files.certificate).start()  # which is ready though we have none
    assert get(secured, "/v2/", trusting(authority, authority.issue("client"))).status == 200
    for own in (None, Authority(strangers, "stranger").issue("client")):
        with pytest.raises((OSError, HTTPException)):
            get(secured, "/v2/", trusting(authority, own))
    assert get(secured, "/v2/", trusting(authority, authority.issue("another"))).status == 200
    admin = next(line["admin"] for line in secured.log() if line["event"] == "ready")
    host, _, port = admin.rpartition(":")
    answer = ask(HTTPConnection(host, int(port), timeout=20), "/ready")
    assert json.loads(answer.body)["database"] == "ok"
    assert secured.stop() == 0


def healthcheck(**environment: object) -> int:
    """Return the exit code of the image's health check."""
    command = [sys.executable, "-I", ROOT / "deploy" / "docker" / "healthcheck"]
    given = {f"BLACKLAKE_{name.upper()}": str(value) for name, value in environment.items()}
    return subprocess.run(command, env=given, capture_output=True, timeout=30, check=False).returncode


def test_the_image_s_health_check_speaks_as_its_node_does(
    registry: Registry, files: Files, authority: Authority
) -> None:
    registry.start()
    assert healthcheck(port=registry.port) == 0
    assert registry.stop() == 0
    registry.configure(tls_cert_file=files.certificate, tls_key_file=files.key).start()
    assert healthcheck(port=registry.port) == 0
    assert registry.stop() == 0
    assert healthcheck(port=registry.port) == 1
    registry.configure(tls_client_ca_file=authority.files.certificate).start()
    admin = next(line["admin"] for line in reversed(registry.log()) if line["event"] == "ready")
    required = {"port": registry.port, "tls_client_ca_file": authority.files.certificate}
    assert healthcheck(**required, admin_listen=admin) == 0
    assert healthcheck(**required) == 1
    assert registry.stop() == 0


def test_a_renewed_certificate_is_taken_up_and_an_unfit_one_is_not(
    secured: Registry, authority: Authority, files: Files
) -> None:
    secured.configure(workers=2).start()
    before = {worker.pid for worker in secured.workers()}
    files.key.write_text("no key")
    secured.process.send_signal(signal.SIGHUP)
    eventually(lambda: "the certificate stays as it was" in secured.log_text(), "the unfit key is told")
    assert shown(secured) == "first"
    renewed = authority.issue("second")
    shutil.copy(renewed.certificate, files.certificate)
    shutil.copy(renewed.key, files.key)
    secured.process.send_signal(signal.SIGHUP)
    eventually(lambda: not before & {worker.pid for worker in secured.workers()}, "every worker is another one")
    eventually(lambda: len(secured.workers()) == 2, "as many as before")
    assert {shown(secured) for _ in range(10)} == {"second"}
    assert get(secured, "/v2/", trusting(authority)).status == 200
    secured.family()
    assert secured.stop() == 0


def test_a_worker_that_finds_an_unfit_certificate_is_followed_by_one_that_finds_it_mended(
    secured: Registry, authority: Authority, files: Files
) -> None:
    """Whoever renews files may have written half of them when a worker that died is being replaced."""
    secured.configure(workers=2).start()
    eventually(lambda: len(secured.workers()) == 2, "both workers")
    server, (killed, left) = secured.http(), secured.workers()
    eventually(lambda: time.time() - killed.create_time() > 6, "a worker that was good for a while")
    good = files.key.read_text()
    files.key.write_text("no key")
    killed.kill()
    eventually(lambda: "this worker can't serve: the certificate" in secured.log_text(), "the unfit key is told")
    (unfit,) = set(secured.workers()) - {killed, left}
    files.key.write_text(good)
    assert get(secured, "/v2/", trusting(authority)).status == 200
    eventually(lambda: not unfit.is_running() and len(secured.workers()) == 2, "another one in its place")
    left.kill()
    eventually(lambda: is_answered(secured, authority), "others answer")
    assert secured.http() == server
    assert secured.log_text().count("this worker can't serve") == 1
    secured.family()
    assert secured.stop() == 0


def is_answered(registry: Registry, authority: Authority) -> bool:
    try:
        return get(registry, "/v2/", trusting(authority)).status == 200
    except (OSError, HTTPException):
        return False


def test_a_certificate_that_can_t_be_used_is_told_at_the_start(secured: Registry, authority: Authority) -> None:
    secured.configure(tls_key_file=authority.issue("other").key).start(wait=False)
    assert secured.process.wait(60) == 1
    assert "can't be used: KEY_VALUES_MISMATCH" in secured.log_text()
    secured.log_file.write_text("")  # which is no line of the log's


@contextlib.contextmanager
def default_hangup() -> Iterator[None]:
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(signal.SIGHUP, before)


def test_without_tls_a_terminal_that_goes_away_ends_it(registry: Registry) -> None:
    with default_hangup():  # who runs the tests in the background may ignore it, and so would the server
        registry.start()
    registry.process.send_signal(signal.SIGHUP)
    assert registry.ended() == -signal.SIGHUP
