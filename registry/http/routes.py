"""The route table: which handler answers which endpoint, and the one way from a call to its reply."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

import structlog

from mediatypes.endpoints import ENDPOINTS, Location, Resource, methods_of
from registry.auth.open_access import OpenAccess
from registry.core.services import Services
from registry.errors import EndpointUnknown, InternalError, MethodUnsupported, RegistryError, Unavailable
from registry.http import blobs, listings, manifests, uploads
from registry.http.call import Call, Reply, Stream
from registry.http.errors import render
from registry.http.links import Links
from registry.storage.base import StorageError

Handler = Callable[[Services, Call, Location, Links], Awaitable[Reply]]

_R = Resource
HANDLERS: Final[dict[tuple[Resource, str], Handler]] = {
    (_R.BASE, "GET"): listings.base,
    (_R.BASE, "HEAD"): listings.base,
    (_R.CATALOG, "GET"): listings.catalog,
    (_R.CATALOG, "HEAD"): listings.catalog,
    (_R.BLOB, "GET"): blobs.pull,
    (_R.BLOB, "HEAD"): blobs.pull,
    (_R.BLOB, "DELETE"): blobs.delete,
    (_R.UPLOADS, "POST"): uploads.start,
    (_R.UPLOAD, "PATCH"): uploads.append,
    (_R.UPLOAD, "PUT"): uploads.finish,
    (_R.UPLOAD, "GET"): uploads.status,
    (_R.UPLOAD, "HEAD"): uploads.status,
    (_R.UPLOAD, "DELETE"): uploads.cancel,
    (_R.MANIFEST, "GET"): manifests.pull,
    (_R.MANIFEST, "HEAD"): manifests.pull,
    (_R.MANIFEST, "PUT"): manifests.push,
    (_R.MANIFEST, "DELETE"): manifests.delete,
    (_R.TAGS, "GET"): listings.tags,
    (_R.TAGS, "HEAD"): listings.tags,
    (_R.REFERRERS, "GET"): listings.referrers,
    (_R.REFERRERS, "HEAD"): listings.referrers,
}

_log = structlog.get_logger("registry.http")


class Router:
    """Answers calls below `/v2/`; every error becomes a reply here."""

    def __init__(self, services: Services, access: OpenAccess, links: Links) -> None:
        self._services = services
        self._access = access
        self._links = links

    async def answer(self, call: Call, at: Location | None) -> tuple[str, Reply]:
        """Return the endpoint (`end-N`, "unknown" where there is none) of a call to `at`, and the reply."""
        endpoint = ENDPOINTS.get((at.resource, call.method), "unknown") if at else "unknown"
        try:
            self._access.require(call.headers)
            if at is None:
                raise EndpointUnknown(call.path)
            handler = HANDLERS.get((at.resource, call.method))
            if handler is None:
                raise MethodUnsupported(call.method, methods_of(at.resource))
            reply = await handler(self._services, call, at, self._links)
            if isinstance(reply.body, Stream) and reply.body.file is None:
                await reply.body.begin()
        except Unavailable as error:
            _log.warning("unavailable", error=str(error), cause=repr(error.__cause__), request_id=call.request_id)
            reply = self.refuse(call, error)
        except RegistryError as error:
            reply = self.refuse(call, error)
        except StorageError as error:
            _log.error("storage failed", error=str(error), request_id=call.request_id)
            reply = self.refuse(call, Unavailable("the storage"))
        except Exception:  # noqa: BLE001 - the last resort: whatever it is, the client gets JSON and the log the cause
            _log.exception("request failed", request_id=call.request_id, endpoint=endpoint)
            reply = self.refuse(call, InternalError())
        if reply.status not in (204, 304) and all(header != "Content-Length" for header, _ in reply.headers):
            reply.headers.append(
                ("Content-Length", str(len(reply.body) if isinstance(reply.body, bytes) else reply.body.size))
            )
        reply.headers.append(("Docker-Distribution-Api-Version", "registry/2.0"))
        reply.headers.append(("X-Content-Type-Options", "nosniff"))  # no browser takes a blob for a page
        reply.headers.append(("X-Request-ID", call.request_id))
        return endpoint, reply

    def require_access(self, headers: Mapping[str, str]) -> None:
        """Raise AccessDenied unless a request with these headers, by lower-case names, may be answered."""
        self._access.require(headers)

    def refuse(self, call: Call, error: RegistryError) -> Reply:
        """Return the error's reply; to HEAD without its body, which HTTP forbids there."""
        reply = render(error, call.request_id, self._links.here(call.path))
        if call.method == "HEAD":
            reply.body = b""
        return reply
