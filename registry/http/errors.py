"""The one table from domain errors to statuses, and the one place that renders them (spec: Error Codes)."""

from __future__ import annotations

from typing import Final

import msgspec

from registry import errors
from registry.errors import RegistryError
from registry.http.reply import Headers, Reply

STATUS: Final[dict[type[RegistryError], int]] = {
    errors.NameInvalid: 400,
    errors.TagInvalid: 400,
    errors.DigestInvalid: 400,
    errors.DigestMismatch: 400,
    errors.SizeMismatch: 400,
    errors.BodyIncomplete: 400,
    errors.ContentRangeInvalid: 400,
    errors.ManifestInvalid: 400,
    errors.PageInvalid: 400,
    errors.RequestInvalid: 400,
    errors.FieldsInvalid: 400,
    errors.GrantRefused: 400,
    errors.Unauthorized: 401,
    errors.CredentialsMissing: 401,
    errors.CredentialsWrong: 401,
    errors.TokenInvalid: 401,
    errors.LoginRefused: 401,
    errors.AccessMissing: 401,
    errors.CatalogDenied: 401,
    errors.AdminDenied: 401,
    errors.AccessLost: 401,
    errors.SessionOver: 401,
    errors.SignatureInvalid: 401,
    errors.SessionRevoked: 401,
    errors.AccessDenied: 403,
    errors.TagMoveDenied: 403,
    errors.OrganisationUnknown: 403,
    errors.DelegationDenied: 403,
    errors.AdministratorNeeded: 403,
    errors.IdentityRefused: 409,
    errors.AuditDamaged: 409,
    errors.IdentityUnknown: 404,
    errors.StillReferenced: 403,
    errors.NameUnknown: 404,
    errors.BlobUnknown: 404,
    errors.UploadUnknown: 404,
    errors.ManifestUnknown: 404,
    errors.ManifestBlobUnknown: 404,
    errors.EndpointUnknown: 404,
    errors.MethodUnsupported: 405,
    errors.DeletionDisabled: 405,
    errors.BlobTooLarge: 413,
    errors.ManifestTooLarge: 413,
    errors.BodyTooLarge: 413,
    errors.MediaTypeUnsupported: 415,
    errors.ContentTypeUnsupported: 415,
    errors.RangeUnsatisfiable: 416,
    errors.UploadOutOfOrder: 416,
    errors.TooManyRequests: 429,
    errors.TooManyLogins: 429,
    errors.InternalError: 500,
    errors.Unavailable: 503,
}


def render(error: RegistryError, request_id: str, here: str) -> Reply:
    """Return the error document that the specification defines, the request's id in its detail; `here` is the request's URL."""
    document = {
        "errors": [{"code": error.code, "message": error.message, "detail": {**error.detail, "request_id": request_id}}]
    }
    content = msgspec.json.encode(document)
    return Reply(STATUS[type(error)], [("Content-Type", "application/json"), *extra_headers(error, here)], content)


def extra_headers(error: RegistryError, here: str) -> Headers:
    """Return the headers that say more than an error's status."""
    match error:
        case errors.UploadOutOfOrder():
            return [("Range", f"0-{max(error.offset - 1, 0)}"), ("Location", here)]
        case errors.RangeUnsatisfiable():
            return [("Content-Range", f"bytes */{error.size}")]
        case errors.MethodUnsupported():
            return [("Allow", ", ".join(error.allowed))]
        case errors.TooManyRequests() | errors.Unavailable():
            return [("Retry-After", str(error.retry_after))]
        case _:
            return []
