"""A TimeStampResp or TimeStampToken (RFC 3161), brought into the order that DER asks for.

Timestamp authorities write the certificates beside a token in an order of their own (CMS is BER there, RFC 5652 §5.1), which
strict readers of DER refuse. Nothing that is signed depends on that order.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from signing.steps import Refused, Step

_SEQUENCE: Final = 0x30
_TAGGED_0: Final = 0xA0
_GRANTED: Final = b"\x30\x03\x02\x01\x00"
"""A PKIStatusInfo with the status granted (RFC 3161 §2.4.2)."""


def ordered(response: bytes) -> bytes:
    """Return a TimeStampResp with the certificates of its token in order; nothing else changes. Raise Refused."""
    try:
        [(_, _, start, end)] = _elements(response, 0, len(response))
        [_, *tokens] = _elements(response, start, end)
        for _, first, _, last in tokens:
            response = response[:first] + _in_order(response[first:last]) + response[last:]
    except (IndexError, ValueError):
        raise Refused(Step.TIME, "the timestamp can't be read (RFC 3161 in DER)") from None
    return response


def as_response(token: bytes) -> bytes:
    """Return the TimeStampResp that grants a TimeStampToken, with its certificates in order. Raise Refused."""
    try:
        content = _GRANTED + _in_order(token)
    except (IndexError, ValueError):
        raise Refused(Step.TIME, "the timestamp can't be read (RFC 3161 in DER)") from None
    return bytes((_SEQUENCE,)) + _length(len(content)) + content


def _in_order(token: bytes) -> bytes:
    start, end = _certificates(token)
    return (
        token[:start]
        + b"".join(sorted(token[first:last] for _, first, _, last in _elements(token, start, end)))
        + token[end:]
    )


def _certificates(token: bytes) -> tuple[int, int]:
    """Return where the content of SignedData.certificates begins and ends; an empty range where there are none."""
    [content_info] = _elements(token, 0, len(token))
    _, wrapped = _elements(token, content_info[2], content_info[3])
    [signed_data] = _elements(token, wrapped[2], wrapped[3])
    for position, (tag, _, start, end) in enumerate(_elements(token, signed_data[2], signed_data[3])):
        if position == 3 and tag == _TAGGED_0:
            return start, end
    return 0, 0


def _elements(content: bytes, start: int, end: int) -> Iterator[tuple[int, int, int, int]]:
    """Yield of each element its tag, and where it, its content and the next begin (X.690 §8.1, definite lengths)."""
    while start < end:
        size = content[start + 1]
        inside = start + 2
        if size >= 0x80:
            inside += size & 0x7F
            size = int.from_bytes(content[start + 2 : inside])
        if inside + size > end or content[start + 1] == 0x80:
            raise ValueError("an element ends behind what holds it, or nowhere")
        yield content[start], start, inside, inside + size
        start = inside + size


def _length(size: int) -> bytes:
    if size < 0x80:
        return bytes((size,))
    length = size.to_bytes((size.bit_length() + 7) // 8)
    return bytes((0x80 | len(length),)) + length
