"""The route table: which handler answers which endpoint, and the one way from a call to its reply."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Final, NamedTuple

import structlog

from mediatypes.endpoints import ENDPOINTS, Location, Resource, methods_of
from mediatypes.names import RepositoryName
from registry.auth.gate import Gate
from registry.core.access import ANONYMOUS, DELETE, PULL, PUSH, Permission
from registry.core.services import Services
from registry.errors import (
    AccessMissing,
    CredentialsMissing,
    EndpointUnknown,
    InternalError,
    MethodUnsupported,
    RegistryError,
    Unauthorized,
    Unavailable,
)
from registry.http import blobs, listings, manifests, uploads
from registry.http.api.problems import is_api, render_problem
from registry.http.call import Call
from registry.http.challenges import Challenges
from registry.http.errors import render, render_for_oauth
from registry.http.journal import Journal
from registry.http.limits import NO_LIMITS, Limits, quota_headers
from registry.http.links import Links
from registry.http.parse import name_of
from registry.http.reply import Reply
from registry.storage.base import StorageError

OwnHandler = Callable[[Call], Awaitable[Reply]]


class Work(NamedTuple):
    """What answers a call that is none of the table's, and what metrics call its endpoint."""

    endpoint: str
    handle: OwnHandler


Handler = Callable[[Services, Call, Location, Links], Awaitable[Reply]]

_R = Resource
HANDLERS: Final[dict[tuple[Resource, str], Handler]] = {
    (_R.BASE, "GET"): listings.base,
    (_R.CATALOG, "GET"): listings.catalog,
    (_R.BLOB, "GET"): blobs.pull,
    (_R.BLOB, "DELETE"): blobs.delete,
    (_R.UPLOADS, "POST"): uploads.start,
    (_R.UPLOAD, "PATCH"): uploads.append,
    (_R.UPLOAD, "PUT"): uploads.finish,
    (_R.UPLOAD, "GET"): uploads.status,
    (_R.UPLOAD, "DELETE"): uploads.cancel,
    (_R.MANIFEST, "GET"): manifests.pull,
    (_R.MANIFEST, "PUT"): manifests.push,
    (_R.MANIFEST, "DELETE"): manifests.delete,
    (_R.TAGS, "GET"): listings.tags,
    (_R.REFERRERS, "GET"): listings.referrers,
}

_WEBHOOKS: Final = frozenset((_R.KUBERNETES_VALIDATE, _R.KUBERNETES_MUTATE))
_OWN: Final = frozenset((_R.TOKEN, _R.JWKS, _R.DEVICE, _R.DEVICE_TOKEN, _R.REVOKE)) | _WEBHOOKS
# Whose clients read errors as OAuth2 writes them.
_OAUTH: Final = frozenset(
    ("POST", path) for path in ("/auth/token", "/auth/device", "/auth/device/token", "/auth/revoke")
)
_READS: Final = ("GET", "HEAD")
_PULLED: Final = frozenset(((_R.BLOB, "GET"), (_R.MANIFEST, "GET")))
# What each needs. Pulls decide with their lookup (core.access), everything else before it begins.
_NEEDS: Final[dict[tuple[Resource, str], frozenset[Permission]]] = {
    (_R.BLOB, "GET"): PULL,
    (_R.BLOB, "DELETE"): DELETE,
    (_R.UPLOADS, "POST"): PUSH,
    (_R.UPLOAD, "PATCH"): PUSH,
    (_R.UPLOAD, "PUT"): PUSH,
    (_R.UPLOAD, "GET"): PUSH,
    (_R.UPLOAD, "DELETE"): PUSH,
    (_R.MANIFEST, "GET"): PULL,
    (_R.MANIFEST, "PUT"): PUSH,
    (_R.MANIFEST, "DELETE"): DELETE,
    (_R.TAGS, "GET"): PULL,
    (_R.REFERRERS, "GET"): PULL,
}

_log = structlog.get_logger("registry.http")


class Router:
    """Answers calls below `/v2/`; every error becomes a reply here."""

    def __init__(
        self,
        services: Services,
        gate: Gate,
        links: Links,
        limits: Limits = NO_LIMITS,
        *,
        challenges: Challenges | None = None,
        own: Mapping[tuple[Resource, str], OwnHandler] | None = None,
        journal: Journal | None = None,
    ) -> None:
        """Let `gate` say who calls, and `challenges` what who isn't let in is told; `own` are handlers beside the table's."""
        self._services = services
        self._limits = limits
        self._gate = gate
        self._links = links
        self._challenges = challenges
        self._own = own or {}
        self._owning = {resource for resource, _ in self._own}
        self._journal = journal

    async def answer(self, call: Call, at: Location | None, work: Work | None = None) -> tuple[str, Reply]:
        """Return the endpoint (`end-N`, "unknown" where there is none) of a call to `at`, and the complete reply.

        Where `work` is given it answers, and nothing of the table.
        """
        endpoint = ENDPOINTS.get((at.resource, call.method), "unknown") if at else "unknown"
        if work is not None:
            endpoint = work.endpoint
        try:
            await self._limits.count(call)  # before anything is read or decided
            reply = await (self._handle(call, at) if work is None else work.handle(call))
            if self._journal is not None:
                self._journal.note(call, at, reply.status)
            reply.complete(call.method)
            await reply.begin()
        except Unavailable as error:
            _log.warning("unavailable", error=str(error), cause=repr(error.__cause__), request_id=call.request_id)
            reply = self._refuse(call, error)
        except RegistryError as error:
            if self._journal is not None and work is None:  # that has words of its own for what it refuses
                await self._journal.deny(call, at, error)
            reply = self._refuse(call, error)
        except StorageError as error:
            _log.error("storage failed", error=str(error), request_id=call.request_id)
            reply = self._refuse(call, Unavailable("the storage"))
        except Exception:  # noqa: BLE001 - the last resort: whatever it is, the client gets JSON and the log the cause
            _log.exception("request failed", request_id=call.request_id, endpoint=endpoint)
            reply = self._refuse(call, InternalError())
        if work is None:
            reply.headers.append(("Docker-Distribution-Api-Version", "registry/2.0"))
        reply.headers.append(("X-Content-Type-Options", "nosniff"))  # no browser takes a blob for a page
        reply.headers.append(("X-Request-ID", call.request_id))
        reply.headers += quota_headers(call.quotas)
        return endpoint, reply

    async def _handle(self, call: Call, at: Location | None) -> Reply:
        wanted = None
        if at is not None:
            is_read = call.method == "HEAD" and (at.resource, "HEAD") in ENDPOINTS
            wanted = (at.resource, "GET" if is_read else call.method)
        if at is not None and wanted is not None and at.resource in self._owning:  # each says itself whom it lets in
            await self._limits.count_caller(call)
            own = self._own.get(wanted)
            if own is None:
                raise MethodUnsupported(call.method, methods_of(at.resource))
            return await own(call)
        await self._admit(call)
        if at is None or wanted is None or at.resource in _OWN:
            raise EndpointUnknown(call.path)
        handler = HANDLERS.get(wanted)
        if handler is None:
            raise MethodUnsupported(call.method, methods_of(at.resource))
        await self._require(call, at, wanted)
        return await handler(self._services, call, at, self._links)

    async def _admit(self, call: Call) -> None:
        await self._limits.admit(call, self._gate.admit(call.headers, peer=call.peer, repeated=call.repeated))
        if self._journal is not None and call.method not in _READS:
            call.actor = self._journal.actor_of(call)

    async def _require(self, call: Call, at: Location, wanted: tuple[Resource, str]) -> None:
        needed = _NEEDS.get(wanted)
        if needed is None:
            if call.caller == ANONYMOUS:
                raise CredentialsMissing
            await self._services.access.require_principal(call.caller)
        elif at.resource is Resource.UPLOADS and call.query.one("mount") and (source := call.query.one("from")):
            await self._require_both(call, name_of(at.name), name_of(source))
        elif wanted not in _PULLED:
            call.held = await self._services.access.require(call.caller, name_of(at.name), needed)

    async def _require_both(self, call: Call, name: RepositoryName, source: RepositoryName) -> None:
        """Do what a mount needs: a token for both repositories is asked for at once.

        Who may not pull from the source uploads the blob instead; whose token only doesn't say that he may gets another one.
        """
        access, scope = self._services.access, f"repository:{source}:pull"
        try:
            call.held = await access.require(call.caller, name, PUSH)
        except AccessMissing as error:
            error.scopes += (scope,)
            raise
        if await access.is_narrowed(call.caller, source, PULL):
            narrow = AccessMissing(name, ("pull", "push"))
            narrow.scopes += (scope,)
            raise narrow

    def _refuse(self, call: Call, error: RegistryError) -> Reply:
        reply = _rendering(call)(error, call.request_id, self._links.here(call.path))
        if isinstance(error, Unauthorized) and self._challenges is not None:
            reply.headers.append(self._challenges.header(call, error))
        reply.complete(call.method)
        return reply


def _rendering(call: Call) -> Callable[[RegistryError, str, str], Reply]:
    if is_api(call.path):
        return render_problem
    return render_for_oauth if (call.method, call.path) in _OAUTH else render
