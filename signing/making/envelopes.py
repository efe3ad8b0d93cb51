"""What is said of an artifact (in-toto statements), and the envelope in which it is signed (DSSE).

in-toto/attestation spec/v1; secure-systems-lab/dsse v1.0.2; sigstore/cosign cmd/cosign/cli/sign and attest.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from typing import Any, Final, NoReturn

from mediatypes.documents import MAX_DEPTH, MAX_SIZE, depth_of
from signing.making.artifacts import Subject, compact
from signing.private_keys import SigningKey
from signing.statements import PAYLOAD_TYPE, STATEMENT_TYPES, pre_authentication_encoding
from signing.verified import SIGNED

STATEMENT_TYPE: Final = STATEMENT_TYPES[0]
ENVELOPE_TYPE: Final = "application/vnd.dsse.envelope.v1+json"
LARGEST: Final = (MAX_SIZE - (1 << 20)) * 3 // 4
"""Bytes of a statement that is made: in base64, with what proves it around, it is still read (signing.documents)."""


class InvalidPredicate(ValueError):
    """What is to be said of an artifact can't be; the message completes “the predicate …”."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """A statement with one signature."""

    payload: bytes
    signature: bytes

    @property
    def signed_bytes(self) -> bytes:
        """Return what the signature is one of (DSSE, PAE)."""
        return pre_authentication_encoding(PAYLOAD_TYPE, self.payload)

    def document(self) -> dict[str, Any]:
        """Return the envelope as JSON has it."""
        return {
            "payload": base64.b64encode(self.payload).decode(),
            "payloadType": PAYLOAD_TYPE,
            "signatures": [{"sig": base64.b64encode(self.signature).decode()}],
        }


def signed(subject: Subject) -> bytes:
    """Return the statement that an artifact is signed, and no more, as cosign 3 makes it."""
    return _statement(subject, SIGNED, {})


def attested(subject: Subject, predicate_type: str, predicate: dict[str, Any], *, name: str | None = None) -> bytes:
    """Return a statement with a predicate, a JSON object; `name` is the repository. Raise InvalidPredicate."""
    if not predicate_type or any(letter.isspace() for letter in predicate_type):
        raise InvalidPredicate("has no type: give a URI")
    if predicate_type == SIGNED:
        raise InvalidPredicate(f"can't have the type {SIGNED}, by which an artifact is signed and nothing is said")
    return _statement(subject, predicate_type, predicate, name)


def read_predicate(content: bytes) -> dict[str, Any]:
    """Read a predicate from a file's bytes: a JSON object in UTF-8. Raise InvalidPredicate."""
    try:
        found = json.loads(content.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_no_constant)
    except InvalidPredicate:
        raise
    except (ValueError, RecursionError) as error:
        raise InvalidPredicate(f"is no JSON: {error}") from None
    if not isinstance(found, dict):
        raise InvalidPredicate("is no JSON object")
    return found


def seal(statement: bytes, key: SigningKey) -> Envelope:
    """Sign a statement."""
    return Envelope(statement, key.sign(pre_authentication_encoding(PAYLOAD_TYPE, statement)))


def _statement(subject: Subject, predicate_type: str, predicate: dict[str, Any], name: str | None = None) -> bytes:
    algorithm, _, encoded = subject.digest.partition(":")
    named = {"name": name} if name else {}
    document = {
        "_type": STATEMENT_TYPE,
        "subject": [{**named, "digest": {algorithm: encoded}}],
        "predicateType": predicate_type,
        "predicate": predicate,
    }
    try:
        made = compact(document)
    except (ValueError, UnicodeEncodeError) as error:
        raise InvalidPredicate(f"can't be written as JSON: {error}") from None
    if depth_of(document) > MAX_DEPTH:
        raise InvalidPredicate(f"is nested deeper than {MAX_DEPTH - 1} levels, which nobody would verify")
    if len(made) > LARGEST:
        raise InvalidPredicate(f"makes a statement of {len(made)} bytes, of which {LARGEST} are verified at most")
    return made


def _no_constant(name: str) -> NoReturn:
    raise InvalidPredicate(f"is no JSON: it holds {name}")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise InvalidPredicate("has a key twice in one object")
    return found
