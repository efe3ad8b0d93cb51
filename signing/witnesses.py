"""What trusted parties have seen of a signature, and when: timestamp authorities (step 3) and transparency logs (step 4)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from cryptography.x509 import Certificate

from signing import certificates
from signing.authorities import Authority, KeyAuthority, KeylessAuthority
from signing.entries import Claim, Entry, must_be_of
from signing.keys import PublicKey
from signing.log import Logged, verify_entry
from signing.roots import TrustRoot
from signing.steps import Refused, Step
from signing.timestamps import verify_timestamp


@dataclass(frozen=True, slots=True)
class Material:
    """A signature and what stands beside it."""

    signed: bytes
    """The very bytes that the signature is over."""
    signature: bytes
    certificate: Certificate | None = None
    intermediates: tuple[Certificate, ...] = ()
    """Certificates of authorities that came with it."""
    hint: str | None = None
    """Which key may have signed. It selects among the trusted ones, and proves nothing."""
    entries: tuple[Entry, ...] = ()
    timestamps: tuple[bytes, ...] = ()
    """Of the signature's bytes, by RFC 3161 (TimeStampResp)."""
    payload: bytes | None = None
    """Of a DSSE envelope what is in it."""
    envelope: bytes | None = None
    """And its own bytes, where they are known."""


@dataclass(frozen=True, slots=True)
class Asked:
    """Which witnesses are asked for, and whether all that come with a signature have to hold where they can be verified."""

    log: bool = False
    timestamp: bool = False
    all: bool = False

    @classmethod
    def of(cls, authority: Authority) -> Asked:
        """Return what an authority asks for."""
        if isinstance(authority, KeyAuthority):
            return cls(authority.needs_log, authority.needs_timestamp)
        return cls(authority.needs_log, all=True) if isinstance(authority, KeylessAuthority) else cls()


@dataclass(frozen=True, slots=True)
class Seen:
    """What trusted parties have seen of a signature."""

    times: tuple[datetime, ...]
    is_logged: bool
    valid_until: datetime | None = None
    """Until when a log's key is trusted, where that had to be now; None: for ever."""

    @property
    def first(self) -> datetime | None:
        """Return the earliest of the moments; None where nobody has seen it."""
        return min(self.times, default=None)


def seen_of(
    material: Material,
    key: PublicKey,
    certificate: Certificate | None,
    root: TrustRoot,
    *,
    asked: Asked,
    now: datetime,
) -> Seen:
    """Return what the trusted parties of a root have seen of a signature. Raise Refused at step 3 or 4."""
    stamped = _timestamps(material, root, asked)
    logged = _entries(material, key, certificate, root, asked, stamped, now)
    promised = [entry.at for entry in logged if entry.at is not None]
    ends = [entry.log.period.end for entry in logged if entry.at is None and not stamped and not promised]
    return Seen((*stamped, *promised), bool(logged), min(filter(None, ends), default=None))


def _timestamps(material: Material, root: TrustRoot, asked: Asked) -> list[datetime]:
    found = []
    for response in material.timestamps:
        try:
            found.append(verify_timestamp(response, material.signature, root.timestamp_authorities))
        except Refused:
            if asked.timestamp or (asked.all and root.timestamp_authorities):
                raise
    if asked.timestamp and not found:
        raise Refused(Step.TIME, "it has no timestamp, and one is asked for")
    return found


def _entries(
    material: Material,
    key: PublicKey,
    certificate: Certificate | None,
    root: TrustRoot,
    asked: Asked,
    stamped: list[datetime],
    now: datetime,
) -> list[Logged]:
    claim = Claim(
        material.signed,
        material.signature,
        key,
        None if certificate is None else certificates.to_der(certificate),
        material.payload,
        material.envelope,
    )
    found: list[Logged] = []
    # Promises come first: they tell when the signature was seen.
    for entry in sorted(material.entries, key=lambda entry: entry.promise is None):
        try:
            logged = verify_entry(entry, root.logs)
            must_be_of(entry, claim)
            moments = stamped or [one.at for one in found if one.at is not None] or [now]
            untrusted = [at for at in moments if not logged.log.period.covers(at)]
            if logged.at is None and untrusted:
                # A proof says nothing of when: the log has to be trusted when others have seen the signature, else now.
                raise Refused(
                    Step.LOG,
                    f"the log's key was not trusted at {untrusted[0]:%Y-%m-%d %H:%M:%S}, when the signature was seen",
                )
            found.append(logged)
        except Refused as error:
            if asked.log or (asked.all and root.logs):
                raise Refused(Step.LOG, error.reason) from None
    if asked.log and not found:
        raise Refused(Step.LOG, "no entry of a transparency log comes with it, and one is asked for")
    return found
