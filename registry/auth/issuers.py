"""Issuers of identities (OpenID Connect Discovery 1.0): who they are stands in the database, what they publish is fetched.

A token chooses its issuer only among those that an administrator has added: for any other nothing is fetched.
"""

from __future__ import annotations

import json
import re
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Collection
from typing import Any, Final, NamedTuple, TypeVar
from urllib.parse import urlsplit

from registry.auth import foreign_tokens
from registry.auth.foreign_keys import ForeignKey, parse_keys
from registry.auth.outgoing import Outgoing
from registry.auth.remote import DocumentUnfit, Remote
from registry.db import trust
from registry.db.pool import Database
from registry.db.trust import IssuerRow
from registry.errors import TokenInvalid

T = TypeVar("T")

LARGEST_DOCUMENT: Final = 64 << 10
"""Bytes of a discovery document, and of a JWKS."""

LONGEST_URL: Final = 512

_KEPT: Final = 256  # issuers
_URL: Final = re.compile(r"https?://[A-Za-z0-9._:\[\]-]+(?:/[A-Za-z0-9._~!$&'()*+,;=:@%/-]*)?", re.ASCII)


class Metadata(NamedTuple):
    """What an issuer's discovery document says, as far as it is needed here."""

    jwks_uri: str
    authorization_endpoint: str | None
    token_endpoint: str | None
    device_authorization_endpoint: str | None
    authentication_methods: frozenset[str]
    sends_issuer: bool


class Verified(NamedTuple):
    """A token's issuer and its claims, both believed."""

    issuer: IssuerRow
    claims: dict[str, Any]


class _Published(NamedTuple):
    metadata: Remote[Metadata]
    keys: Remote[dict[str, ForeignKey]]


class Issuers:
    """Finds issuers, and verifies what they have signed."""

    def __init__(self, db: Database, outgoing: Outgoing, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._db = db
        self._outgoing = outgoing
        self._clock = clock
        self._published: OrderedDict[IssuerRow, _Published] = OrderedDict()

    async def find(self, url: str) -> IssuerRow | None:
        """Return the issuer of a URL; None where nobody has added it."""
        if not is_url(url):
            return None
        return await self._db.read("find_issuer", lambda conn: trust.find_issuer(conn, url))

    async def for_logins(self) -> list[str]:
        """Return the URLs of the issuers by which people log in, in order."""
        found = await self._db.read("list_issuers", trust.issuers)
        return [issuer.url for issuer in found if issuer.client_id is not None]

    async def metadata(self, issuer: IssuerRow) -> Metadata:
        """Return what an issuer says of itself. Raise Unavailable."""
        return await self._of(issuer).metadata.value()

    async def verify(self, token: str, issuer: IssuerRow, *, audiences: Collection[str], strict: bool) -> Verified:
        """Return what an issuer says in a token for one of `audiences`, with `strict` for nobody else.

        Raise TokenInvalid, Unavailable.
        """
        said = foreign_tokens.read(token)
        if said.issuer != issuer.url or said.algorithm not in issuer.algorithms:
            raise TokenInvalid("is of another issuer, or signed by an algorithm that its issuer doesn't use")
        keys = await self._of(issuer).keys.value(lambda known: said.kid in known)
        claims = foreign_tokens.verified(
            token, keys.get(said.kid), issuer=issuer.url, audiences=audiences, strict=strict
        )
        return Verified(issuer, claims)

    def _of(self, issuer: IssuerRow) -> _Published:
        found = self._published.get(issuer)
        if found is None:
            metadata = Remote(
                f"the issuer {issuer.url}", lambda: discover(self._outgoing, issuer.url), clock=self._clock
            )
            keys = Remote(f"the keys of {issuer.url}", self._fetching(issuer, metadata), clock=self._clock)
            found = self._published[issuer] = _Published(metadata, keys)
            if len(self._published) > _KEPT:
                self._published.popitem(last=False)
        self._published.move_to_end(issuer)
        return found

    def _fetching(
        self, issuer: IssuerRow, metadata: Remote[Metadata]
    ) -> Callable[[], Awaitable[dict[str, ForeignKey]]]:
        async def fetch() -> dict[str, ForeignKey]:
            url = issuer.keys_url or (await metadata.value()).jwks_uri
            return await fetch_keys(self._outgoing, url, issuer.algorithms)

        return fetch


async def discover(outgoing: Outgoing, url: str) -> Metadata:
    """Return an issuer's metadata (OpenID Connect Discovery §4). Raise OutgoingFailed, DocumentUnfit."""
    place = f"{url.rstrip('/')}/.well-known/openid-configuration"
    document = await _json(outgoing, place)
    if document.get("issuer") != url:  # §4.3: identical, or somebody could speak for another issuer
        raise DocumentUnfit(f"{place} is the document of another issuer: “{str(document.get('issuer'))[:256]}”")
    methods = document.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
    keys = _endpoint(document, "jwks_uri")
    if keys is None:
        raise DocumentUnfit(f"{place} names no jwks_uri")
    return Metadata(
        keys,
        _endpoint(document, "authorization_endpoint"),
        _endpoint(document, "token_endpoint"),
        _endpoint(document, "device_authorization_endpoint"),
        frozenset(one for one in methods if isinstance(one, str)) if isinstance(methods, list) else frozenset(),
        document.get("authorization_response_iss_parameter_supported") is True,
    )


async def fetch_keys(outgoing: Outgoing, url: str, algorithms: Collection[str]) -> dict[str, ForeignKey]:
    """Return the keys of a JWKS, by their names. Raise OutgoingFailed, DocumentUnfit."""
    answer = await outgoing.get(url, limit=LARGEST_DOCUMENT)
    if answer.status != 200:
        raise DocumentUnfit(f"{url} answers {answer.status}")
    return parse_keys(answer.content, algorithms)


def is_url(text: str) -> bool:
    """Say whether a text can be an issuer's URL: http or https, without query and fragment (Discovery §2)."""
    if len(text) > LONGEST_URL or _URL.fullmatch(text) is None:
        return False
    try:
        return bool(urlsplit(text).hostname) and urlsplit(text).port != 0
    except ValueError:
        return False


async def _json(outgoing: Outgoing, url: str) -> dict[str, Any]:
    answer = await outgoing.get(url, limit=LARGEST_DOCUMENT)
    if answer.status != 200:
        raise DocumentUnfit(f"{url} answers {answer.status}")
    try:
        document = json.loads(answer.content)
    except (ValueError, RecursionError):
        raise DocumentUnfit(f"{url} is no JSON") from None
    if not isinstance(document, dict):
        raise DocumentUnfit(f"{url} is no JSON object")
    return document


def _endpoint(document: dict[str, Any], name: str) -> str | None:
    """Return a URL that a document names. Whether it may be called is decided where it is called."""
    found = document.get(name)
    if found is None:
        return None
    if not isinstance(found, str) or not found.startswith(("https://", "http://")) or len(found) > 2048:
        raise DocumentUnfit(f"{name} is no URL")
    return found
