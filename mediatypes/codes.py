"""The error codes of the OCI distribution specification (spec: Error Codes) and the two that its clients also know."""

from enum import StrEnum


class ErrorCode(StrEnum):
    """A `code` of the specification's error document."""

    BLOB_UNKNOWN = "BLOB_UNKNOWN"  # code-1
    BLOB_UPLOAD_INVALID = "BLOB_UPLOAD_INVALID"  # code-2
    BLOB_UPLOAD_UNKNOWN = "BLOB_UPLOAD_UNKNOWN"  # code-3
    DIGEST_INVALID = "DIGEST_INVALID"  # code-4
    MANIFEST_BLOB_UNKNOWN = "MANIFEST_BLOB_UNKNOWN"  # code-5
    MANIFEST_INVALID = "MANIFEST_INVALID"  # code-6
    MANIFEST_UNKNOWN = "MANIFEST_UNKNOWN"  # code-7
    NAME_INVALID = "NAME_INVALID"  # code-8
    NAME_UNKNOWN = "NAME_UNKNOWN"  # code-9
    SIZE_INVALID = "SIZE_INVALID"  # code-10
    UNAUTHORIZED = "UNAUTHORIZED"  # code-11
    DENIED = "DENIED"  # code-12
    UNSUPPORTED = "UNSUPPORTED"  # code-13
    TOOMANYREQUESTS = "TOOMANYREQUESTS"  # code-14
    # Not in the specification; Docker's registry introduced them and its clients understand them.
    TAG_INVALID = "TAG_INVALID"
    UNAVAILABLE = "UNAVAILABLE"
    UNKNOWN = "UNKNOWN"
