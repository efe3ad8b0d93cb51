"""An OpenID provider on the loopback address that believes whoever asks: whom it names is in the question.

GET /PATH/.well-known/openid-configuration, /PATH/keys    of the issuer at each PATH
GET /PATH/token?sub=…&email=…                             an identity token with these claims, for the audience `sigstore`
"""

from __future__ import annotations

import json
import threading
import time
import urllib.parse
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

import jwt
from cryptography.hazmat.primitives.asymmetric import ec

AUDIENCE: Final = "sigstore"
"""Whom tokens are for, as Sigstore's own programs expect it."""

_LASTS: Final = 600  # seconds that a token holds
_KEY: Final = "one"


@dataclass(frozen=True)
class Issuer:
    """A provider that runs: `url` is the beginning of its issuers' URLs."""

    url: str
    key: ec.EllipticCurvePrivateKey

    def token(self, path: str, **claims: Any) -> str:
        """Return an identity token of the issuer at `path`."""
        now = int(time.time())
        told = {"iss": f"{self.url}/{path}", "aud": AUDIENCE, "iat": now, "nbf": now, "exp": now + _LASTS, **claims}
        if "email" in told:
            told.setdefault("email_verified", True)
        return jwt.encode(told, self.key, algorithm="ES256", headers={"kid": _KEY})

    def answer(self, path: str, question: Mapping[str, str]) -> tuple[str, bytes] | None:
        """Return the type and the content of what lies at a path; None where nothing does."""
        issuer, _, what = path.strip("/").partition("/")
        match what:
            case ".well-known/openid-configuration":
                return "application/json", json.dumps(self._configuration(f"{self.url}/{issuer}")).encode()
            case "keys":
                public = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(self.key.public_key()))
                keys = [{**public, "kid": _KEY, "use": "sig", "alg": "ES256"}]
                return "application/json", json.dumps({"keys": keys}).encode()
            case "token":
                return "text/plain", self.token(issuer, **question).encode()
        return None

    @staticmethod
    def _configuration(issuer: str) -> dict[str, Any]:
        return {
            "issuer": issuer,
            "jwks_uri": f"{issuer}/keys",
            "authorization_endpoint": f"{issuer}/authorize",
            "token_endpoint": f"{issuer}/token",
            "response_types_supported": ["id_token"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["ES256"],
        }


@contextmanager
def issuing() -> Iterator[Issuer]:
    """Run a provider on a free port of the loopback address, in a thread of this process."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    issuer = Issuer(f"http://127.0.0.1:{server.server_port}", ec.generate_private_key(ec.SECP256R1()))

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = urllib.parse.urlsplit(self.path)
            found = issuer.answer(asked.path, dict(urllib.parse.parse_qsl(asked.query)))
            kind, content = found or ("text/plain", b"there is nothing here\n")
            self.send_response(200 if found else 404)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server.RequestHandlerClass = Handler
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield issuer
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
