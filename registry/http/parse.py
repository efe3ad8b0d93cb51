"""From text to values, once, at the edge: each function raises the domain error that names the text."""

from __future__ import annotations

import math
import re
from typing import Final
from uuid import UUID

from mediatypes.digest import ALGORITHMS, Digest, InvalidDigest
from mediatypes.names import InvalidName, InvalidTag, RepositoryName, Tag, parse_repository_name, parse_tag
from mediatypes.ranges import ByteRange, InvalidContentRange, parse_content_range
from registry.errors import (
    ContentRangeInvalid,
    DigestInvalid,
    NameInvalid,
    PageInvalid,
    SizeMismatch,
    TagInvalid,
    UploadUnknown,
)
from registry.http.call import Call

_HOST: Final = re.compile(r"(?:[A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::\d{1,5})?", re.ASCII)


def name_of(text: str) -> RepositoryName:
    """Return a repository name. Raise NameInvalid."""
    try:
        return parse_repository_name(text)
    except InvalidName as error:
        raise NameInvalid(text, str(error)) from None


def digest_of(text: str) -> Digest:
    """Return a digest. Raise DigestInvalid."""
    try:
        return Digest.parse(text)
    except InvalidDigest as error:
        raise DigestInvalid(text, str(error)) from None


def tag_of(text: str) -> Tag:
    """Return a tag. Raise TagInvalid."""
    try:
        return parse_tag(text)
    except InvalidTag as error:
        raise TagInvalid(text, str(error)) from None


def reference_of(text: str) -> Tag | Digest:
    """Return a tag, or a digest where a colon says so. Raise TagInvalid or DigestInvalid."""
    return digest_of(text) if ":" in text else tag_of(text)


def upload_of(name: RepositoryName, text: str) -> UUID:
    """Return an upload's id. Raise UploadUnknown: what is no id names no upload."""
    try:
        found = UUID(text)
    except ValueError:
        raise UploadUnknown(name, text) from None
    if str(found) != text:
        raise UploadUnknown(name, text)
    return found


def algorithm_of(text: str | None) -> str:
    """Return the algorithm that `digest-algorithm` asks for, sha256 where it doesn't. Raise DigestInvalid."""
    if text is None:
        return "sha256"
    if text not in ALGORITHMS:
        raise DigestInvalid(text, f"is not of a supported algorithm: {', '.join(ALGORITHMS)}")
    return text


def chunk_of(call: Call) -> ByteRange | None:
    """Return what Content-Range says of an upload's body; None without one.

    Raise ContentRangeInvalid, or SizeMismatch where Content-Length says something else.
    """
    text = call.headers.get("content-range")
    if text is None:
        return None
    try:
        chunk = parse_content_range(text)
    except InvalidContentRange as error:
        raise ContentRangeInvalid(text, str(error)) from None
    if call.body.announced not in (None, len(chunk)):
        raise SizeMismatch(len(chunk), call.body.announced)
    return chunk


def host_of(call: Call) -> str | None:
    """Return the host, with its port, that a client says it has reached (Host); None where that is none."""
    host = call.headers.get("host", "")
    return host if _HOST.fullmatch(host) else None


def limit_of(call: Call) -> int | None:
    """Return the parameter `n`; None without one. Raise PageInvalid."""
    text = call.query.one("n")
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 10):
        raise PageInvalid("n", text, "is not a whole number of items")
    return int(text)


def max_stale_of(call: Call) -> float:
    """Return how many seconds old an answer may be: 0, unless `Cache-Control: max-stale` permits more (RFC 9111 §5.2.1.2)."""
    found = 0.0
    for directive in call.headers.get("cache-control", "").lower().split(","):
        name, _, value = directive.strip().partition("=")
        if name == "no-cache":
            return 0.0
        if name == "max-stale":
            is_number = value.isascii() and value.isdigit() and len(value) <= 10
            found = float(value) if is_number else 0.0 if value else math.inf
    return found
