"""Logins by an issuer of identities: the registry as a relying party (OpenID Connect Core 1.0, RFC 7636, RFC 8628, RFC 9700).

In a browser by the authorization code with PKCE, at a terminal by the device flow. What must be remembered between two steps is
sealed and given to the client, so that any node may take the next step: to the browser as a cookie, to the terminal as it is.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import time
from collections.abc import Mapping
from typing import Any, Final, NamedTuple
from urllib.parse import quote, urlencode, urlsplit

import jwt

from registry.auth.issuers import Issuers, Metadata
from registry.auth.outgoing import Outgoing, form_headers
from registry.auth.outgoing_errors import OutgoingFailed
from registry.auth.sealing import SecretKey, SecretKeyUnusable
from registry.auth.trusted import is_subject, secret_name
from registry.core.limits import Counter, MemoryCounter, RateLimit
from registry.db.trust import IssuerRow
from registry.errors import GrantRefused, LoginRefused, TokenInvalid, Unavailable

ATTEMPT_SECONDS: Final = 600
"""For how long somebody may take to log in at the issuer."""

DEVICE_GRANT: Final = "urn:ietf:params:oauth:grant-type:device_code"

_SCOPE: Final = "openid profile"
_SHORTEST_INTERVAL: Final = 5  # seconds between two questions (RFC 8628 §3.2)
_LONGEST_DEVICE: Final = 1800  # seconds
_EARLY: Final = 1  # second by which a question may come sooner: one may take longer than the next to get here
_ANSWER: Final = 64 << 10  # bytes
_DIGITS: Final = 32  # of a code: as many bits as nobody meets twice
_LONGEST_SEALED: Final = 8192  # characters
_PENDING: Final = {
    "authorization_pending": "nobody has entered the code yet; ask again",
    "slow_down": "nobody has entered the code yet; ask again, but every time 5 seconds later than so far",
}


class Attempt(NamedTuple):
    """A login in a browser that has begun."""

    issuer: str
    state: str
    nonce: str
    verifier: str
    redirect_uri: str
    until: float


class Device(NamedTuple):
    """A login at a terminal that has begun: its user opens `verification_uri` and enters `user_code` there."""

    issuer: str
    device_code: str
    user_code: str
    verification_uri: str
    verification_uri_complete: str | None
    interval: int
    until: float


class Identity(NamedTuple):
    """Who an issuer says it is. Only issuer and subject together name somebody; `name` is what he would like to be called."""

    issuer: IssuerRow
    subject: str
    name: str | None


class Login:
    """The steps of a login. Each raises LoginRefused, GrantRefused where the issuer says so, or Unavailable."""

    def __init__(
        self, issuers: Issuers, outgoing: Outgoing, key: SecretKey, local: MemoryCounter, shared: Counter | None = None
    ) -> None:
        """`shared` knows of all nodes which terminal has asked when, `local` of this process where that can't say."""
        self._issuers = issuers
        self._outgoing = outgoing
        self._key = key
        self._local = local
        self._shared = shared

    async def begin(self, issuer_url: str, *, redirect_uri: str) -> tuple[str, str]:
        """Return the URL to which a browser goes to log in, and the attempt, sealed, which is its cookie meanwhile.

        `redirect_uri` is our own, registered at the issuer: never a part of a request.
        """
        issuer = await self._issuer(issuer_url)
        endpoint = _browsable(issuer, (await self._issuers.metadata(issuer)).authorization_endpoint)
        state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        attempt = Attempt(issuer.url, state, nonce, verifier, redirect_uri, time.time() + ATTEMPT_SECONDS)
        query = {
            "response_type": "code",
            "client_id": issuer.client_id,
            "redirect_uri": redirect_uri,
            "scope": _SCOPE,
            "state": attempt.state,
            "nonce": attempt.nonce,
            "code_challenge": challenge_of(attempt.verifier),
            "code_challenge_method": "S256",
        }
        joint = "&" if urlsplit(endpoint).query else "?"
        return f"{endpoint}{joint}{urlencode(query)}", self._sealed("login attempt", attempt)

    async def finish(self, sealed: str, query: Mapping[str, str]) -> Identity:
        """Return who has logged in, by the attempt in the browser's cookie and the query with which it comes back."""
        attempt = Attempt(*self._opened("login attempt", sealed))
        if attempt.until < time.time():
            raise LoginRefused("the login took too long; begin again")
        if not hmac.compare_digest(attempt.state.encode(), query.get("state", "").encode("utf-8", "replace")):
            raise LoginRefused("this browser has not begun this login; begin again")
        issuer = await self._issuer(attempt.issuer)
        sends_issuer = (await self._issuers.metadata(issuer)).sends_issuer
        if query.get("iss", None if sends_issuer else issuer.url) != issuer.url:  # RFC 9207: another's answer (mix-up)
            raise LoginRefused("another issuer has answered; begin again")
        if "error" in query or not query.get("code"):
            raise LoginRefused(f"the issuer has refused the login: {_word(query.get('error'))}")
        answer = await self._token(
            issuer,
            grant_type="authorization_code",
            code=query["code"],
            redirect_uri=attempt.redirect_uri,
            code_verifier=attempt.verifier,
        )
        return await self._identity(issuer, answer, nonce=attempt.nonce)

    async def begin_device(self, issuer_url: str) -> tuple[Device, str]:
        """Return what a terminal shows its user, and what it sends to `poll`, sealed."""
        issuer = await self._issuer(issuer_url)
        endpoint = (await self._issuers.metadata(issuer)).device_authorization_endpoint
        if endpoint is None:
            raise LoginRefused(f"{issuer.url} has no login for terminals (RFC 8628); log in by a browser")
        answer = await self._post(issuer, endpoint, {"client_id": str(issuer.client_id), "scope": _SCOPE})
        device = _device(issuer, answer)
        return device, self._sealed("device login", device)

    async def poll(self, sealed: str) -> Identity:
        """Return who has logged in. Raise GrantRefused, while nobody has by `authorization_pending` or `slow_down` (§3.5).

        A terminal that asks again before the interval is over is refused without the issuer's being asked.
        """
        device = Device(*self._opened("device login", sealed))
        if device.until < time.time():
            raise GrantRefused("expired_token", "the login took too long; begin again")
        rate = RateLimit(1, self._local, self._shared, window=device.interval - _EARLY)
        code = self._key.code(f"device\0{device.issuer}\0{device.device_code}".encode()).hex()
        if (await rate.count(f"device:{code[:_DIGITS]}")).is_refused:
            raise GrantRefused("slow_down", _PENDING["slow_down"])
        issuer = await self._issuer(device.issuer)
        try:
            answer = await self._token(issuer, grant_type=DEVICE_GRANT, device_code=device.device_code)
        except GrantRefused as error:
            if error.error in _PENDING:
                raise GrantRefused(error.error, _PENDING[error.error]) from None
            raise
        return await self._identity(issuer, answer, nonce=None)

    async def _issuer(self, url: str) -> IssuerRow:
        issuer = await self._issuers.find(url)
        if issuer is None or issuer.client_id is None:
            raise LoginRefused(f"nobody logs in by “{url[:256]}” here; an administrator adds it with a client id")
        return issuer

    async def _token(self, issuer: IssuerRow, **fields: str) -> dict[str, Any]:
        endpoint = (await self._issuers.metadata(issuer)).token_endpoint
        if endpoint is None:
            raise LoginRefused(f"{issuer.url} has no token endpoint")
        return await self._post(issuer, endpoint, fields)

    async def _post(self, issuer: IssuerRow, endpoint: str, fields: Mapping[str, str]) -> dict[str, Any]:
        """Return what an endpoint answers. Raise GrantRefused where it refuses, by RFC 6749 §5.2."""
        fields, headers = self._authenticated(issuer, await self._issuers.metadata(issuer), fields)
        try:
            found = await self._outgoing.post(
                endpoint, urlencode(fields).encode(), headers=form_headers(headers.items()), limit=_ANSWER
            )
        except OutgoingFailed as error:
            raise Unavailable(f"the issuer {issuer.url}") from error
        answer = _object(found.content)
        if found.status == 200:
            return answer
        if found.status >= 500 or "error" not in answer:
            raise Unavailable(f"the issuer {issuer.url}")
        raise GrantRefused(_word(answer["error"]), f"{issuer.url} has refused the login: {_word(answer['error'])}")

    def _authenticated(
        self, issuer: IssuerRow, metadata: Metadata, fields: Mapping[str, str]
    ) -> tuple[dict[str, str], dict[str, str]]:
        """Return fields and headers that say who the client is (RFC 6749 §2.3.1), in the way that the issuer knows."""
        client = str(issuer.client_id)
        if issuer.sealed_client_secret is None:
            return {**fields, "client_id": client}, {}
        secret = self._key.open(issuer.sealed_client_secret, name=secret_name(issuer.url)).decode()
        if "client_secret_basic" in metadata.authentication_methods:
            basic = base64.b64encode(f"{quote(client, safe='')}:{quote(secret, safe='')}".encode()).decode()
            return dict(fields), {"Authorization": f"Basic {basic}"}
        return {**fields, "client_id": client, "client_secret": secret}, {}

    async def _identity(self, issuer: IssuerRow, answer: Mapping[str, Any], *, nonce: str | None) -> Identity:
        """Return whom an ID token names (OpenID Connect Core §3.1.3.7); `nonce` is the attempt's."""
        token = answer.get("id_token")
        if not isinstance(token, str):
            raise LoginRefused(f"{issuer.url} has sent no ID token")
        client = str(issuer.client_id)
        try:
            claims = (await self._issuers.verify(token, issuer, audiences=(client,), strict=False)).claims
        except TokenInvalid as error:
            raise LoginRefused(f"the ID token of {issuer.url}: {error.message}") from None
        several = isinstance(claims["aud"], list) and len(claims["aud"]) > 1
        if claims.get("azp", None if several else client) != client:
            raise LoginRefused("the ID token was given to another client (azp)")
        if nonce is not None and claims.get("nonce") != nonce:
            raise LoginRefused("the ID token is not of this login (nonce)")
        if "at_hash" in claims and claims["at_hash"] != _half_hash(token, answer.get("access_token")):
            raise LoginRefused("the ID token belongs to another access token (at_hash)")
        if not is_subject(claims.get("sub")):
            raise LoginRefused("the ID token names nobody (sub)")
        name = claims.get("preferred_username")
        return Identity(issuer, claims["sub"], name if isinstance(name, str) else None)

    def _sealed(self, name: str, content: Attempt | Device) -> str:
        return base64.urlsafe_b64encode(self._key.seal(json.dumps(content).encode(), name=name)).decode()

    def _opened(self, name: str, sealed: str) -> list[Any]:
        try:
            if len(sealed) > _LONGEST_SEALED:
                raise ValueError(sealed)
            found: list[Any] = json.loads(self._key.open(base64.urlsafe_b64decode(sealed.encode("ascii")), name=name))
        except (ValueError, SecretKeyUnusable):
            raise LoginRefused("there is no login under way here; begin again") from None
        return found


def challenge_of(verifier: str) -> str:
    """Return the S256 challenge of a verifier (RFC 7636 §4.2)."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


def _browsable(issuer: IssuerRow, endpoint: str | None) -> str:
    """Return where browsers go. What an https issuer names must be https, too."""
    if endpoint is None or (issuer.url.startswith("https://") and not endpoint.startswith("https://")):
        raise LoginRefused(f"{issuer.url} has no page for logins that is reached by https")
    return endpoint


def _device(issuer: IssuerRow, answer: Mapping[str, Any]) -> Device:
    texts = [answer.get(name) for name in ("device_code", "user_code", "verification_uri")]
    complete = answer.get("verification_uri_complete")
    interval, seconds = answer.get("interval", _SHORTEST_INTERVAL), answer.get("expires_in")
    if (
        not all(isinstance(text, str) and 0 < len(text) <= 1024 and text.isprintable() for text in texts)
        or not isinstance(interval, int)
        or not isinstance(seconds, int)
    ):
        raise LoginRefused(f"{issuer.url} answers no device login (RFC 8628 §3.2)")
    for page in [texts[2], *([complete] if complete is not None else [])]:
        _browsable(issuer, str(page))
    return Device(
        issuer.url,
        str(texts[0]),
        str(texts[1]),
        str(texts[2]),
        str(complete) if complete is not None else None,
        min(max(interval, _SHORTEST_INTERVAL), _LONGEST_DEVICE),
        time.time() + min(seconds, _LONGEST_DEVICE),
    )


def _half_hash(token: str, access_token: object) -> str | None:
    """Return what `at_hash` must be (OpenID Connect Core §3.1.3.6); None where there is no access token."""
    if not isinstance(access_token, str):
        return None
    bits = {"256": "sha256", "384": "sha384"}.get(str(jwt.get_unverified_header(token)["alg"])[-3:], "sha512")
    digest = hashlib.new(bits, access_token.encode()).digest()
    return base64.urlsafe_b64encode(digest[: len(digest) // 2]).rstrip(b"=").decode()


def _object(content: bytes) -> dict[str, Any]:
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _word(error: object) -> str:
    """Return an issuer's word for what is wrong, fit to be shown."""
    text = str(error)[:64]
    return (
        text if text and all(letter.isascii() and (letter.isalnum() or letter in "_-.") for letter in text) else "error"
    )
