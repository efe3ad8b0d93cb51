"""Domain errors: sentences that carry a code of the specification. `http/errors.py` alone knows their statuses.

RegistryError
├── NameInvalid  NameUnknown  TagInvalid
├── DigestInvalid  DigestMismatch  SizeMismatch
├── BlobUnknown  RangeUnsatisfiable
├── UploadUnknown  UploadOutOfOrder  ContentRangeInvalid  BodyIncomplete
├── JobUnknown
├── ManifestUnknown  ManifestInvalid: ManifestNonconforming  ManifestTooLarge  ManifestBlobUnknown  MediaTypeUnsupported
├── StillReferenced  DeletionDisabled  AccessDenied: StageDenied  TagMoveDenied  TagImmutable  TagProtected  NotAdmitted
├── OrganisationUnknown  AuditDamaged
├── StageUnknown  StageMoved  PromotionRefused
├── IdentityRefused: IdentityUnknown
├── DelegationDenied  GrantRefused
├── Unauthorized: CredentialsMissing  CredentialsWrong  CredentialsContradict  TokenInvalid  LoginRefused
│                 AccessMissing: NotAdmittedYet  CatalogDenied  AdminDenied  AccessLost  SignatureInvalid
│                 SessionOver: SessionRevoked
├── PageInvalid  EndpointUnknown  MethodUnsupported  BodyTooLarge  ContentTypeUnsupported  AdministratorNeeded
├── RequestInvalid: FieldsInvalid  QueryInvalid  SchemaRefused  PolicyRefused  TrustRootRefused
├── TooManyRequests: TooManyLogins
└── InternalError  Unavailable
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import ClassVar, Final
from uuid import UUID

from mediatypes.codes import ErrorCode

_SHOWN: Final = 10  # violations that a message tells


class RegistryError(Exception):
    """A request can't be done: what happened, to what, and what to do. `detail` is JSON for the client's program."""

    code: ClassVar[ErrorCode]

    def __init__(self, message: str, detail: Mapping[str, object] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.detail: dict[str, object] = dict(detail or {})


class NameInvalid(RegistryError):
    code = ErrorCode.NAME_INVALID

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"repository name {_shown(name)} {reason}", {"name": _cut(name)})


class NameUnknown(RegistryError):
    code = ErrorCode.NAME_UNKNOWN

    def __init__(self, name: str) -> None:
        super().__init__(f"repository {name} does not exist; a first push creates it", {"name": name})


class TagInvalid(RegistryError):
    code = ErrorCode.TAG_INVALID

    def __init__(self, tag: str, reason: str) -> None:
        super().__init__(f"tag {_shown(tag)} {reason}", {"tag": _cut(tag)})


class DigestInvalid(RegistryError):
    code = ErrorCode.DIGEST_INVALID

    def __init__(self, digest: str, reason: str) -> None:
        super().__init__(f"digest {_shown(digest)} {reason}", {"digest": _cut(digest)})


class DigestMismatch(RegistryError):
    """The bytes received are not those that the digest names. Nothing of them is kept."""

    code = ErrorCode.DIGEST_INVALID

    def __init__(self, expected: str, actual: str) -> None:
        super().__init__(
            f"the content received has the digest {actual}, not {expected}; nothing was stored, send it again",
            {"expected": expected, "actual": actual},
        )


class SizeMismatch(RegistryError):
    code = ErrorCode.SIZE_INVALID

    def __init__(self, announced: int, received: int) -> None:
        super().__init__(
            f"{announced} bytes were announced and {received} received; resume or start again",
            {"announced": announced, "received": received},
        )


class BlobUnknown(RegistryError):
    code = ErrorCode.BLOB_UNKNOWN

    def __init__(self, name: str, digest: str) -> None:
        super().__init__(
            f"blob {digest} is not in repository {name}; push or mount it first", {"name": name, "digest": digest}
        )


class RangeUnsatisfiable(RegistryError):
    code = ErrorCode.SIZE_INVALID

    def __init__(self, requested: str, size: int) -> None:
        super().__init__(
            f"range {_shown(requested)} selects nothing of {size} bytes", {"range": _cut(requested), "size": size}
        )
        self.size = size


class UploadUnknown(RegistryError):
    code = ErrorCode.BLOB_UPLOAD_UNKNOWN

    def __init__(self, name: str, upload: str) -> None:
        super().__init__(
            f"upload {_shown(upload)} of repository {name} is finished, cancelled, expired or never was; start a new one",
            {"name": name, "upload": _cut(upload)},
        )


class UploadOutOfOrder(RegistryError):
    """A chunk that doesn't begin where the upload stands, or that another request is just writing (spec: end-5, 416)."""

    code = ErrorCode.BLOB_UPLOAD_INVALID

    def __init__(self, reason: str, *, offset: int) -> None:
        super().__init__(f"{reason}; the upload holds {offset} bytes, go on from there", {"offset": offset})
        self.offset = offset


class ContentRangeInvalid(RegistryError):
    code = ErrorCode.BLOB_UPLOAD_INVALID

    def __init__(self, content_range: str, reason: str) -> None:
        super().__init__(f"Content-Range {_shown(content_range)} {reason}", {"content_range": _cut(content_range)})


class BodyIncomplete(RegistryError):
    """The client vanished, or sent fewer bytes than it announced. What arrived is kept for resuming."""

    code = ErrorCode.SIZE_INVALID

    def __init__(self) -> None:
        super().__init__("the request ended before its body was complete; ask for the upload's status and resume")


class ManifestUnknown(RegistryError):
    code = ErrorCode.MANIFEST_UNKNOWN

    def __init__(self, name: str, reference: str) -> None:
        super().__init__(
            f"manifest {reference} is not in repository {name}; list the repository's tags, or push it",
            {"name": name, "reference": _cut(reference)},
        )


class NotDescribed(RegistryError):
    """A manifest of which nobody has found out yet what it is."""

    code = ErrorCode.UNSUPPORTED

    def __init__(self, name: str, reference: str) -> None:
        super().__init__(
            f"what is in {_shown(reference)} of {_shown(name)} is not known yet: that is found out a moment after the push;"
            " /api/v1/jobs tells how far it is",
            {"name": _cut(name), "reference": _cut(reference)},
        )


class NotQuarantined(RegistryError):
    """An artifact is to be released that is in no quarantine, or was released before."""

    code = ErrorCode.DENIED

    def __init__(self, name: str, digest: str) -> None:
        super().__init__(
            f"{digest} of {name} is not in quarantine; /api/v1/quarantine lists what is",
            {"name": name, "digest": digest},
        )


class FileUnknown(RegistryError):
    """A path that is none of an artifact's files."""

    code = ErrorCode.UNSUPPORTED

    def __init__(self, path: str) -> None:
        super().__init__(
            f"the artifact has no file {_shown(path)}; its files are listed by …/files", {"path": _cut(path)}
        )


class FileUnreachable(RegistryError):
    """A file whose bytes are not handed out by themselves; the reason completes “the file …”."""

    code = ErrorCode.UNSUPPORTED

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"the file {_shown(path)} {reason}; pull the layer instead", {"path": _cut(path)})


class TensorUnknown(RegistryError):
    """A name that is none of a file's tensors, or of one that doesn't lie in the file as it is."""

    code = ErrorCode.UNSUPPORTED

    def __init__(self, path: str, name: str) -> None:
        super().__init__(
            f"the file {_shown(path)} has no tensor {_shown(name)} whose bytes lie in it in one piece; …/tensors lists them",
            {"path": _cut(path), "tensor": _cut(name)},
        )


class JobUnknown(RegistryError):
    code = ErrorCode.DENIED

    def __init__(self, job_id: int) -> None:
        super().__init__(
            f"there is no job {job_id}, or you may not pull from its repository; jobs are forgotten a week after their end",
            {"id": job_id},
        )


class ManifestInvalid(RegistryError):
    code = ErrorCode.MANIFEST_INVALID

    def __init__(self, reason: str, detail: Mapping[str, object] | None = None) -> None:
        super().__init__(f"the manifest {reason}", detail)


class ManifestNonconforming(ManifestInvalid):
    """A manifest does not conform to schemas that are enforced: `violations` have pointer, rule, message and schema."""

    def __init__(self, name: str, violations: Sequence[Mapping[str, str]]) -> None:
        lines = [
            f"{_cut(one['pointer']) or 'the config'} {one['message']} ({schema_shown(one['schema'])})"
            for one in violations[:_SHOWN]
        ]
        more = f"; and {len(violations) - _SHOWN} more" if len(violations) > _SHOWN else ""
        super().__init__(
            f"does not conform to the schemas of repository {name}, and was not stored: {_plain('; '.join(lines))}{more}",
            {"violations": [dict(one) for one in violations]},
        )


class ManifestTooLarge(RegistryError):
    code = ErrorCode.SIZE_INVALID

    def __init__(self, limit: int) -> None:
        super().__init__(f"the manifest is larger than {limit} bytes; put what is large into a blob", {"limit": limit})


class BlobTooLarge(RegistryError):
    code = ErrorCode.SIZE_INVALID

    def __init__(self, limit: int) -> None:
        super().__init__(
            f"the storage takes no more than {limit} bytes of this upload; more of a blob that is pushed in one request with"
            " a Content-Length, or by part_sizes=growing in BLACKLAKE_STORAGE",
            {"limit": limit},
        )


class ManifestBlobUnknown(RegistryError):
    """A manifest names content that its repository doesn't hold; the detail lists all of it."""

    code = ErrorCode.MANIFEST_BLOB_UNKNOWN

    def __init__(self, name: str, missing: Sequence[str]) -> None:
        shown = ", ".join(missing[:3]) + (f" and {len(missing) - 3} more" if len(missing) > 3 else "")
        super().__init__(
            f"the manifest names content that repository {name} does not hold: {shown}; push it first",
            {"missing": list(missing)},
        )


class MediaTypeUnsupported(RegistryError):
    code = ErrorCode.MANIFEST_INVALID

    def __init__(self, media_type: str, supported: Iterable[str]) -> None:
        listed = list(supported)
        super().__init__(
            f"Content-Type {_shown(media_type)} is not that of a manifest; send one of {', '.join(listed)}",
            {"content_type": _cut(media_type), "supported": listed},
        )


class StillReferenced(RegistryError):
    code = ErrorCode.DENIED

    def __init__(self, digest: str, users: Sequence[str]) -> None:
        super().__init__(
            f"{digest} is still used in its repository; delete the manifests that use it first",
            {"digest": digest, "used_by": list(users)},
        )


class DeletionDisabled(RegistryError):
    code = ErrorCode.UNSUPPORTED

    def __init__(self) -> None:
        super().__init__("deletion is switched off here (BLACKLAKE_DELETE=off)")


class AccessDenied(RegistryError):
    code = ErrorCode.DENIED


class OrganisationUnknown(RegistryError):
    """A push never creates an organisation."""

    code = ErrorCode.DENIED

    def __init__(self, name: str) -> None:
        super().__init__(
            f"there is no organisation {name}; an administrator adds it by `blacklake admin org add {name}`",
            {"organisation": name},
        )


class TagMoveDenied(RegistryError):
    """A tag names another manifest, and the caller may only make new ones."""

    code = ErrorCode.DENIED

    def __init__(self, name: str, tags: Sequence[str]) -> None:
        super().__init__(
            f"{', '.join(tags)} of {name} names another manifest, and you may not move tags there; push under a new one",
            {"name": name, "tags": list(tags)},
        )


class NotAdmitted(RegistryError):
    """Policies refuse an artifact: `verdicts` are those that do, each with policy, version and reasons."""

    code = ErrorCode.DENIED

    def __init__(self, what: str, verdicts: Sequence[Mapping[str, object]], *, lines: Sequence[str]) -> None:
        """Say `what` is refused, in words, and by `lines` why."""
        super().__init__(
            "\n".join([f"{what} is not admitted:", *map(_plain, lines)]), {"verdicts": [dict(one) for one in verdicts]}
        )


class TagImmutable(RegistryError):
    """A tag would name another manifest, or none, and a rule says that it never does."""

    code = ErrorCode.DENIED

    def __init__(self, name: str, tag: str, *, pattern: str, target: str) -> None:
        super().__init__(
            f"tag {tag} of {name} is immutable, by the rule {pattern} on {target}: it always names what it named first;"
            " push under a new tag",
            {"name": name, "tag": tag, "pattern": pattern, "target": target},
        )


class TagProtected(RegistryError):
    """A tag would be made, moved or deleted by somebody whom its rule doesn't name."""

    code = ErrorCode.DENIED

    def __init__(self, name: str, tag: str, *, pattern: str, target: str) -> None:
        super().__init__(
            f"tag {tag} of {name} is protected, by the rule {pattern} on {target}: promotions and those whom the rule names"
            " move it; promote to its stage, or ask one of them",
            {"name": name, "tag": tag, "pattern": pattern, "target": target},
        )


class StageUnknown(RegistryError):
    """A repository has no such stage."""

    code = ErrorCode.DENIED

    def __init__(self, name: str, stage: str, stages: Sequence[str]) -> None:
        said = f"its stages are {', '.join(stages)}" if stages else "nobody has set stages for it"
        super().__init__(
            f"{name} has no stage {_shown(stage)}; {said}", {"name": name, "stage": _cut(stage), "stages": list(stages)}
        )


class StageDenied(AccessDenied):
    """Somebody may not promote into a stage."""

    def __init__(self, name: str, stage: str, who: str) -> None:
        super().__init__(
            f"you may not promote into stage {stage} of {name}: that is for {who}; ask one of them",
            {"name": name, "stage": stage},
        )


class StageMoved(RegistryError):
    """A stage names something else than the caller thinks; `now` is None where it names nothing."""

    code = ErrorCode.DENIED

    def __init__(self, name: str, stage: str, *, expected: str | None, now: str | None) -> None:
        super().__init__(
            f"stage {stage} of {name} names {now or 'nothing'} now, not {expected or 'nothing'}; look at its history, and"
            " decide again",
            {"name": name, "stage": stage, "expected": expected, "now": now},
        )


class PromotionRefused(RegistryError):
    """A promotion, or a rollback, that makes no sense as things are."""

    code = ErrorCode.DENIED


class IdentityRefused(RegistryError):
    """Something about users, organisations or grants that can't be done."""

    code = ErrorCode.DENIED


class AuditDamaged(RegistryError):
    """Something that was sealed in the audit log is not what it was."""

    code = ErrorCode.DENIED

    def __init__(self, batch: int) -> None:
        super().__init__(
            f"batch {batch} of the audit log is missing or not as it was sealed, and nothing from there on was deleted;"
            " run `blacklake admin audit verify`",
            {"batch": batch},
        )


class IdentityUnknown(IdentityRefused):
    """There is no such user, robot, team or organisation."""


class DelegationDenied(RegistryError):
    """Somebody would give or take away rights that aren't his to give. It is not said whether there is such an organisation."""

    code = ErrorCode.DENIED

    def __init__(self, target: str, permissions: Sequence[str] = ()) -> None:
        what = f"whoever holds {', '.join(permissions)} on all of it himself" if permissions else "who may grant there"
        super().__init__(
            f"rights on {target} are changed by its organisation's administrators and by {what}; ask one of them",
            {"target": target, "permissions": list(permissions)},
        )


class AdministratorNeeded(RegistryError):
    """Only who may do everything in the registry may do this."""

    code = ErrorCode.DENIED

    def __init__(self) -> None:
        super().__init__("this is for the registry's administrators; ask one of them")


class Unauthorized(RegistryError):
    """Credentials are missing, wrong or not enough: the client may come back with others (RFC 6750 §3).

    `problem` is RFC 6750's word for what is wrong with the token, if one was sent; `scopes` are what a token must permit.
    """

    code = ErrorCode.UNAUTHORIZED
    problem: ClassVar[str | None] = None

    def __init__(self, message: str, detail: Mapping[str, object] | None = None, *, scopes: Sequence[str] = ()) -> None:
        super().__init__(message, detail)
        self.scopes = tuple(scopes)


class CredentialsMissing(Unauthorized):
    def __init__(self, scopes: Sequence[str] = ()) -> None:
        super().__init__("this needs a token: log in first", scopes=scopes)


class CredentialsWrong(Unauthorized):
    """It is not said what is wrong: whoever guesses learns nothing. `principal` is for the audit log, where there is one."""

    def __init__(self, principal: str | None = None) -> None:
        super().__init__("there is no such user with this password or key")
        self.principal = principal


class CredentialsContradict(Unauthorized):
    def __init__(self, principal: str) -> None:
        super().__init__(
            f"the proxy says that you are {principal}, and the credentials that you sent are somebody else's;"
            " send those of the same user, or none"
        )
        self.principal = principal


class TokenInvalid(Unauthorized):
    problem = "invalid_token"

    def __init__(self, reason: str) -> None:
        super().__init__(f"the token {reason}; ask for a new one")


class LoginRefused(Unauthorized):
    """A login by an issuer of identities that didn't lead to anybody."""


class AccessMissing(Unauthorized):
    """It is not said whether there is such a repository."""

    problem = "insufficient_scope"

    def __init__(self, name: str, actions: Sequence[str]) -> None:
        listed = ",".join(actions)
        super().__init__(
            f"repository {name} is not there, or needs a right to {listed} that you, or your token, don't have",
            {"name": name, "actions": list(actions)},
            scopes=[f"repository:{name}:{listed}"],
        )


class NotAdmittedYet(AccessMissing):
    """Policies refuse an artifact, and who may push to its repository reads it nevertheless: by a token that says so."""

    def __init__(self, name: str, refused: NotAdmitted) -> None:
        super().__init__(name, ("pull", "push"))
        self.message = f"{refused.message}\nwho may push reads it by a token for pull and push"
        self.args = (self.message,)
        self.detail |= refused.detail


class CatalogDenied(Unauthorized):
    problem = "insufficient_scope"

    def __init__(self) -> None:
        super().__init__("the catalog needs a token that permits it", scopes=["registry:catalog:*"])


class AdminDenied(Unauthorized):
    """An access token, or a limited key, without the scope of the admin API."""

    problem = "insufficient_scope"

    def __init__(self) -> None:
        super().__init__("the admin API needs a token or an API key that permits it", scopes=["registry:admin:*"])


class AccessLost(Unauthorized):
    """A principal that its token names is disabled, or is no more."""

    problem = "invalid_token"

    def __init__(self, principal: str) -> None:
        super().__init__(f"{principal} may not use this registry any more")


class SessionOver(Unauthorized):
    """A refresh token is none, or no longer one; it is not said which."""

    def __init__(self) -> None:
        super().__init__("the session has ended; log in again")


class SessionRevoked(SessionOver):
    """A refresh token came back after a newer one was used: one of the two is stolen. The session has just been revoked."""

    def __init__(self, session: UUID, principal_id: int, principal: str) -> None:
        super().__init__()
        self.session = session
        self.principal_id = principal_id
        self.principal = principal


class SignatureInvalid(Unauthorized):
    def __init__(self, reason: str) -> None:
        super().__init__(f"the request's signature {reason}")


class PageInvalid(RegistryError):
    code = ErrorCode.UNSUPPORTED

    def __init__(self, parameter: str, value: str, reason: str) -> None:
        super().__init__(f"{parameter}={_cut(value)} {reason}", {"parameter": parameter, "value": _cut(value)})


class EndpointUnknown(RegistryError):
    code = ErrorCode.UNSUPPORTED

    def __init__(self, path: str) -> None:
        super().__init__(f"there is nothing at {_shown(path)}; the registry's API begins at /v2/", {"path": _cut(path)})


class MethodUnsupported(RegistryError):
    code = ErrorCode.UNSUPPORTED

    def __init__(self, method: str, allowed: Sequence[str]) -> None:
        super().__init__(
            f"{_cut(method)} is not possible here; possible are {', '.join(allowed)}", {"allowed": list(allowed)}
        )
        self.allowed = tuple(allowed)


class RequestInvalid(RegistryError):
    """A request that is no request of the specification: its query, its headers or its body can't be read."""

    code = ErrorCode.UNSUPPORTED


class FieldsInvalid(RequestInvalid):
    """Fields of a body, or parameters of a query, that are missing, unknown or not what they must be: each, and why."""

    def __init__(self, fields: Mapping[str, str]) -> None:
        said = "; ".join(f"{_cut(name)}: {why}" for name, why in list(fields.items())[:5])
        super().__init__(
            f"the request has fields that can't be taken: {said}",
            {"fields": {_cut(name): why for name, why in list(fields.items())[:20]}},
        )


class QueryInvalid(RequestInvalid):
    """A query for artifacts that can't be read: where, counted in characters from 0, and what is possible there."""

    def __init__(
        self, why: str, *, at: int, what: str | None = None, possible: Iterable[str] = (), suggestion: str | None = None
    ) -> None:
        choices = list(possible)
        said = f"{_shown(what)} {why}" if what is not None else f"it {why}"
        said += f"; possible: {', '.join(choices)}" if choices else ""
        said += f"; did you mean {suggestion}" if suggestion else ""
        super().__init__(
            f"the query can't be read at character {at + 1}: {said}",
            {"parameter": "q", "at": at, "possible": choices, "suggestion": suggestion},
        )


class BodyTooLarge(RegistryError):
    code = ErrorCode.SIZE_INVALID

    def __init__(self, limit: int) -> None:
        super().__init__(f"the request's body is larger than {limit} bytes", {"limit": limit})


class ContentTypeUnsupported(RegistryError):
    code = ErrorCode.UNSUPPORTED

    def __init__(self, content_type: str) -> None:
        super().__init__(
            f"Content-Type {_shown(content_type)} is not taken here; send application/json",
            {"content_type": _cut(content_type)},
        )


class SchemaRefused(RequestInvalid):
    """A document that can't be a schema; `pointer` is where (RFC 6901)."""

    def __init__(self, pointer: str, reason: str) -> None:
        super().__init__(
            f"the schema can't be taken: {_plain(pointer[:512]) or 'it'} {_plain(reason)}",
            {"pointer": pointer[:512], "reason": reason},
        )


class PolicyRefused(RequestInvalid):
    """A document that can't be a policy: where (RFC 6901) and why, each."""

    def __init__(self, problems: Sequence[tuple[str, str]]) -> None:
        said = "; ".join(f"{_plain(pointer[:512]) or 'it'} {_plain(message)}" for pointer, message in problems[:_SHOWN])
        super().__init__(
            f"the policy can't be taken: {said}",
            {"problems": [{"pointer": pointer[:512], "message": message} for pointer, message in problems]},
        )


class TrustRootRefused(RequestInvalid):
    """A document that can't be a trust root."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"the trust root can't be taken: {_plain(reason)}", {"reason": reason})


class GrantRefused(RegistryError):
    """No token for this: `error` is the word for it of RFC 6749 §5.2, RFC 8693 §2.2.2 or RFC 8628 §3.5."""

    code = ErrorCode.UNSUPPORTED

    def __init__(self, error: str, message: str) -> None:
        super().__init__(message, {"error": error})
        self.error = error


class IdentityUnfit(GrantRefused):
    """The token of an issuer stands for nobody here, or no longer (RFC 8693 §2.2.2)."""

    def __init__(self, message: str) -> None:
        super().__init__("invalid_request", message)


class TooManyRequests(RegistryError):
    code = ErrorCode.TOOMANYREQUESTS

    def __init__(self, retry_after: int) -> None:
        super().__init__(f"too many requests; try again in {retry_after} seconds", {"retry_after": retry_after})
        self.retry_after = retry_after


class TooManyLogins(TooManyRequests):
    """Too many logins have failed, of a user or from a network; who exists and who doesn't is told the same."""

    def __init__(self, retry_after: int) -> None:
        super().__init__(retry_after)
        self.message = (
            f"too many logins have failed; try again in {retry_after} seconds, from where you have logged in before, or by an"
            " API key"
        )


class InternalError(RegistryError):
    """A defect of the server: the log has the request's id and the cause."""

    code = ErrorCode.UNKNOWN

    def __init__(self) -> None:
        super().__init__("the server failed on this request; its log tells why, under the request's id")


class Unavailable(RegistryError):
    """The database or the storage doesn't answer now; nothing was acknowledged, the same request may succeed later."""

    code = ErrorCode.UNAVAILABLE

    def __init__(self, what: str, retry_after: int = 1) -> None:
        super().__init__(f"{what} is unavailable at the moment; try again", {"retry_after": retry_after})
        self.retry_after = retry_after


def _cut(text: str) -> str:
    return text if len(text) <= 128 else text[:128] + "…"


def schema_shown(urn: str) -> str:
    """Return a schema's `$id` as people write it: acme/review/1.0.0."""
    return urn.removeprefix("urn:blacklake:schema:").replace(":", "/")


def _plain(text: str) -> str:
    """Return a text without what would steer a terminal."""
    return "".join(letter if letter.isprintable() else f"\\x{ord(letter):02x}" for letter in text)


def _shown(text: str) -> str:
    return f"“{_cut(text)}”"
