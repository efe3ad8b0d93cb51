"""Bytes out of artifacts: of a file or a tensor, whole or a range, the way that a blob's bytes go.

What is in a file is somebody else's. It is sent as bytes that a browser keeps and never shows: a page in a model would run
with the rights of whoever looks at it here.
"""

from __future__ import annotations

import posixpath
from typing import Final
from urllib.parse import quote

from registry.core.audit import target_of
from registry.core.files import Content
from registry.http.api.artifact import ARTIFACT
from registry.http.api.artifact_models import FileQuery, TensorQuery
from registry.http.api.asked import Asked
from registry.http.api.reader_services import ReaderServices
from registry.http.api.route import Route
from registry.http.blobs import CONDITIONS
from registry.http.conditional import ranged_reply
from registry.http.parse import name_of, reference_of
from registry.http.reply import Headers, Reply, Stream

_TYPE: Final = "application/octet-stream"
_POLICY: Final = "default-src 'none'; sandbox; frame-ancestors 'none'"


async def file(services: ReaderServices, asked: Asked, name: str, reference: str, query_args: FileQuery) -> Reply:
    """Download a file, or a range of its bytes."""
    content = await services.files.content(name_of(name), reference_of(reference), query_args.path, asked.caller)
    return await _reply(services, asked, name, content, posixpath.basename(content.path))


async def tensor(services: ReaderServices, asked: Asked, name: str, reference: str, query_args: TensorQuery) -> Reply:
    """Download a tensor's bytes, as its file has them, or a range of them."""
    content = await services.tensors.content(
        name_of(name), reference_of(reference), query_args.path, query_args.name, asked.caller
    )
    return await _reply(services, asked, name, content, f"{query_args.name}.bin")


async def _reply(services: ReaderServices, asked: Asked, name: str, content: Content, saved_as: str) -> Reply:
    asked.call.pulled = target_of(name, content.blob)
    span = content.span
    headers: Headers = [
        ("Content-Disposition", f"attachment; filename*=UTF-8''{quote(saved_as, safe='')}"),
        ("Content-Security-Policy", _POLICY),
        ("Cache-Control", "private, no-cache"),
    ]
    reply = ranged_reply(
        asked.call,
        etag=f'"{content.blob}"' if content.is_whole_blob else f'"{content.blob}/{span.start}-{span.stop}"',
        headers=headers,
        media_type=_TYPE,
        size=len(span),
        source=lambda part: services.files.read(content, part, asked.caller),
        file=services.files.local_path(content),
    )
    is_simple = isinstance(reply.body, Stream) and asked.call.method == "GET"
    if services.redirects is None or not is_simple or CONDITIONS & asked.call.headers.keys():
        return reply
    url = await services.redirects.target(asked.call, len(span), lambda: services.files.signed_url(content))
    return Reply(307, [("Location", url), ("Cache-Control", "no-store")]) if url is not None else reply


ROUTES = (
    Route(
        method="GET",
        path=f"{ARTIFACT}/files/content",
        handler=file,
        query=FileQuery,
        media_type=_TYPE,
        is_for_readers=True,
    ),
    Route(
        method="GET",
        path=f"{ARTIFACT}/tensors/content",
        handler=tensor,
        query=TensorQuery,
        media_type=_TYPE,
        is_for_readers=True,
    ),
)
