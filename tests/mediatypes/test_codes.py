"""The codes of errors are the specification's, and three more."""

from __future__ import annotations

import re

from mediatypes.codes import ErrorCode

# spec: Error Codes, code-1 to code-14
SPECIFIED = {
    "BLOB_UNKNOWN",
    "BLOB_UPLOAD_INVALID",
    "BLOB_UPLOAD_UNKNOWN",
    "DIGEST_INVALID",
    "MANIFEST_BLOB_UNKNOWN",
    "MANIFEST_INVALID",
    "MANIFEST_UNKNOWN",
    "NAME_INVALID",
    "NAME_UNKNOWN",
    "SIZE_INVALID",
    "UNAUTHORIZED",
    "DENIED",
    "UNSUPPORTED",
    "TOOMANYREQUESTS",
}


def test_every_code_is_upper_case_letters_and_underscores() -> None:
    assert all(re.fullmatch("[A-Z_]+", code.value) for code in ErrorCode)


def test_every_code_of_the_specification_is_known_and_three_more() -> None:
    codes = {code.value for code in ErrorCode}
    assert codes - SPECIFIED == {"TAG_INVALID", "UNAVAILABLE", "UNKNOWN"}
    assert codes >= SPECIFIED
