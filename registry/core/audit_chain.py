r"""The arithmetic of the audit log's chain: hashes of events and batches, and what is signed.

    digest of an event  = SHA-256("event\n" + its JSON)
    head of a batch     = SHA-256("batch\n" + JSON of its numbers, its time and the head before + "\n" + the digests)
    signed              = "head\n", or "anchor\n", + JSON of a mark

JSON is an array or an object with sorted keys, in ASCII, without spaces; times are in UTC, to the microsecond.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from hashlib import sha256
from typing import Any, Final, NamedTuple, TypeAlias

from registry.db.audit import SealedRow
from registry.db.audit_batches import AnchorRow, BatchRow

DIGEST: Final = sha256().digest_size
"""Bytes of a digest."""

GENESIS: Final = bytes(DIGEST)
"""The head before the first batch."""


class Signature(NamedTuple):
    """A signature, and the name of the key that made it."""

    kid: str
    value: bytes


Sign: TypeAlias = Callable[[bytes], Signature]
Verify: TypeAlias = Callable[[bytes, Signature], bool]


class MarkKind(StrEnum):
    """What a mark says: a batch was sealed; or all batches up to it were deleted."""

    HEAD = "head"
    ANCHOR = "anchor"


@dataclass(frozen=True, slots=True)
class Mark:
    """A point of the chain: a batch, its last event, its head."""

    kind: MarkKind
    batch: int
    last_sequence: int
    head: bytes
    at: datetime

    def message(self) -> bytes:
        """Return what is signed."""
        return f"{self.kind}\n{_json(self.members())}".encode()

    def members(self) -> dict[str, Any]:
        """Return what it says, for JSON."""
        return {
            "at": time_of(self.at),
            "batch": self.batch,
            "head": self.head.hex(),
            "last_sequence": self.last_sequence,
        }


class SignedMark(NamedTuple):
    """A mark that somebody vouches for."""

    mark: Mark
    signature: Signature

    def exported(self) -> dict[str, Any]:
        """Return what `exported_head` reads, for JSON."""
        return self.mark.members() | {"kid": self.signature.kid, "signature": self.signature.value.hex()}


def head_of(batch: BatchRow) -> SignedMark:
    """Return the head of a batch, as it was recorded."""
    mark = Mark(MarkKind.HEAD, batch.number, batch.last_sequence, batch.head, batch.sealed_at)
    return SignedMark(mark, Signature(batch.kid, batch.signature))


def mark_of(anchor: AnchorRow) -> SignedMark:
    """Return an anchor, as it was recorded."""
    mark = Mark(MarkKind.ANCHOR, anchor.batch, anchor.last_sequence, anchor.head, anchor.made_at)
    return SignedMark(mark, Signature(anchor.kid, anchor.signature))


def exported_head(line: str) -> SignedMark | None:
    """Return the head that a line holds: an exported one, or the server's log's word of it; None for other lines.

    Raise ValueError for what is no whole head.
    """
    if '"signature"' not in line:
        return None
    try:
        found = json.loads(line)
        if "signature" not in found:
            found = found["head"]
        mark = Mark(
            MarkKind.HEAD,
            int(found["batch"]),
            int(found["last_sequence"]),
            bytes.fromhex(found["head"]),
            datetime.fromisoformat(found["at"]),
        )
        return SignedMark(mark, Signature(str(found["kid"]), bytes.fromhex(found["signature"])))
    except (KeyError, TypeError, ValueError):
        raise ValueError("this is no whole head of an audit log") from None


def digest_of(row: SealedRow) -> bytes:
    """Return the digest of a sealed event: its number and all that is recorded of it."""
    event = row.event
    return sha256(f"event\n{_json([row.sequence, time_of(event.at), *event[1:]])}".encode()).digest()


def digests_of(rows: Iterable[SealedRow]) -> bytes:
    """Return the digests of events, one after the other."""
    return b"".join(map(digest_of, rows))


def chained(batch: BatchRow) -> bytes:
    """Return what a batch's head must be."""
    numbers = [batch.number, batch.first_sequence, batch.last_sequence, time_of(batch.sealed_at), batch.previous.hex()]
    return sha256(f"batch\n{_json(numbers)}\n".encode() + batch.row_digests).digest()


def time_of(moment: datetime) -> str:
    """Return a time as text."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _json(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), sort_keys=True)
