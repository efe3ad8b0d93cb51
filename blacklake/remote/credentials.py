"""As whom a running registry is asked: by an API key, by a user's password, or as a service that signs (RFC 9421)."""

from __future__ import annotations

import base64
import getpass
import hashlib
import os
import secrets
import sys
from collections.abc import Generator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import httpx
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from http_message_signatures import HTTPMessageSigner, MappingKeyResolver
from http_message_signatures.algorithms import ECDSA_P256_SHA256, ED25519

from blacklake.docker_config import ConfigUnusable, DockerConfig
from blacklake.remote.connection import RemoteFailed, member, refusal

SCOPE: Final = "registry:admin:*"
"""What a token must permit, so that the API takes it."""

READING: Final = "repository:*:pull"
"""What a token must permit, so that all is found that its owner may pull."""

PROMOTING: Final = ("repository:*:pull,push", SCOPE)
"""What a token must permit, so that all its owner may promote is promoted by it."""

_KEY: Final = "BLACKLAKE_API_KEY"
_PASSWORD_FILE: Final = "BLACKLAKE_PASSWORD_FILE"  # noqa: S105 - a variable's name


def credential(
    *, key_file: Path | None, user: str | None, sign_key_file: Path | None, scopes: Sequence[str] = (SCOPE,)
) -> httpx.Auth:
    """Return how requests say who asks; without any of these by the key in BLACKLAKE_API_KEY. Raise RemoteFailed.

    `scopes` are what a user's token is asked for with.
    """
    if sign_key_file is not None:
        return Signing(sign_key_file)
    if user is not None:
        return Login(user, _password(user), scopes)
    if key_file is not None:
        return Bearer(_read(key_file).strip())
    if key := os.environ.get(_KEY):
        return Bearer(key.strip())
    raise RemoteFailed(
        f"it is not said who acts: set {_KEY}, or say --api-key-file, --user, or, as a service, --sign-key-file"
    )


def reader(server: str, *, key_file: Path | None, scope: str = READING) -> httpx.Auth:
    """Return how requests say who reads: by a key, else by the login that `blacklake login` made, else as nobody.

    `scope` is what a token is asked for with. Raise RemoteFailed.
    """
    if key_file is not None:
        return Bearer(_read(key_file).strip())
    if key := os.environ.get(_KEY):
        return Bearer(key.strip())
    try:
        token = DockerConfig.of_user().token_of(httpx.URL(server).netloc.decode())
    except httpx.InvalidURL:
        token = None
    except ConfigUnusable as error:
        raise RemoteFailed(str(error)) from error
    return Session(token, scope) if token is not None else httpx.Auth()


class Bearer(httpx.Auth):
    """An API key, in each request."""

    def __init__(self, key: str) -> None:
        if not key.isascii() or not key.isprintable() or not key or " " in key:
            raise RemoteFailed("what is given as an API key is none: it is one word, blk_…")
        self._key = key

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """See httpx.Auth."""
        request.headers["Authorization"] = f"Bearer {self._key}"
        yield request


class Login(httpx.Auth):
    """A user's password, which goes to the registry's token endpoint, and its token, which goes elsewhere.

    The endpoint is where the registry is said to be, whatever a challenge says: that could be anybody's.
    """

    requires_response_body = True

    def __init__(self, user: str, password: str, scopes: Sequence[str] = (SCOPE,)) -> None:
        self._scopes = list(scopes)
        self._basic = base64.b64encode(f"{user}:{password}".encode()).decode()
        self._token: str | None = None

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """See httpx.Auth."""
        fresh = self._token is None
        if self._token is None:
            yield from self._log_in(request)
        request.headers["Authorization"] = f"Bearer {self._token}"
        answer = yield request
        if answer.status_code == 401 and not fresh:  # it has ended meanwhile
            yield from self._log_in(request)
            request.headers["Authorization"] = f"Bearer {self._token}"
            yield request

    def _log_in(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        asked = httpx.Request(
            "GET",
            _endpoint(request).copy_merge_params({"scope": self._scopes, "client_id": "blacklake-admin"}),
            headers={"Authorization": f"Basic {self._basic}"},
        )
        self._token = _token((yield asked))


class Session(httpx.Auth):
    """A login at a terminal, and its token, which goes to the registry's token endpoint only."""

    def __init__(self, token: str, scope: str) -> None:
        self._refresh_token = token
        self._scope = scope
        self._token: str | None = None

    def sync_auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """See httpx.Auth. Only the token's answer is read here: what is asked for may be large."""
        if self._token is None:
            form = {
                "grant_type": "refresh_token",
                "client_id": "blacklake",
                "scope": self._scope,
                "refresh_token": self._refresh_token,
            }
            answer = yield httpx.Request("POST", _endpoint(request), data=form)
            answer.read()
            self._token = _token(answer)
        request.headers["Authorization"] = f"Bearer {self._token}"
        yield request


def _endpoint(request: httpx.Request) -> httpx.URL:
    """Return the token endpoint of the registry that a request goes to."""
    return request.url.copy_with(raw_path=request.url.raw_path.partition(b"/api/v1/")[0] + b"/auth/token")


def _token(answer: httpx.Response) -> str:
    if not answer.is_success:
        raise refusal(answer)
    try:
        return str(member(answer.json(), "token"))
    except ValueError:
        raise RemoteFailed(f"{answer.url.copy_with(query=None)} gave no token; check the URL") from None


class Signing(httpx.Auth):
    """A service's private key, which signs each request with its body (docs/administration.md)."""

    requires_request_body = True

    def __init__(self, path: Path) -> None:
        """Read a key in PEM. Raise RemoteFailed."""
        try:
            key: Any = serialization.load_pem_private_key(_content(path), password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            raise RemoteFailed(f"{path} is no private key in PEM without a passphrase") from None
        if isinstance(key, ed25519.Ed25519PrivateKey):
            algorithm: Any = ED25519
        elif isinstance(key, ec.EllipticCurvePrivateKey) and isinstance(key.curve, ec.SECP256R1):
            algorithm = ECDSA_P256_SHA256
        else:
            raise RemoteFailed(
                f"{path}: requests are signed by Ed25519 or by ECDSA on P-256; this key is of another kind"
            )
        content = key.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        self._key_id = hashlib.sha256(content).hexdigest()
        self._signer = HTTPMessageSigner(
            signature_algorithm=algorithm,
            key_resolver=MappingKeyResolver(public_keys={}, private_keys={self._key_id: key}),
        )

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """See httpx.Auth."""
        covered = ["@method", "@target-uri"]
        if request.content:
            digest = base64.b64encode(hashlib.sha256(request.content).digest()).decode()
            request.headers["Content-Digest"] = f"sha-256=:{digest}:"
            covered.append("content-digest")
        self._signer.sign(
            _Message(request),
            key_id=self._key_id,
            created=datetime.now(UTC),
            nonce=secrets.token_urlsafe(18),
            covered_component_ids=covered,
            use_existing_digest=bool(request.content),
        )
        yield request


class _Message:
    """A request in the shape that the library reads and writes: its URL is text."""

    def __init__(self, request: httpx.Request) -> None:
        self.method = request.method
        self.url = str(request.url)
        self.headers = request.headers


def _password(user: str) -> str:
    """Return a user's password: from a file, from who sits here, or the next line of the standard input."""
    if path := os.environ.get(_PASSWORD_FILE):
        return _read(Path(path)).rstrip("\r\n")
    if sys.stdin.isatty():
        return getpass.getpass(f"Password of {user}: ")
    password = sys.stdin.readline().rstrip("\r\n")
    if not password:
        raise RemoteFailed(f"there is no password of {user}: send it by the standard input, or set {_PASSWORD_FILE}")
    return password


def _read(path: Path) -> str:
    try:
        return _content(path).decode()
    except UnicodeDecodeError:
        raise RemoteFailed(f"{path} holds no text") from None


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise RemoteFailed(f"{path} can't be read: {error.strerror}") from error
