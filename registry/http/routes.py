"""The route table: which handler answers which endpoint, and the one way from a call to its reply."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from mediatypes.endpoints import ENDPOINTS, Location, Resource, methods_of
from registry.auth.open_access import OpenAccess
from registry.core.services import Services
from registry.errors import (
    EndpointUnknown,
    InternalError,
    MethodUnsupported,
    RegistryError,
    TooManyRequests,
    Unavailable,
)
from registry.http import blobs, listings, manifests, uploads
from registry.http.call import Call
from registry.http.errors import render
from registry.http.limits import Limits, quota_headers
from registry.http.links import Links
from registry.http.reply import Headers, Reply
from registry.storage.base import StorageError

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

_log = structlog.get_logger("registry.http")


class Router:
    """Answers calls below `/v2/`; every error becomes a reply here."""

    def __init__(self, services: Services, access: OpenAccess, links: Links, limits: Limits | None = None) -> None:
        self._services = services
        self._limits = limits
        self._access = access
        self._links = links

    async def answer(self, call: Call, at: Location | None) -> tuple[str, Reply]:
        """Return the endpoint (`end-N`, "unknown" where there is none) of a call to `at`, and the complete reply."""
        endpoint = ENDPOINTS.get((at.resource, call.method), "unknown") if at else "unknown"
        quota: Headers = []
        try:
            if self._limits is not None:  # before anything is read or decided
                standing = await self._limits.count(call)
                quota = quota_headers(standing)
                if standing.is_refused:
                    raise TooManyRequests(standing.next_in)
            self._access.require(call.headers)
            reply = await self._handle(call, at)
            reply.complete(call.method)
            await reply.begin()
        except Unavailable as error:
            _log.warning("unavailable", error=str(error), cause=repr(error.__cause__), request_id=call.request_id)
            reply = self._refuse(call, error)
        except RegistryError as error:
            reply = self._refuse(call, error)
        except StorageError as error:
            _log.error("storage failed", error=str(error), request_id=call.request_id)
            reply = self._refuse(call, Unavailable("the storage"))
        except Exception:  # noqa: BLE001 - the last resort: whatever it is, the client gets JSON and the log the cause
            _log.exception("request failed", request_id=call.request_id, endpoint=endpoint)
            reply = self._refuse(call, InternalError())
        reply.headers.append(("Docker-Distribution-Api-Version", "registry/2.0"))
        reply.headers.append(("X-Content-Type-Options", "nosniff"))  # no browser takes a blob for a page
        reply.headers.append(("X-Request-ID", call.request_id))
        reply.headers += quota
        return endpoint, reply

    async def _handle(self, call: Call, at: Location | None) -> Reply:
        if at is None:
            raise EndpointUnknown(call.path)
        handler = HANDLERS.get((at.resource, "GET" if call.method == "HEAD" else call.method))
        if handler is None:
            raise MethodUnsupported(call.method, methods_of(at.resource))
        return await handler(self._services, call, at, self._links)

    def _refuse(self, call: Call, error: RegistryError) -> Reply:
        reply = render(error, call.request_id, self._links.here(call.path))
        reply.complete(call.method)
        return reply
