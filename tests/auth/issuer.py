"""An issuer of identities on loopback, whose every answer a test may choose."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import get_default_algorithms

from registry.db.trust import IssuerRow

AUDIENCE: Final = "https://registry.test"
RSA: Final = rsa.generate_private_key(public_exponent=65537, key_size=2048)
OTHER_RSA: Final = rsa.generate_private_key(public_exponent=65537, key_size=2048)
EC: Final = ec.generate_private_key(ec.SECP256R1())
ED: Final = ed25519.Ed25519PrivateKey.generate()

Reply = tuple[int, dict[str, str], bytes]


def jwk(private: Any, kid: str, algorithm: str, **more: Any) -> dict[str, Any]:
    """Return a public key as its issuer publishes it."""
    members: dict[str, Any] = get_default_algorithms()[algorithm].to_jwk(private.public_key(), as_dict=True)
    return {**members, "kid": kid, "use": "sig", "alg": algorithm, **more}


def dated(claims: Mapping[str, Any]) -> dict[str, Any]:
    """Return claims in which what is said as so much from now on is a time, as it is now and not when tests were collected."""
    now = int(time.time())
    return {
        name: now + int(value.total_seconds()) if isinstance(value, timedelta) else value
        for name, value in claims.items()
    }


class Issuer:
    """An issuer that publishes one RSA key, `key-1`. `answers` come before what it would say itself."""

    def __init__(self, server: ThreadingHTTPServer) -> None:
        self.url = f"http://127.0.0.1:{server.server_port}"
        self.keys = [jwk(RSA, "key-1", "RS256")]
        self.answers: dict[str, Callable[[dict[str, str]], Reply]] = {}
        self.asked: Counter[str] = Counter()
        self.requests: list[tuple[str, dict[str, str], dict[str, str]]] = []

    @property
    def row(self) -> IssuerRow:
        return IssuerRow(1, self.url, "other", ("RS256", "ES256"))

    @property
    def metadata(self) -> dict[str, Any]:
        names = {
            "jwks_uri": "keys",
            "token_endpoint": "token",
            "authorization_endpoint": "authorize",
            "device_authorization_endpoint": "device",
        }
        return {"issuer": self.url} | {name: f"{self.url}/{path}" for name, path in names.items()}

    def answer(self, path: str, headers: dict[str, str], form: dict[str, str]) -> Reply:
        self.asked[path] += 1
        self.requests.append((path, headers, form))
        if path in self.answers:
            return self.answers[path](form)
        if path == "/.well-known/openid-configuration":
            return ok(self.metadata)
        return ok({"keys": self.keys}) if path == "/keys" else (404, {}, b"")

    def claims(self, **more: Any) -> dict[str, Any]:
        """Return the claims of a good token, with others, or without those that are None."""
        now = int(time.time())
        good = {"iss": self.url, "aud": AUDIENCE, "sub": "job", "iat": now, "exp": now + 300, "jti": uuid4().hex}
        return {name: value for name, value in (good | more).items() if value is not None}

    def token(
        self, key: Any = RSA, algorithm: str = "RS256", headers: dict[str, Any] | None = None, **claims: Any
    ) -> str:
        return jwt.encode(self.claims(**claims), key, algorithm, headers={"kid": "key-1", **(headers or {})})


def ok(document: object) -> Reply:
    return 200, {"Content-Type": "application/json"}, json.dumps(document).encode()


@contextlib.contextmanager
def running(address: str = "127.0.0.1", wrap: Callable[[Any], Any] = lambda socket: socket) -> Iterator[Issuer]:
    """Let an issuer run; `wrap` may put TLS around its socket."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._answer({})

        def do_POST(self) -> None:
            content = self.rfile.read(int(self.headers.get("content-length", 0))).decode()
            self._answer({name: values[0] for name, values in parse_qs(content).items()})

        def _answer(self, form: dict[str, str]) -> None:
            given = {name.lower(): value for name, value in self.headers.items()}
            status, headers, content = issuer.answer(urlsplit(self.path).path, given, form)
            with contextlib.suppress(OSError):  # the client may have had enough
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

        def log_message(self, *args: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *args: object) -> None:
            pass  # who breaks off a handshake or a request is the subject here

    server = Server((address, 0), Handler)
    server.socket = wrap(server.socket)
    issuer = Issuer(server)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield issuer
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
