"""Conditions of reads (RFC 9110 §13): whoever has the document already is told so."""

from __future__ import annotations

import hashlib

from registry.http.call import Call
from registry.http.reply import Reply


def conditional(call: Call, reply: Reply) -> Reply:
    """Return a reply with its ETag, or 304 where the client has said that it has just this."""
    if call.method not in ("GET", "HEAD") or reply.status != 200 or not isinstance(reply.body, bytes):
        return reply
    etag = f'"{hashlib.sha256(reply.body).hexdigest()[:32]}"'
    known = [tag.strip().removeprefix("W/") for tag in call.headers.get("if-none-match", "").split(",")]
    if etag in known or "*" in known:
        kept = [header for header in reply.headers if header[0] != "Content-Type"]
        return Reply(304, [*kept, ("ETag", etag)])
    reply.headers.append(("ETag", etag))
    return reply
