"""Answers to GET and HEAD of content that has a digest: conditions and ranges (RFC 9110 §13, §14)."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from pathlib import Path

from mediatypes.digest import Digest
from mediatypes.ranges import ByteRange, UnsatisfiableRange, parse_range
from registry.errors import RangeUnsatisfiable
from registry.http.call import Call
from registry.http.reply import Headers, Reply, Stream

Source = Callable[[ByteRange], bytes | AsyncGenerator[bytes, None]]


def content_reply(
    call: Call, *, digest: Digest, media_type: str, size: int, source: Source, file: Path | None = None
) -> Reply:
    """Return 200, 206 or 304 for content of `size` bytes. Raise RangeUnsatisfiable (416)."""
    headers: Headers = [("Docker-Content-Digest", str(digest))]
    return ranged_reply(
        call, etag=f'"{digest}"', headers=headers, media_type=media_type, size=size, source=source, file=file
    )


def ranged_reply(
    call: Call,
    *,
    etag: str,
    headers: Headers,
    media_type: str,
    size: int,
    source: Source,
    file: Path | None = None,
) -> Reply:
    """Return what `content_reply` does for content with an ETag, and with `headers`. Raise RangeUnsatisfiable (416)."""
    identity: Headers = [*headers, ("ETag", etag)]
    if _matches(call.headers.get("if-none-match"), etag):
        return Reply(304, identity)
    span = _span(call, etag, size)
    headers = [*identity, ("Content-Type", media_type), ("Accept-Ranges", "bytes")]
    part = span if span is not None else ByteRange(0, size)
    if span is not None:
        headers.append(("Content-Range", f"bytes {span.start}-{span.stop - 1}/{size}"))
    status = 200 if span is None else 206
    if not part:
        return Reply(status, headers)
    content = source(part)
    if isinstance(content, bytes):
        return Reply(status, headers, content)
    return Reply(status, headers, Stream(content, len(part), file if span is None else None))


def _matches(condition: str | None, etag: str) -> bool:
    if condition is None:
        return False
    return condition.strip() == "*" or etag in [tag.strip().removeprefix("W/") for tag in condition.split(",")]


def _span(call: Call, etag: str, size: int) -> ByteRange | None:
    wanted = call.headers.get("range")
    if wanted is None or call.headers.get("if-range", etag) != etag:
        return None
    try:
        return parse_range(wanted, size)
    except UnsatisfiableRange:
        raise RangeUnsatisfiable(wanted, size) from None
