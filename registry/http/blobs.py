"""end-2, end-10: blobs."""

from __future__ import annotations

from typing import Final

from mediatypes.endpoints import Location
from registry.core.services import Services
from registry.http.call import Call
from registry.http.conditional import content_reply
from registry.http.links import Links
from registry.http.parse import digest_of, name_of
from registry.http.reply import Reply, Stream

# S3 would compare them with an ETag and a date of its own.
CONDITIONS: Final = frozenset(("if-match", "if-unmodified-since", "if-modified-since", "if-range"))
"""Headers of requests that are answered here and not by the storage."""


async def pull(services: Services, call: Call, at: Location, links: Links) -> Reply:
    """Answer GET and HEAD of a blob, whole or in part; or send the client to the storage, where the range goes with it."""
    blob = await services.blobs.pull(name_of(at.name), digest_of(at.reference), call.caller)
    reply = content_reply(
        call,
        digest=blob.digest,
        media_type="application/octet-stream",
        size=blob.size,
        source=lambda part: services.blobs.read(blob, part),
        file=services.blobs.local_path(blob),
    )
    is_simple = call.method == "GET" and isinstance(reply.body, Stream) and not CONDITIONS & call.headers.keys()
    if links.redirects is None or not is_simple:
        return reply
    url = await links.redirects.target(call, blob.size, lambda: services.blobs.signed_url(blob))
    if url is None:
        return reply
    return Reply(307, [("Location", url), ("Docker-Content-Digest", str(blob.digest)), ("Cache-Control", "no-store")])


async def delete(services: Services, call: Call, at: Location, _links: Links) -> Reply:
    """Take a blob from the repository."""
    await services.blobs.delete(name_of(at.name), digest_of(at.reference), actor=call.actor)
    return Reply(202)
