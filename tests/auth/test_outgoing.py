"""Outgoing calls (SSRF: CVE-2026-32591, CVE-2026-2376, CVE-2026-10517, CVE-2020-13788; CVE-2026-33540 for credentials)."""

from __future__ import annotations

import asyncio
import datetime
import ipaddress
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import NameOID

from registry.auth.addresses import Allowed
from registry.auth.outgoing import Outgoing
from registry.auth.outgoing_errors import (
    AnswerTooLarge,
    AnswerUnfit,
    OutgoingFailed,
    TargetRefused,
    TargetTooSlow,
    TargetUnreachable,
)
from tests.auth import issuer as issuers_here
from tests.auth.issuer import EC, Issuer, Reply
from tests.auth.names import resolved

NAME = "idp.example.test"


def redirect(target: str, status: int = 302) -> Callable[[object], Reply]:
    return lambda _form: (status, {"Location": target}, b"")


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.1/", "https://[::1]/", "https://10.0.0.1/", "https://169.254.169.254/latest/meta-data/",
        "https://[::ffff:169.254.169.254]/", "https://2130706433/", "https://0x7f.1/", "https://127.1/",
        "https://localhost/", "https://LOCALHOST./",
    ],
)  # fmt: skip
async def test_an_address_that_is_not_public_is_never_called(url: str) -> None:
    with pytest.raises(TargetRefused, match="BLACKLAKE_OUTGOING_ALLOW"):
        await Outgoing(Allowed()).get(url)


@pytest.mark.parametrize(
    "url", ["http://example.com/", "file:///etc/passwd", "gopher://h/", "", "h", "https://", "https://0177.0.0.1/"]
)
async def test_what_is_not_https_is_refused_unless_its_host_is_allowed(url: str) -> None:
    with pytest.raises(TargetRefused):
        await Outgoing(Allowed()).get(url)


async def test_a_user_in_a_url_is_refused(outgoing: Outgoing, issuer: Issuer) -> None:
    with pytest.raises(TargetRefused, match="or a user"):
        await outgoing.get(issuer.url.replace("http://", "http://user:password@"))
    assert not issuer.requests


async def test_a_name_that_leads_to_a_private_address_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    resolved(monkeypatch, NAME, ["10.0.0.7"])
    with pytest.raises(TargetRefused, match=r"10\.0\.0\.7"):
        await Outgoing(Allowed()).get(f"https://{NAME}/")


async def test_a_name_with_one_forbidden_address_among_others_is_refused(
    monkeypatch: pytest.MonkeyPatch, issuer: Issuer, outgoing: Outgoing
) -> None:
    resolved(monkeypatch, NAME, ["127.0.0.1", "169.254.169.254"])
    with pytest.raises(TargetRefused, match=r"169\.254\.169\.254"):
        await Outgoing(Allowed([NAME])).get(issuer.url.replace("127.0.0.1", NAME))
    assert not issuer.requests


async def test_dns_rebinding_the_address_that_was_checked_is_the_one_that_is_called(
    monkeypatch: pytest.MonkeyPatch, issuer: Issuer
) -> None:
    asked = resolved(monkeypatch, NAME, ["127.0.0.1"], ["169.254.169.254"])
    url = issuer.url.replace("127.0.0.1", NAME)
    assert (await Outgoing(Allowed([NAME])).get(f"{url}/keys")).status == 200
    assert asked == [NAME]
    with pytest.raises(TargetRefused, match=r"169\.254\.169\.254"):
        await Outgoing(Allowed([NAME])).get(f"{url}/keys")
    assert len(issuer.requests) == 1


async def test_the_host_header_stays_the_name_s(monkeypatch: pytest.MonkeyPatch, issuer: Issuer) -> None:
    resolved(monkeypatch, NAME, ["127.0.0.1"])
    url = issuer.url.replace("127.0.0.1", NAME)
    await Outgoing(Allowed([NAME])).get(f"{url}/keys")
    assert issuer.requests[0][1]["host"] == url.removeprefix("http://")


async def test_the_next_address_is_tried_where_nobody_answers_at_the_first(
    monkeypatch: pytest.MonkeyPatch, issuer: Issuer
) -> None:
    resolved(monkeypatch, NAME, ["127.0.0.9", "127.0.0.1"])
    assert (await Outgoing(Allowed([NAME])).get(issuer.url.replace("127.0.0.1", NAME) + "/keys")).status == 200


async def test_a_redirect_to_the_metadata_address_is_refused(issuer: Issuer, outgoing: Outgoing) -> None:
    issuer.answers["/go"] = redirect("https://169.254.169.254/latest/meta-data/")
    with pytest.raises(TargetRefused, match=r"169\.254\.169\.254"):
        await outgoing.get(f"{issuer.url}/go")


@pytest.mark.parametrize(
    "target", ["http://example.com/", "file:///etc/passwd", "https://user@127.0.0.1/", "https://10.0.0.1/"]
)
async def test_a_redirect_is_checked_as_every_call_is(issuer: Issuer, outgoing: Outgoing, target: str) -> None:
    issuer.answers["/go"] = redirect(target)
    with pytest.raises(TargetRefused):
        await outgoing.get(f"{issuer.url}/go")


async def test_three_redirects_are_followed_and_no_fourth(issuer: Issuer, outgoing: Outgoing) -> None:
    for number in range(1, 5):
        issuer.answers[f"/{number}"] = redirect(f"/{number - 1}" if number > 1 else "/keys")
    assert (await outgoing.get(f"{issuer.url}/3")).status == 200
    with pytest.raises(AnswerUnfit, match="redirect"):
        await outgoing.get(f"{issuer.url}/4")


async def test_credentials_go_to_their_own_origin_only(issuer: Issuer, outgoing: Outgoing) -> None:
    with issuers_here.running() as other:
        issuer.answers["/own"] = redirect("/keys")
        issuer.answers["/other"] = redirect(f"{other.url}/keys")
        for path in ("/own", "/other"):
            await outgoing.get(issuer.url + path, headers={"Authorization": "Bearer secret", "X-Plain": "1"})
        assert issuer.requests[1][1]["authorization"] == "Bearer secret"
        assert "authorization" not in other.requests[0][1]
        assert other.requests[0][1]["x-plain"] == "1"


async def test_a_redirect_of_a_post_is_not_followed(issuer: Issuer, outgoing: Outgoing) -> None:
    issuer.answers["/token"] = redirect("/keys", 307)
    assert (await outgoing.post(f"{issuer.url}/token", b"secret=1")).status == 307
    assert [path for path, *_ in issuer.requests] == ["/token"]


async def test_no_cookie_is_ever_sent_back(issuer: Issuer, outgoing: Outgoing) -> None:
    issuer.answers["/go"] = lambda _form: (302, {"Location": "/keys", "Set-Cookie": "a=b; Path=/"}, b"")
    await outgoing.get(f"{issuer.url}/go")
    await outgoing.get(f"{issuer.url}/keys")
    assert all("cookie" not in headers for _, headers, _ in issuer.requests)


async def test_the_environment_s_proxy_is_not_used(
    monkeypatch: pytest.MonkeyPatch, issuer: Issuer, outgoing: Outgoing
) -> None:
    with issuers_here.running() as proxy:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        assert (await outgoing.get(f"{issuer.url}/keys")).status == 200
        assert not proxy.requests


async def test_an_answer_is_read_up_to_its_limit(issuer: Issuer, outgoing: Outgoing) -> None:
    issuer.answers["/large"] = lambda _form: (200, {}, b"x" * 1000)
    assert len((await outgoing.get(f"{issuer.url}/large", limit=1000)).content) == 1000
    with pytest.raises(AnswerTooLarge, match="more than 999 bytes"):
        await outgoing.get(f"{issuer.url}/large", limit=999)


async def test_a_compressed_answer_is_refused_for_nobody_knows_its_size(issuer: Issuer, outgoing: Outgoing) -> None:
    issuer.answers["/bomb"] = lambda _form: (200, {"Content-Encoding": "gzip"}, b"\x1f\x8b")
    with pytest.raises(AnswerUnfit, match="compressed"):
        await outgoing.get(f"{issuer.url}/bomb")
    assert issuer.requests[0][1]["accept-encoding"] == "identity"


async def test_headers_without_end_are_refused(issuer: Issuer, outgoing: Outgoing) -> None:
    issuer.answers["/large"] = lambda _form: (200, {f"X-{number}": "x" * 1000 for number in range(1000)}, b"")
    with pytest.raises(TargetUnreachable):
        await outgoing.get(f"{issuer.url}/large")


async def test_an_answer_that_comes_too_slowly_is_given_up(issuer: Issuer) -> None:
    ends = threading.Event()

    def wait(_form: object) -> Reply:
        ends.wait()
        return 200, {}, b""

    issuer.answers["/slow"] = wait
    try:
        with pytest.raises(TargetTooSlow):
            await Outgoing(Allowed(["127.0.0.1"]), seconds=0.2).get(f"{issuer.url}/slow")
    finally:
        ends.set()


async def test_posts_that_wait_leave_room_to_fetch_what_issuers_publish(
    issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("registry.auth.outgoing._AT_ONCE", 2)
    outgoing, begun, ends = Outgoing(Allowed(["127.0.0.1"])), threading.Semaphore(0), threading.Event()

    def wait(_form: object) -> Reply:
        begun.release()
        ends.wait()
        return 200, {}, b""

    issuer.answers["/token"] = wait
    async with asyncio.TaskGroup() as group:
        for _ in range(4):
            group.create_task(outgoing.post(f"{issuer.url}/token", b"a=b"))
        for _ in range(2):
            await asyncio.to_thread(begun.acquire)
        try:
            assert (await outgoing.get(f"{issuer.url}/keys")).status == 200
            assert issuer.asked["/token"] == 2
        finally:
            ends.set()


async def test_where_nobody_listens_the_call_fails(issuer: Issuer, outgoing: Outgoing) -> None:
    with issuers_here.running() as gone:
        url = gone.url
    with pytest.raises(TargetUnreachable):
        await outgoing.get(url)


async def test_a_name_that_is_none_is_unreachable(monkeypatch: pytest.MonkeyPatch, outgoing: Outgoing) -> None:
    with pytest.raises(TargetUnreachable, match="can't be found"):
        await outgoing.get(f"https://{'a' * 64}.example.test/")


def certificate(name: str) -> bytes:
    """Return a certificate of EC for a name, signed by itself, and its key, in PEM."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    try:
        alternative: x509.GeneralName = x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        alternative = x509.DNSName(name)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(EC.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([alternative]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(EC, hashes.SHA256())
    )
    private = EC.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return private + made.public_bytes(serialization.Encoding.PEM)


@pytest.fixture
def secure(tmp_path: Path) -> Iterator[tuple[Issuer, Path, list[str | None]]]:
    """Return a server with TLS for NAME, the file with its certificate, and the names that clients ask it for (SNI)."""
    file = tmp_path / "certificate.pem"
    file.write_bytes(certificate(NAME))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    asked: list[str | None] = []

    def note(_socket: Any, name: str | None, _context: ssl.SSLContext) -> None:
        asked.append(name)

    context.sni_callback = note
    with issuers_here.running(wrap=lambda plain: context.wrap_socket(plain, server_side=True)) as made:
        yield made, file, asked


async def test_tls_asks_for_the_name_and_verifies_it_though_the_address_is_pinned(
    monkeypatch: pytest.MonkeyPatch, secure: tuple[Issuer, Path, list[str | None]]
) -> None:
    server, file, asked = secure
    resolved(monkeypatch, NAME, ["127.0.0.1"])
    url = server.url.replace("http://127.0.0.1", f"https://{NAME}")
    found = await Outgoing(Allowed(["127.0.0.1"]), ca_file=file).get(f"{url}/keys")
    assert found.status == 200
    assert asked == [NAME]
    assert server.requests[0][1]["host"] == url.removeprefix("https://")


async def test_a_certificate_of_another_name_is_refused(
    monkeypatch: pytest.MonkeyPatch, secure: tuple[Issuer, Path, list[str | None]]
) -> None:
    server, file, _ = secure
    resolved(monkeypatch, "other.example.test", ["127.0.0.1"])
    calls = Outgoing(Allowed(["127.0.0.1"]), ca_file=file)
    for host in ("other.example.test", "127.0.0.1"):
        with pytest.raises(TargetUnreachable, match=r"(?i)certificate"):
            await calls.get(server.url.replace("http://127.0.0.1", f"https://{host}"))
    assert not server.requests


async def test_a_certificate_that_nobody_knows_is_refused(
    monkeypatch: pytest.MonkeyPatch, secure: tuple[Issuer, Path, list[str | None]]
) -> None:
    server, _, _ = secure
    resolved(monkeypatch, NAME, ["127.0.0.1"])
    with pytest.raises(TargetUnreachable, match=r"(?i)certificate"):
        await Outgoing(Allowed(["127.0.0.1"])).get(server.url.replace("http://127.0.0.1", f"https://{NAME}"))
    assert not server.requests


async def test_https_does_not_redirect_to_plain_http(
    monkeypatch: pytest.MonkeyPatch, secure: tuple[Issuer, Path, list[str | None]], issuer: Issuer
) -> None:
    server, file, _ = secure
    resolved(monkeypatch, NAME, ["127.0.0.1"])
    resolved(monkeypatch, "plain.example.test", ["127.0.0.1"])
    server.answers["/go"] = redirect(issuer.url.replace("127.0.0.1", "plain.example.test"))
    with pytest.raises(TargetRefused, match="is not https"):
        await Outgoing(Allowed(["127.0.0.1"]), ca_file=file).get(
            server.url.replace("http://127.0.0.1", f"https://{NAME}") + "/go"
        )
    assert not issuer.requests


def test_a_file_without_certificates_is_refused(tmp_path: Path) -> None:
    (tmp_path / "none.pem").write_text("nothing")
    for name in ("none.pem", "missing.pem"):
        with pytest.raises(OSError, match=r"(?i)no certificate|no such file"):
            Outgoing(Allowed(), ca_file=tmp_path / name)


def test_every_failure_is_one_of_a_call() -> None:
    for failure in (TargetRefused, TargetUnreachable, TargetTooSlow, AnswerTooLarge, AnswerUnfit):
        assert issubclass(failure, OutgoingFailed)
