"""Who asks a registry: the challenge of a 401 answered by what Docker's configuration keeps (distribution, spec/auth).

Credentials go to the registry, or to the endpoint of tokens that it names, over https; over http only where that was said, and
then to no other host.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Any, Final
from urllib.request import parse_http_list, parse_keqv_list

import httpx

from blacklake.docker_config import Credential
from blacklake.references import is_loopback

_CLIENT: Final = "blacklake"


class ChallengeRefused(Exception):
    """A challenge that is not answered; the message completes “… asks who you are, and …”."""


@dataclass(frozen=True, slots=True)
class Challenge:
    """What a registry asks for: a scheme in lower case, and its parameters."""

    scheme: str
    parameters: dict[str, str]


def challenges(values: list[str]) -> list[Challenge]:
    """Return what the WWW-Authenticate headers of an answer ask for (RFC 9110 §11.6.1), one challenge a header."""
    found = []
    for value in values:
        scheme, _, rest = value.strip().partition(" ")
        pairs = [part for part in parse_http_list(rest) if "=" in part]
        found.append(Challenge(scheme.lower(), {k.strip().lower(): v for k, v in parse_keqv_list(pairs).items()}))
    return found


def basic(credential: Credential) -> str:
    """Return the header by which a user and a password are sent."""
    pair = f"{credential.user}:{credential.password}".encode()
    return f"Basic {base64.b64encode(pair).decode()}"


def token_request(
    challenge: Challenge, scope: str, credential: Credential | None, *, registry: httpx.URL, is_trusted: bool
) -> httpx.Request:
    """Return the request for a token by which a scope is allowed; without a credential as nobody.

    `is_trusted` says that credentials may go over http, to the registry's own host. Raise ChallengeRefused.
    """
    realm = _realm(challenge, registry)
    params = {"scope": scope}
    if service := challenge.parameters.get("service"):
        params["service"] = service
    if credential is not None and realm.scheme == "http":
        if realm.host != registry.host and not (is_loopback(realm.host) and is_loopback(registry.host)):
            raise ChallengeRefused(f"sends your credentials to {realm.host}, another machine, unencrypted")
        if not is_trusted:
            raise ChallengeRefused("its tokens come over http: say --insecure where the network is trusted")
    if credential is not None and credential.identity_token is not None:
        form = {"grant_type": "refresh_token", "client_id": _CLIENT, "refresh_token": credential.identity_token}
        return httpx.Request("POST", realm, data=form | params)
    headers = {"Authorization": basic(credential)} if credential is not None else {}
    return httpx.Request("GET", realm.copy_merge_params(params | {"client_id": _CLIENT}), headers=headers)


def token_of(document: Any) -> str | None:
    """Return the token that an answer gives; None where it gives none."""
    if not isinstance(document, dict):
        return None
    token = document.get("token") or document.get("access_token")
    is_one = isinstance(token, str) and token.isascii() and token.isprintable() and " " not in token
    return token if is_one else None


def _realm(challenge: Challenge, registry: httpx.URL) -> httpx.URL:
    try:
        realm = httpx.URL(challenge.parameters.get("realm", ""))
    except httpx.InvalidURL:
        realm = httpx.URL("")
    if realm.scheme not in ("http", "https") or not realm.host or realm.userinfo:
        raise ChallengeRefused("names no endpoint that gives tokens")
    if realm.scheme == "http" and registry.scheme == "https":
        raise ChallengeRefused(f"sends you to {realm.host} for a token, unencrypted")
    return realm
