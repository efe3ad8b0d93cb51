"""end-1, end-8, end-12 and the catalog: lists."""

from __future__ import annotations

import math

import msgspec

from mediatypes.endpoints import Location
from mediatypes.oci import IMAGE_INDEX
from registry.core.pages import MAX_PAGE
from registry.core.services import Services
from registry.http.call import Call
from registry.http.links import Links
from registry.http.parse import digest_of, limit_of, max_stale_of, name_of
from registry.http.reply import Headers, Reply


async def base(_services: Services, _call: Call, _at: Location, _links: Links) -> Reply:
    """Say that this is a registry (end-1)."""
    return _json({}, [])


async def catalog(services: Services, call: Call, _at: Location, links: Links) -> Reply:
    """List repositories; an answer that may be old says so (RFC 9111 §5.1)."""
    limit = limit_of(call)
    page = await services.repositories.page(
        after=call.query.one("last") or "",
        limit=MAX_PAGE if limit is None else limit,
        max_stale=max_stale_of(call),
        caller=call.caller,
    )
    headers = [links.next_page("/v2/_catalog", n=limit, last=page.next_after)] if page.next_after else []
    if page.age:
        headers.append(("Age", str(math.ceil(page.age))))
    return _json({"repositories": page.items}, headers)


async def tags(services: Services, call: Call, at: Location, links: Links) -> Reply:
    """List tags (end-8)."""
    name, limit = name_of(at.name), limit_of(call)
    page = await services.tags.page(name, after=call.query.one("last") or "", limit=limit)
    headers = [links.next_page(f"/v2/{name}/tags/list", n=limit, last=page.next_after)] if page.next_after else []
    return _json({"name": name, "tags": page.items}, headers)


async def referrers(services: Services, call: Call, at: Location, links: Links) -> Reply:
    """List the manifests whose subject is a digest, as an image index (end-12)."""
    name, subject, limit = name_of(at.name), digest_of(at.reference), limit_of(call)
    wanted = call.query.one("artifactType")
    after = call.query.one("last")
    page = await services.referrers.page(
        name, subject, artifact_type=wanted, after=digest_of(after) if after else None, limit=limit
    )
    headers: Headers = [("OCI-Filters-Applied", "artifactType")] if wanted is not None else []
    if page.next_after:
        path = f"/v2/{name}/referrers/{subject}"
        headers.append(links.next_page(path, artifactType=wanted, n=limit, last=page.next_after))
    index = {
        "schemaVersion": 2,
        "mediaType": IMAGE_INDEX,
        "manifests": [msgspec.Raw(descriptor) for descriptor in page.items],
    }
    return _json(index, headers, content_type=IMAGE_INDEX)


def _json(document: object, headers: Headers, *, content_type: str = "application/json") -> Reply:
    return Reply(200, [("Content-Type", content_type), *headers], msgspec.json.encode(document))
