"""Webhooks of clusters: POST of `/admission/kubernetes/validate` and of `…/mutate` (docs/guides/admission.md)."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Final

import msgspec

from registry.auth.gate import Gate
from registry.core.access import ANONYMOUS, EVERYONE, Caller
from registry.core.deployments import Deployments
from registry.core.kubernetes import Review, read_review
from registry.errors import CredentialsMissing, RequestInvalid
from registry.http.call import Call
from registry.http.limits import Networks
from registry.http.reply import Reply

_LARGEST: Final = (
    8 << 20
)  # bytes: an object as large as clusters keep any (1.5 MiB) in both its states, and what is around


class KubernetesWebhooks:
    """Answers clusters by what their callers may pull: by credentials, or as the registry itself for those of `clusters`."""

    def __init__(
        self,
        deployments: Deployments,
        gate: Gate,
        networks: Networks,
        *,
        clusters: Iterable[str],
    ) -> None:
        """Let `clusters`, networks of API servers, ask without credentials."""
        self._deployments = deployments
        self._gate = gate
        self._networks = networks
        self._clusters = [ipaddress.ip_network(network) for network in clusters]

    async def validate(self, call: Call) -> Reply:
        """Say whether an object's images may run. Raise RequestInvalid, Unauthorized, AccessDenied, Unavailable."""
        return await self._answered(call, self._deployments.validate)

    async def mutate(self, call: Call) -> Reply:
        """Pin an object's images to digests. Raise what `validate` does."""
        return await self._answered(call, self._deployments.mutate)

    async def _answered(self, call: Call, verb: Callable[[Review, Caller], Awaitable[dict[str, Any]]]) -> Reply:
        call.caller = await self._gate.admit(call.headers, peer=call.peer, repeated=call.repeated)
        caller = EVERYONE if call.caller == ANONYMOUS and self._is_of_cluster(call) else call.caller
        if caller == ANONYMOUS:
            raise CredentialsMissing
        content = await call.body.whole(_LARGEST, RequestInvalid(f"the review is larger than {_LARGEST} bytes"))
        review = read_review(await asyncio.to_thread(_document, content))
        answer = msgspec.json.encode(await verb(review, caller))
        return Reply(200, [("Content-Type", "application/json"), ("Cache-Control", "no-store")], answer)

    def _is_of_cluster(self, call: Call) -> bool:
        try:
            address = ipaddress.ip_address(self._networks.of(call))
        except ValueError:
            return False
        return any(address in network for network in self._clusters)


def _document(content: bytes) -> Any:
    try:
        return msgspec.json.decode(content)
    except (msgspec.DecodeError, RecursionError):
        raise RequestInvalid("the body is no JSON") from None
