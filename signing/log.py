"""That a transparency log holds an entry: its promise, or a proof with a checkpoint that the log has signed.

Promise (SET): sigstore/rekor, types.md, over JSON canonicalised by RFC 8785. Proof: RFC 6962 §2.1.1. Checkpoint:
C2SP tlog-checkpoint and signed-note.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import rfc8785

from signing.documents import from_base64
from signing.entries import Entry, Proof
from signing.roots import Log
from signing.steps import Refused, Step

LARGEST_CHECKPOINT: Final = 64 << 10
"""Characters of a checkpoint with its signatures."""
_LATEST: Final = datetime(9999, 1, 1, tzinfo=UTC).timestamp()
_SIGNATURE: Final = re.compile("\N{EM DASH} ([^\\s+]+) ([A-Za-z0-9+/=]+)")
_SIZE: Final = re.compile(r"0|[1-9][0-9]{0,18}")


@dataclass(frozen=True, slots=True)
class Logged:
    """An entry that a trusted log holds."""

    log: Log
    at: datetime | None
    """When it was taken in, by the log's promise; None where only a proof is there."""


def _refused(reason: str) -> Refused:
    return Refused(Step.LOG, reason)


def verify_entry(entry: Entry, logs: Iterable[Log]) -> Logged:
    """Verify that one of the trusted logs holds an entry. What is there has to hold: the promise, the proof, or both.

    Raise Refused.
    """
    log = next((log for log in logs if log.id == entry.log_id), None)
    if log is None:
        raise _refused(f"the log {entry.log_id.hex()[:64]} is not one of those that are trusted")
    if entry.promise is None and entry.proof is None:
        raise _refused("the log entry has neither the log's promise nor a proof of inclusion")
    at = None
    if entry.promise is not None:
        at = _verify_promise(entry, entry.promise, log)
    if entry.proof is not None:
        _verify_proof(entry, entry.proof, log)
    return Logged(log, at)


def _verify_promise(entry: Entry, promise: bytes, log: Log) -> datetime:
    if entry.integrated_at is None or entry.integrated_at >= _LATEST:
        raise _refused("the log's promise has no time")
    stated: dict[str, str | int] = {
        "body": base64.b64encode(entry.body).decode(),
        "integratedTime": entry.integrated_at,
        "logID": entry.log_id.hex(),
        "logIndex": entry.index,
    }
    try:
        content = rfc8785.dumps(stated)
    except rfc8785.CanonicalizationError:
        raise _refused("the log entry has numbers that are too large") from None
    if not log.key.has_signed(content, promise):
        raise _refused("the log's promise (signed entry timestamp) is not signed by the log's key")
    at = datetime.fromtimestamp(entry.integrated_at, UTC)
    if not log.period.covers(at):
        raise _refused(f"the log took it in at {at:%Y-%m-%d %H:%M:%S}, when its key was not trusted")
    return at


def _verify_proof(entry: Entry, proof: Proof, log: Log) -> None:
    leaf = hashlib.sha256(b"\x00" + entry.body).digest()
    if root_by(proof, leaf) != proof.root:
        raise _refused("the proof of inclusion does not lead from the entry to its root")
    origin, size, root = verified_checkpoint(proof.checkpoint, log)
    if (size, root) != (proof.size, proof.root):
        raise _refused("the log's checkpoint is of another tree than the proof")
    if entry.promise is None:
        # Without a promise nothing else vouches for the log's name and the place of the entry.
        name = origin.partition(" - ")[0]
        if name != log.host:
            raise _refused(f"the checkpoint is of {name[:120]!r}, and the log is {log.host}")
        # Rekor 1 counts places over all its trees, whose number is in the origin.
        if origin == name and entry.index != proof.index:
            raise _refused("the log entry has another place than its proof")


def root_by(proof: Proof, leaf: bytes) -> bytes | None:
    """Return the root of the tree to which a proof leads from a leaf's hash; None where it can't be one."""
    if not 0 <= proof.index < proof.size or any(len(each) != hashlib.sha256().digest_size for each in proof.hashes):
        return None
    inner = (proof.index ^ (proof.size - 1)).bit_length()
    if len(proof.hashes) != inner + (proof.index >> inner).bit_count():
        return None
    found = leaf
    for level, sibling in enumerate(proof.hashes):
        # Above the inner part, all siblings stand on the left: the path runs along the tree's right border.
        is_right = level >= inner or proof.index >> level & 1
        found = hashlib.sha256(b"\x01" + (sibling + found if is_right else found + sibling)).digest()
    return found


def verified_checkpoint(note: str, log: Log) -> tuple[str, int, bytes]:
    """Return the origin, size and root hash of a checkpoint that a log has signed. Raise Refused.

    Signatures by others (witnesses) may stand beside the log's; they are not looked at.
    """
    text, separator, signatures = note.partition("\n\n")
    if not separator or not signatures.endswith("\n") or len(note) > LARGEST_CHECKPOINT:
        raise _refused("the log's checkpoint is no signed note")
    text += "\n"
    origin, *rest = text.split("\n")
    if not origin or len(rest) < 3 or not _SIZE.fullmatch(rest[0]):
        raise _refused("the log's checkpoint has no origin, size and root")
    for line in signatures[:-1].split("\n"):
        found = _SIGNATURE.fullmatch(line)
        if found is None:
            raise _refused("the log's checkpoint has a signature that can't be read")
        name, signature = found[1], from_base64(found[2], "a signature of the log's checkpoint")
        if signature[:4] != log.id[:4]:
            continue
        if origin != name and not origin.startswith(f"{name} - "):
            raise _refused(f"the checkpoint is of {origin[:120]!r}, and signed in the name of {name[:120]!r}")
        if not log.key.has_signed(text.encode("utf-8", "surrogatepass"), signature[4:]):
            raise _refused("the log's checkpoint is not signed by the log's key")
        return origin, int(rest[0]), from_base64(rest[1], "the root of the log's checkpoint")
    raise _refused("the log's checkpoint is not signed by the log")
