"""That a log of certificates has seen a certificate before it was used (RFC 6962 §3.2)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Final

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509 import Certificate, ExtensionNotFound, PrecertificateSignedCertificateTimestamps
from cryptography.x509.certificate_transparency import LogEntryType, SignedCertificateTimestamp

from signing.certificates import Untrusted
from signing.keys import InvalidKey, PublicKey
from signing.roots import Log

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)
MOST_TIMESTAMPS: Final = 8


def must_be_logged(certificate: Certificate, issuer: Certificate, logs: Iterable[Log]) -> None:
    """Raise Untrusted where no trusted log has signed a timestamp of this certificate that is embedded in it."""
    try:
        extension = certificate.extensions.get_extension_for_class(PrecertificateSignedCertificateTimestamps)
        timestamps = list(extension.value)
    except ExtensionNotFound:
        timestamps = []
    if not timestamps:
        raise Untrusted("no log of certificates has seen it (it has no signed certificate timestamp)")
    try:
        issuing_key = PublicKey.of(issuer)
    except InvalidKey as error:
        raise Untrusted(f"its issuer {error}") from None
    known = {log.id: log for log in logs}
    for timestamp in timestamps[:MOST_TIMESTAMPS]:
        log = known.get(timestamp.log_id)
        if log is not None and _is_of(timestamp, certificate, issuing_key, log):
            return
    raise Untrusted("no trusted log of certificates has seen it (its signed certificate timestamps are not of one)")


def _is_of(timestamp: SignedCertificateTimestamp, certificate: Certificate, issuing_key: PublicKey, log: Log) -> bool:
    if timestamp.entry_type is not LogEntryType.PRE_CERTIFICATE:
        return False
    if not isinstance(timestamp.signature_hash_algorithm, SHA256):
        return False
    at = timestamp.timestamp.replace(tzinfo=UTC)
    content = certificate.tbs_precertificate_bytes
    extensions = timestamp.extension_bytes
    stated = b"".join(
        (
            b"\x00\x00",  # version 1, certificate_timestamp
            ((at - _EPOCH) // _MILLISECOND).to_bytes(8, "big"),
            b"\x00\x01",  # precert_entry
            hashlib.sha256(issuing_key.der).digest(),
            len(content).to_bytes(3, "big"),
            content,
            len(extensions).to_bytes(2, "big"),
            extensions,
        )
    )
    return log.period.covers(at) and log.key.has_signed(stated, timestamp.signature)
