"""A certificate of a version that there isn't can't be read; nothing else becomes of it."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from conformance.sigstore.authorities import self_signed
from signing.certificates import InvalidCertificate, from_der

VERSION_3 = bytes.fromhex("a003020102")
VERSION_2 = bytes.fromhex("a003020101")


def test_a_version_that_there_is_not_is_refused() -> None:
    der = self_signed("someone").certificate.public_bytes(Encoding.DER)
    assert from_der(der)
    assert der.count(VERSION_3) == 1
    with pytest.raises(InvalidCertificate, match="no certificate that can be read"):
        from_der(der.replace(VERSION_3, VERSION_2))
