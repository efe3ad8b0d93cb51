"""end-2, end-10: blobs."""

from __future__ import annotations

from mediatypes.endpoints import Location
from registry.core.services import Services
from registry.http.call import Call
from registry.http.conditional import content_reply
from registry.http.links import Links
from registry.http.parse import digest_of, name_of
from registry.http.reply import Reply


async def pull(services: Services, call: Call, at: Location, _links: Links) -> Reply:
    """Answer GET and HEAD of a blob, whole or in part."""
    blob = await services.blobs.find(name_of(at.name), digest_of(at.reference))
    return content_reply(
        call,
        digest=blob.digest,
        media_type="application/octet-stream",
        size=blob.size,
        source=lambda part: services.blobs.read(blob, part),
        file=services.blobs.local_path(blob),
    )


async def delete(services: Services, _call: Call, at: Location, _links: Links) -> Reply:
    """Take a blob from the repository."""
    await services.blobs.delete(name_of(at.name), digest_of(at.reference))
    return Reply(202)
