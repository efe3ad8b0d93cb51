"""end-3, end-7, end-9: manifests and tags."""

from __future__ import annotations

from mediatypes.digest import Digest
from mediatypes.endpoints import Location
from registry.core.manifests import MAX_MANIFEST_SIZE
from registry.core.services import Services
from registry.errors import ManifestTooLarge
from registry.http.call import Call
from registry.http.conditional import content_reply
from registry.http.links import Links
from registry.http.parse import name_of, reference_of, tag_of
from registry.http.reply import Headers, Reply
from registry.http.warnings import warnings_of


async def pull(services: Services, call: Call, at: Location, _links: Links) -> Reply:
    """Answer GET and HEAD of a manifest with the very bytes that were pushed, whatever Accept says."""
    found, warnings = await services.manifests.pull(name_of(at.name), reference_of(at.reference), call.caller)
    reply = content_reply(
        call,
        digest=found.digest,
        media_type=found.media_type,
        size=len(found.content),
        source=lambda part: found.content[part.start : part.stop],
    )
    if warnings:
        reply.headers += warnings_of(warnings)
    return reply


async def push(services: Services, call: Call, at: Location, links: Links) -> Reply:
    """Store a manifest; `tag` parameters beside a digest name it too (draft of the specification)."""
    name, reference = name_of(at.name), reference_of(at.reference)
    tags = [tag_of(text) for text in call.query.all("tag")]
    media_type = call.headers.get("content-type", "").partition(";")[0].strip().lower()
    content = await call.body.whole(MAX_MANIFEST_SIZE, ManifestTooLarge(MAX_MANIFEST_SIZE))
    pushed = await services.manifests.push(
        name, content, media_type=media_type, reference=reference, extra_tags=tags, held=call.held, actor=call.actor
    )
    headers: Headers = [
        ("Location", links.manifest(name, str(reference))),
        ("Docker-Content-Digest", str(pushed.digest)),
    ]
    if pushed.subject is not None:
        headers.append(("OCI-Subject", str(pushed.subject)))
    headers += [("OCI-Tag", tag) for tag in pushed.tags]
    headers += warnings_of(pushed.warnings)
    return Reply(201, headers)


async def delete(services: Services, call: Call, at: Location, _links: Links) -> Reply:
    """Delete a manifest by its digest, or only a tag by its name."""
    name, reference = name_of(at.name), reference_of(at.reference)
    if isinstance(reference, Digest):
        await services.manifests.delete(name, reference, actor=call.actor)
    else:
        await services.tags.delete(name, reference, actor=call.actor)
    return Reply(202)
