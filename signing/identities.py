"""Whether a certificate is of whom an authority asks for. Nothing is folded, normalised or cut before it is compared."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from cryptography.x509 import Certificate, Name

from signing import certificates
from signing.authorities import Identity
from signing.certificates import InvalidCertificate
from signing.patterns import InvalidPattern, compiled
from signing.steps import Refused, Step

_SPACES: Final = re.compile(r"(?<!\\)([,+])\s+")
_STATE: Final = re.compile(r"(^|(?<!\\)[,+])S=")


def identify(certificate: Certificate, wanted: Iterable[Identity], *, is_single: bool) -> tuple[str | None, str | None]:
    """Return the identity and the issuer of a certificate that is of one of those wanted; without any it is of anybody.

    `is_single` asks that the certificate names exactly one identity, as those of Fulcio do. Raise Refused.
    """
    try:
        found, issuer = certificates.identities(certificate), certificates.issuer(certificate)
    except InvalidCertificate as error:
        raise Refused(Step.IDENTITY, f"its certificate {error}") from None
    if is_single and len(found) != 1:
        raise Refused(Step.IDENTITY, f"its certificate names {len(found)} identities; exactly one is read")
    wanted = tuple(wanted)
    if not wanted:
        return (found[0] if found else None), issuer
    try:
        for identity in found or (None,):
            if any(fits(each, identity, issuer) for each in wanted):
                return identity, issuer
    except InvalidPattern as error:
        raise Refused(Step.IDENTITY, f"a pattern that is asked for {error}") from None
    by = ", ".join(ascii(each) for each in found[:4]) or "nobody who is named"
    raise Refused(Step.IDENTITY, f"it is signed by {by:.400} (issuer {issuer!a:.200}), who is not asked for")


def fits(wanted: Identity, identity: str | None, issuer: str | None) -> bool:
    """Say whether an identity and its issuer are those wanted. One that asks for nothing fits nobody."""
    asked = [
        (wanted.identity, identity, False),
        (wanted.identity_pattern, identity, True),
        (wanted.issuer, issuer, False),
        (wanted.issuer_pattern, issuer, True),
    ]
    given = [(value, found, is_pattern) for value, found, is_pattern in asked if value is not None]
    return bool(given) and all(
        found is not None and (matches(value, found) if is_pattern else value == found)
        for value, found, is_pattern in given
    )


def must_have_subject(certificate: Certificate, subjects: Iterable[str]) -> None:
    """Raise Refused where subjects are asked for and a certificate's has all attributes of none of them."""
    asked = [_wanted(text) for text in subjects]
    found = set(certificate.subject)
    if asked and not any(set(subject) <= found for subject in asked):
        raise Refused(
            Step.IDENTITY, f"it is signed by {certificate.subject.rfc4514_string()!a:.400}, who is not asked for"
        )


def subject_of(text: str) -> Name:
    """Read a distinguished name (RFC 4514). Raise ValueError.

    Trust policies of the Notary Project have spaces behind commas, as RFC 2253 allowed, and S for ST.
    """
    return Name.from_rfc4514_string(_STATE.sub(r"\1ST=", _SPACES.sub(r"\1", text.strip())))


def _wanted(text: str) -> Name:
    try:
        subject = subject_of(text)
    except ValueError:
        raise Refused(Step.IDENTITY, f"{text!a:.200} is asked for, and no distinguished name (RFC 4514)") from None
    if not len(subject):
        raise Refused(Step.IDENTITY, "a distinguished name without attributes is asked for, which would be anybody's")
    return subject


def matches(pattern: str, text: str) -> bool:
    """Say whether a pattern (RE2) matches the whole of a text. Raise InvalidPattern."""
    try:
        return compiled(pattern).fullmatch(text) is not None
    except UnicodeEncodeError:
        return False
