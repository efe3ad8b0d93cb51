"""The one table from domain errors to statuses, and the one place that renders them (spec: Error Codes)."""

from __future__ import annotations

from collections.abc import Mapping
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
    errors.ManifestNonconforming: 400,
    errors.PageInvalid: 400,
    errors.RequestInvalid: 400,
    errors.FieldsInvalid: 400,
    errors.QueryInvalid: 400,
    errors.SchemaRefused: 400,
    errors.PolicyRefused: 400,
    errors.TrustRootRefused: 400,
    errors.GrantRefused: 400,
    errors.IdentityUnfit: 400,
    errors.Unauthorized: 401,
    errors.CredentialsMissing: 401,
    errors.CredentialsWrong: 401,
    errors.CredentialsContradict: 401,
    errors.TokenInvalid: 401,
    errors.LoginRefused: 401,
    errors.AccessMissing: 401,
    errors.NotAdmittedYet: 401,
    errors.CatalogDenied: 401,
    errors.AdminDenied: 401,
    errors.AccessLost: 401,
    errors.SessionOver: 401,
    errors.SignatureInvalid: 401,
    errors.SessionRevoked: 401,
    errors.AccessDenied: 403,
    errors.TagMoveDenied: 403,
    errors.NotAdmitted: 403,
    errors.TagImmutable: 403,
    errors.TagProtected: 403,
    errors.StageDenied: 403,
    errors.OrganisationUnknown: 403,
    errors.DelegationDenied: 403,
    errors.AdministratorNeeded: 403,
    errors.IdentityRefused: 409,
    errors.AuditDamaged: 409,
    errors.PromotionRefused: 409,
    errors.StageUnknown: 404,
    errors.StageMoved: 412,
    errors.IdentityUnknown: 404,
    errors.StillReferenced: 403,
    errors.NameUnknown: 404,
    errors.BlobUnknown: 404,
    errors.UploadUnknown: 404,
    errors.JobUnknown: 404,
    errors.NotDescribed: 404,
    errors.NotQuarantined: 409,
    errors.FileUnknown: 404,
    errors.FileUnreachable: 404,
    errors.TensorUnknown: 404,
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

_NOTHING: Final[Mapping[str, str]] = {}
# What a description may not hold, and what stands for it.
_DESCRIBED: Final = {"“": "'", "”": "'", '"': "'", "\\": "/", "…": "..."}


def render(error: RegistryError, request_id: str, here: str, beside: Mapping[str, str] = _NOTHING) -> Reply:
    """Return the error document that the specification defines, the request's id in its detail; `here` is the request's URL.

    `beside` are members that stand beside the list of errors.
    """
    listed = [{"code": error.code, "message": error.message, "detail": {**error.detail, "request_id": request_id}}]
    content = msgspec.json.encode({**beside, "errors": listed})
    return Reply(STATUS[type(error)], [("Content-Type", "application/json"), *extra_headers(error, here)], content)


def render_for_oauth(error: RegistryError, request_id: str, here: str) -> Reply:
    """Return what `render` does, which also says what clients of OAuth2 look for (RFC 6749 §5.2)."""
    word = _oauth_word(error)
    described = "".join(_DESCRIBED.get(letter, letter) for letter in error.message)
    described = "".join(letter for letter in described if letter.isascii() and letter.isprintable())
    reply = render(error, request_id, here, {"error": word, "error_description": described})
    reply.headers.append(("Cache-Control", "no-store"))
    return reply


def _oauth_word(error: RegistryError) -> str:
    if isinstance(error, errors.GrantRefused):
        return error.error
    if isinstance(error, errors.Unauthorized):
        return "invalid_grant"
    # Both are words of another endpoint of OAuth2 (RFC 6749 §4.1.2.1), whose meaning is this.
    if isinstance(error, (errors.TooManyRequests, errors.Unavailable)):
        return "temporarily_unavailable"
    return "server_error" if isinstance(error, errors.InternalError) else "invalid_request"


def status_of_page(error: RegistryError) -> int:
    """Return the status of the page that shows an error.

    401 goes with a challenge (RFC 9110 §15.5.2), by which browsers ask for a name and a password in a window of their own:
    whoever is refused at a form of ours gets 403 (§15.5.4: the credentials that were provided are not enough).
    """
    status = STATUS[type(error)]
    return 403 if status == 401 else status


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
