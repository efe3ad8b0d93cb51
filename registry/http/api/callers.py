"""Who calls the admin API, and whether it is for him at all; what else he may do there is the verbs' to decide."""

from __future__ import annotations

import hashlib
from typing import Final

from registry.auth.gate import TokenGate
from registry.auth.own_site import require_own_site
from registry.auth.request_signatures import RequestSignatures
from registry.core.access import ANONYMOUS, ANONYMOUS_ID, Access, Caller, CredentialKind
from registry.core.audit import actor_of
from registry.errors import (
    AdminDenied,
    CredentialsMissing,
    RequestInvalid,
    SignatureInvalid,
)
from registry.http.api.asked import NOBODY, SIGNED, Asked
from registry.http.call import Call
from registry.http.limits import Limits, Networks

SCOPE: Final = "registry:admin:*"
"""What an access token must have been asked for with."""


class Callers:
    """Lets in users and robots by API key, or by an access token that was asked for with SCOPE, and services by signature."""

    def __init__(
        self,
        gate: TokenGate,
        signatures: RequestSignatures,
        access: Access,
        networks: Networks,
        limits: Limits,
        *,
        external_url: str | None,
        is_secure: bool = False,
    ) -> None:
        """Take signatures of what was sent to `external_url`, or without one to the Host that the client names.

        `is_secure` where we speak TLS ourselves.
        """
        self._gate = gate
        self._signatures = signatures
        self._access = access
        self._networks = networks
        self._limits = limits
        self._external_url = external_url
        self._scheme = "https" if is_secure else "http"

    async def admit(self, call: Call, content: bytes, *, is_for_readers: bool = False) -> Asked:
        """See Door. Raise Unauthorized, AccessDenied, RequestInvalid, TooManyRequests."""
        require_own_site(call.headers, self._external_url)  # a browser adds by itself what it was once told by Basic
        await self._limits.admit(call, self._caller(call, content))
        if not is_for_readers:
            if call.caller == ANONYMOUS:
                raise CredentialsMissing([SCOPE])
            if call.caller.bound is not None and not call.caller.bound.admin:
                raise AdminDenied
        is_somebody = call.caller.principal_id not in (None, ANONYMOUS_ID)
        standing = await self._access.standing(call.caller) if is_somebody or not is_for_readers else NOBODY
        credential = call.caller.credential
        if standing.kind == "service" and (credential is None or credential.kind is not CredentialKind.SIGNATURE):
            raise SignatureInvalid("is missing: services sign their requests (RFC 9421) and have nothing else")
        actor = actor_of(call.caller, address=self._networks.of(call), request_id=call.request_id)
        return Asked(call, call.caller, standing, actor)

    async def _caller(self, call: Call, content: bytes) -> Caller:
        if not SIGNED & call.headers.keys():
            return await self._gate.admit(call.headers, peer=call.peer, repeated=call.repeated)
        if "authorization" in call.headers:
            raise RequestInvalid("the request has a Signature and an Authorization; send one of them")
        digest = hashlib.sha256(content).digest() if content else None
        return (await self._signatures.verify(call.method, self._target(call), call.headers, digest)).caller

    def _target(self, call: Call) -> str:
        """Return the URI that a signature covers, as the client has written it."""
        base = self._external_url or f"{self._scheme}://{call.headers.get('host', '')}"
        path = (call.raw_path if call.raw_path is not None else call.path.encode()).decode("latin-1")
        query = f"?{call.raw_query.decode('latin-1')}" if call.raw_query else ""
        return f"{base.rstrip('/')}{path}{query}"
