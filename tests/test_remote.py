"""How `blacklake admin --server` asks: where credentials go and where not, and what is said when it does not work out."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa

from blacklake.cli import app
from blacklake.settings import Refused
from tests.auth import issuer as web
from tests.auth.issuer import Issuer
from tests.auth.test_outgoing import certificate

KEY = "blk_0123456789ABCDEFGHIJKLMNOPQRSTuvwxyz"
USERS = "/api/v1/admin/users"


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> Iterator[Issuer]:
    """Return a server that answers as it is told, and notes what it was asked."""
    monkeypatch.setenv("BLACKLAKE_API_KEY", KEY)
    with web.running() as made:
        made.answers[USERS] = lambda _: web.ok({"items": [], "next": None})
        yield made


def users(*options: str) -> None:
    app(["admin", "user", "list", *options], exit_on_error=False, print_error=False)


def refusal(*options: str) -> Refused:
    with pytest.raises(Refused) as refused:
        users(*options)
    return refused.value


def headers(registry: Issuer) -> list[dict[str, str]]:
    return [one[1] for one in registry.requests]


def test_a_key_goes_with_each_request(registry: Issuer, tmp_path: Path) -> None:
    users("--server", registry.url)
    (tmp_path / "key").write_text("blk_other\n")
    users("--server", f"{registry.url}/", "--api-key-file", str(tmp_path / "key"))
    assert [one["authorization"] for one in headers(registry)] == [f"Bearer {KEY}", "Bearer blk_other"]


def test_a_registry_may_lie_below_a_path(registry: Issuer) -> None:
    registry.answers[f"/models{USERS}"] = lambda _: web.ok({"items": [], "next": None})
    users("--server", f"{registry.url}/models")
    assert registry.asked[f"/models{USERS}"] == 1


def test_pages_are_asked_for_until_the_last(registry: Issuer, capsys: pytest.CaptureFixture[str]) -> None:
    def page(form: dict[str, str]) -> web.Reply:
        is_first = registry.asked[USERS] == 1
        return web.ok({"items": [{"name": "ada" if is_first else "eva\x1b[2J"}], "next": "ada" if is_first else None})

    registry.answers[USERS] = page
    users("--server", registry.url, "--json")
    assert registry.asked[USERS] == 2
    assert capsys.readouterr().out == '{"name":"ada"}\n{"name":"eva\\u001b[2J"}\n'


def test_a_redirect_is_not_followed(registry: Issuer) -> None:
    with web.running() as other:
        registry.answers[USERS] = lambda _: (307, {"Location": f"{other.url}{USERS}"}, b"")
        assert f"redirects to {other.url}" in str(refusal("--server", registry.url))
        assert other.requests == []


def test_a_password_goes_to_the_token_endpoint_of_the_registry_and_nowhere_else(
    registry: Issuer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "password").write_text("correct horse\n")
    monkeypatch.setenv("BLACKLAKE_PASSWORD_FILE", str(tmp_path / "password"))
    registry.answers["/auth/token"] = lambda _: web.ok({"token": "a-token"})
    users("--server", registry.url, "--user", "ada")
    (first, _, basic), (second, _, bearer) = ((path, form, given) for path, given, form in registry.requests)
    assert (first, second) == ("/auth/token", USERS)
    assert basic["authorization"] == "Basic YWRhOmNvcnJlY3QgaG9yc2U="
    assert bearer["authorization"] == "Bearer a-token"


def test_a_token_that_has_ended_is_replaced_once(
    registry: Issuer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "password").write_text("correct horse\n")
    monkeypatch.setenv("BLACKLAKE_PASSWORD_FILE", str(tmp_path / "password"))
    registry.answers["/auth/token"] = lambda _: web.ok({"token": f"token-{registry.asked['/auth/token']}"})

    def page(form: dict[str, str]) -> web.Reply:
        given = headers(registry)[-1]["authorization"]
        if registry.asked[USERS] > 1 and given == "Bearer token-1":
            return 401, {"Content-Type": "application/problem+json"}, b'{"detail": "the token has expired"}'
        return web.ok({"items": [], "next": "a" if registry.asked[USERS] == 1 else None})

    registry.answers[USERS] = page
    users("--server", registry.url, "--user", "ada")
    assert (registry.asked["/auth/token"], registry.asked[USERS]) == (2, 3)


def test_what_the_registry_says_is_said_in_one_line_that_steers_no_terminal(registry: Issuer) -> None:
    registry.answers[USERS] = lambda _: (
        403,
        {"Content-Type": "application/problem+json"},
        b'{"detail": "this is for\\u001b[2J\\nadministrators"}',
    )
    refused = refusal("--server", registry.url)
    assert (str(refused), refused.code) == ("this is for [2J administrators", 1)


def test_what_is_no_registry_is_said_to_be_none(registry: Issuer) -> None:
    registry.answers[USERS] = lambda _: (200, {"Content-Type": "text/html"}, b"<html>")
    assert "something else than JSON" in str(refusal("--server", registry.url))
    registry.answers[USERS] = lambda _: (502, {"Content-Type": "text/html"}, b"<html>")
    assert "is not how Blacklake says it" in str(refusal("--server", registry.url))


def test_an_answer_of_another_version_is_said_to_be_one(registry: Issuer) -> None:
    registry.answers[USERS] = lambda _: web.ok({"users": []})
    assert "has no “items”; is it one of another version?" in str(refusal("--server", registry.url))


def test_what_comes_from_elsewhere_steers_no_terminal(registry: Issuer, capsys: pytest.CaptureFixture[str]) -> None:
    evil = "x\x1b[2J\r\x9b"
    answers = {
        "users": {"items": [{"name": evil, evil: evil}], "next": None},
        "access": {"allowed": True, "reason": evil, "near": [evil]},
        "access/who-can": {"items": [{"name": evil, "shown": evil, "reason": evil}], "next": None},
        "signing-keys": {"kid": evil},
        "audit/export": {"target": evil},
        "audit/events": {"items": [], "next": None},
    }
    for path, document in answers.items():
        registry.answers[f"/api/v1/admin/{path}"] = lambda _, document=document: web.ok(document)
    for command in (
        "user list",
        "user list --json",
        "access explain anonymous a/b pull",
        "access who-can pull a/b",
        "keys rotate",
        "audit export",
    ):
        app(["admin", *command.split(), "--server", registry.url], exit_on_error=False, print_error=False)
        shown = capsys.readouterr().out
        assert shown.strip()
        assert shown.replace("\n", "").isprintable(), command


def test_it_must_be_said_who_acts() -> None:
    assert "it is not said who acts" in str(refusal("--server", "http://127.0.0.1:1"))


def test_a_registry_that_does_not_listen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BLACKLAKE_API_KEY", KEY)
    said = str(refusal("--server", "http://127.0.0.1:1"))
    assert "http://127.0.0.1:1 could not be reached" in said
    assert "check the URL" in said


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://192.0.2.1:5000", "unencrypted"),
        ("http://registry.example", "unencrypted"),
        ("https://ada:secret@registry.example", "holds no credentials"),
        ("ftp://registry.example", "is the URL of a registry"),
        ("registry.example", "is the URL of a registry"),
        ("https://registry.example/?a=b", "is the URL of a registry"),
        ("https://registry.example:port", "is the URL of a registry"),
    ],
)
def test_a_url_that_would_give_credentials_away_is_refused(
    monkeypatch: pytest.MonkeyPatch, url: str, said: str
) -> None:
    monkeypatch.setenv("BLACKLAKE_API_KEY", KEY)
    assert said in str(refusal("--server", url))


def test_over_http_nothing_goes_through_a_proxy(registry: Issuer, monkeypatch: pytest.MonkeyPatch) -> None:
    with web.running() as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        monkeypatch.setenv("ALL_PROXY", proxy.url)
        users("--server", registry.url)
        assert proxy.requests == []


@pytest.mark.parametrize(
    "options",
    [
        ("--api-key-file", "key"),
        ("--user", "ada"),
        ("--insecure",),
        ("--server", "https://a.example", "--data-dir", "data"),
        ("--server", "https://a.example", "--user", "ada", "--api-key-file", "key"),
    ],
)
def test_options_that_contradict_each_other_are_refused(options: tuple[str, ...]) -> None:
    assert refusal(*options).code == 2


def test_tls_is_verified_by_the_file_that_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("BLACKLAKE_API_KEY", KEY)
    file = tmp_path / "certificate.pem"
    file.write_bytes(certificate("127.0.0.1"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    with web.running(wrap=lambda plain: context.wrap_socket(plain, server_side=True)) as made:
        made.answers[USERS] = lambda _: web.ok({"items": [], "next": None})
        url = made.url.replace("http://", "https://")
        assert "--ca-file names those to trust" in str(refusal("--server", url))
        assert made.requests == []
        users("--server", url, "--ca-file", str(file))
        assert made.asked[USERS] == 1
    (tmp_path / "none").write_text("none")
    assert "holds no certificates" in str(refusal("--server", url, "--ca-file", str(tmp_path / "none")))


@pytest.mark.parametrize("content", [b"none", b"", None])
def test_a_key_that_can_t_sign_is_refused_before_anything_is_sent(
    registry: Issuer, tmp_path: Path, content: bytes | None
) -> None:
    path = tmp_path / "key.pem"
    if content is not None:
        path.write_bytes(content)
    assert str(path) in str(refusal("--server", registry.url, "--sign-key-file", str(path)))
    path.write_bytes(pem(rsa.generate_private_key(65537, 2048)))
    assert "another kind" in str(refusal("--server", registry.url, "--sign-key-file", str(path)))
    path.write_bytes(pem(ed25519.Ed25519PrivateKey.generate(), b"secret"))
    assert "without a passphrase" in str(refusal("--server", registry.url, "--sign-key-file", str(path)))
    assert registry.requests == []


def pem(key: rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey, passphrase: bytes = b"") -> bytes:
    encryption = serialization.BestAvailableEncryption(passphrase) if passphrase else serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)
