"""end-4, end-5, end-6, end-11, end-13, end-14: uploads."""

from __future__ import annotations

from uuid import UUID

from mediatypes.digest import Digest
from mediatypes.endpoints import Location
from mediatypes.names import RepositoryName
from registry.core.services import Services
from registry.errors import DigestInvalid
from registry.http.call import Call
from registry.http.links import Links
from registry.http.parse import algorithm_of, chunk_of, digest_of, name_of, upload_of
from registry.http.reply import Headers, Reply


async def start(services: Services, call: Call, at: Location, links: Links) -> Reply:
    """Begin an upload; or mount (`mount`, end-11); or take the whole blob at once (`digest`, end-4b)."""
    name = name_of(at.name)
    query = call.query
    mount, digest, source = query.one("mount"), query.one("digest"), query.one("from")
    if mount is not None:
        wanted, holder = digest_of(mount), name_of(source) if source else None
        if await services.blobs.mount(name, wanted, source=holder, caller=call.caller, actor=call.actor):
            return _created(links, name, wanted)
    elif digest is not None:
        wanted = digest_of(digest)
        await services.uploads.push(name, wanted, aiter(call.body), length=call.body.announced, actor=call.actor)
        return _created(links, name, wanted)
    upload_id = await services.uploads.start(name, algorithm=algorithm_of(query.one("digest-algorithm")))
    return Reply(202, _progress(links, name, upload_id, 0))


async def append(services: Services, call: Call, at: Location, links: Links) -> Reply:
    """Take a chunk, or a stream without Content-Range."""
    name = name_of(at.name)
    upload_id = upload_of(name, at.reference)
    received = await services.uploads.append(name, upload_id, aiter(call.body), chunk=chunk_of(call))
    return Reply(202, _progress(links, name, upload_id, received))


async def finish(services: Services, call: Call, at: Location, links: Links) -> Reply:
    """Take the last chunk, if any, and make the blob."""
    name = name_of(at.name)
    upload_id = upload_of(name, at.reference)
    text = call.query.one("digest")
    if text is None:
        raise DigestInvalid("", "is missing: finish an upload with ?digest=<digest of the whole blob>")
    digest = digest_of(text)
    chunk, length = chunk_of(call), call.body.announced
    await services.uploads.finish(
        name, upload_id, digest, aiter(call.body), chunk=chunk, length=length, actor=call.actor
    )
    return _created(links, name, digest)


async def status(services: Services, _call: Call, at: Location, links: Links) -> Reply:
    """Tell how far an upload is."""
    name = name_of(at.name)
    upload_id = upload_of(name, at.reference)
    received = await services.uploads.status(name, upload_id)
    return Reply(204, _progress(links, name, upload_id, received))


async def cancel(services: Services, _call: Call, at: Location, _links: Links) -> Reply:
    """End an upload; its bytes are deleted."""
    name = name_of(at.name)
    await services.uploads.cancel(name, upload_of(name, at.reference))
    return Reply(204)


def _created(links: Links, name: RepositoryName, digest: Digest) -> Reply:
    return Reply(201, [("Location", links.blob(name, str(digest))), ("Docker-Content-Digest", str(digest))])


def _progress(links: Links, name: RepositoryName, upload_id: UUID, received: int) -> Headers:
    # "0-0" stands for nothing received as well as for one byte: the form that clients know from Docker's registry.
    return [
        ("Location", links.upload(name, upload_id)),
        ("Range", f"0-{max(received - 1, 0)}"),
        ("Docker-Upload-UUID", str(upload_id)),
    ]
