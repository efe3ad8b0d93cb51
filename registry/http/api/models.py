"""Bodies and parameters of the admin API. Unknown fields are refused: nobody gets what he wasn't meant to set."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Final, Generic, Literal, TypeVar
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, StringConstraints

from registry.core.access import Permission

Item = TypeVar("Item")

LONGEST_PAGE: Final = 1000
_LONGEST_LIFE: Final = 10 * 366 * 86_400  # seconds
BIGGEST: Final = 2**63 - 1
"""Of the numbers that the database keeps."""


def _plain(text: str) -> str:
    if any(letter < " " or letter == "\x7f" for letter in text):
        raise ValueError("may not hold control characters")
    return text


_PLAIN: Final = {"pattern": r"^[^\x00-\x1f\x7f]*$"}
Text = Annotated[str, StringConstraints(max_length=512), AfterValidator(_plain), Field(json_schema_extra=_PLAIN)]
Permitted = Annotated[Text, Field(json_schema_extra={"enum": [*Permission]})]
"""What one may do with a repository; another word is refused by whoever decides."""
Seconds = Annotated[int, Field(ge=60, le=_LONGEST_LIFE)]


class Taken(BaseModel):
    """A request's body: exactly these fields, of exactly these types."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Asking(BaseModel):
    """A request's query."""

    model_config = ConfigDict(extra="forbid")


class Paging(Asking):
    """Which page of a list is asked for: that which begins after an item."""

    after: Text = ""
    limit: Annotated[int, Field(ge=1, le=LONGEST_PAGE)] = 100


class NumberedPaging(Asking):
    """Which page of a list is asked for whose items have numbers."""

    after: Annotated[int, Field(ge=0, le=BIGGEST)] = 0
    limit: Annotated[int, Field(ge=1, le=LONGEST_PAGE)] = 100


class Page(BaseModel, Generic[Item]):
    """A page of a list. `next` is the `after` of the next one, null where this is the last."""

    items: list[Item]
    next: str | None


class Me(BaseModel):
    """Who calls. `credential_kind` is by what that is known."""

    name: str
    kind: str
    is_admin: bool
    credential_kind: str


class PasswordChange(Taken):
    """One's own password, and what it shall be."""

    current: SecretStr
    new: SecretStr


class NewKey(Taken):
    """An API key to be made. `expires_in` is in seconds; without it the key is valid until it is revoked.

    With `scopes` it permits no more than they say.
    """

    name: Text
    scopes: Annotated[list[Text], Field(min_length=1, max_length=100)] | None = None
    expires_in: Seconds | None = None


class KeyMade(BaseModel):
    """An API key that was made: nothing else ever tells `secret` again."""

    id: int
    name: str
    secret: str
    expires_at: datetime | None


class Key(BaseModel):
    """An API key. Without `scopes` it may do all that its owner may; `used_at` is true to a minute."""

    id: int
    name: str
    scopes: list[str] | None
    created_at: datetime
    expires_at: datetime | None
    used_at: datetime | None


class Session(BaseModel):
    """A login that goes on by refresh tokens; it ends at `expires_at` unless it is used before."""

    id: UUID
    client: str
    created_at: datetime
    used_at: datetime
    expires_at: datetime


class SessionsEnded(BaseModel):
    """How many sessions have ended."""

    ended: int


class NewUser(Taken):
    """A user to be added. Who has no password logs in by an issuer of identities, or not at all."""

    name: Text
    password: SecretStr | None = None
    is_admin: bool = False


class UserChange(Taken):
    """What of a user shall be otherwise. Another password, or being disabled, ends his sessions."""

    is_disabled: bool | None = None
    password: SecretStr | None = None


class User(BaseModel):
    """A user."""

    name: str
    is_admin: bool
    is_disabled: bool
    has_password: bool
    created_at: datetime


class NewRobot(Taken):
    """A robot to be added; its name is ORG+NAME."""

    name: Text


class Change(Taken):
    """Whether a robot or a service shall be disabled."""

    is_disabled: bool


class Robot(BaseModel):
    """A robot of an organisation."""

    name: str
    organisation: str
    is_disabled: bool
    created_at: datetime


class NewService(Taken):
    """A service to be added."""

    name: Text
    is_admin: bool = False


class Service(BaseModel):
    """A service, which signs its requests."""

    name: str
    is_admin: bool
    is_disabled: bool
    created_at: datetime


class NewServiceKey(Taken):
    """A public key in PEM by which a service signs, for so many seconds, or until it is revoked."""

    public_key: Annotated[str, StringConstraints(max_length=8192)]
    expires_in: Seconds | None = None


class ServiceKeyMade(BaseModel):
    """A service's key that is valid from now on."""

    id: str
    algorithm: str


class ServiceKey(BaseModel):
    """A service's key, valid or not."""

    id: str
    algorithm: str
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None


class Named(Taken):
    """What is to be added has a name and nothing else."""

    name: Text


class Organisation(BaseModel):
    """An organisation: the first segment of its repositories' names."""

    name: str
    created_at: datetime


class Team(BaseModel):
    """A team of an organisation."""

    name: str


class Member(BaseModel):
    """Who is of a team."""

    name: str
    kind: str


class NewRole(Taken):
    """A role of an organisation's own, which never changes."""

    name: Text
    permissions: Annotated[list[Text], Field(max_length=16)]


class Role(BaseModel):
    """A role that may be granted in an organisation."""

    name: str
    permissions: list[str]
    is_built_in: bool


class RoleDeleted(BaseModel):
    """How many grants went with a role."""

    grants_removed: int


class NewGrant(Taken):
    """A role for a subject (`user:NAME`, `team:ORG/TEAM`, `anonymous`) on a target (ORG, `ORG/prefix*` or a repository)."""

    subject: Text
    role: Text
    target: Text


class GrantQuery(Asking):
    """The very grant that is meant."""

    subject: Text
    role: Text
    target: Text


class GrantPaging(NumberedPaging):
    """Whose grants, or on what, are asked for."""

    subject: Text | None = None
    target: Text | None = None


class Grant(BaseModel):
    """A grant."""

    subject: str
    role: str
    target: str
    created_at: datetime


class AccessQuery(Asking):
    """Who is asked about, and what he would do with which repository."""

    subject: Text
    repository: Text
    action: Permitted


class HolderQuery(Asking):
    """Who may do something with a repository? `after` is the name of the last one told; "" is everybody."""

    repository: Text
    action: Permitted
    after: Text | None = None


class Explanation(BaseModel):
    """Whether it is permitted, why, and, where it isn't, the grants that come near."""

    allowed: bool
    reason: str
    near: list[str]


class Holder(BaseModel):
    """Who may do something; `name` is "" of everybody. `shown` is for people."""

    name: str
    shown: str
    reason: str


class NewSchema(Taken):
    """A schema to be added: the very bytes of a JSON Schema (2020-12) whose `$id` names its organisation, name and version."""

    content: Annotated[str, StringConstraints(max_length=64 << 10)]


class Schema(BaseModel):
    """A schema; a built-in one was added by nobody."""

    name: str
    applies_to: str
    is_built_in: bool
    created_at: datetime | None
    created_by: str | None


class SchemaAdded(BaseModel):
    """The schema that was added."""

    name: str


class SchemaContent(BaseModel):
    """A schema's bytes."""

    name: str
    content: str


class NewBinding(Taken):
    """A schema for the manifests of a target (ORG, `ORG/prefix*` or a repository), or for those of one artifact type."""

    target: Text
    schema_name: Text
    mode: Text
    artifact_type: Text | None = None


class BindingQuery(Asking):
    """The very binding that is meant."""

    target: Text
    schema_name: Text
    artifact_type: Text | None = None


class Binding(BaseModel):
    """Where a schema is bound; `artifact_type` is null where that is for any."""

    target: str
    artifact_type: str | None
    schema_name: str
    mode: str
    created_at: datetime
    created_by: str


class Sample(Taken):
    """A manifest to be judged as if it were pushed: its bytes and media type, and its config's bytes."""

    repository: Text
    media_type: Text
    manifest: Annotated[str, StringConstraints(max_length=64 << 10)]
    config: Annotated[str, StringConstraints(max_length=64 << 10)] | None = None


class Violation(BaseModel):
    """Where a document doesn't conform: by which rule of which schema, and in which mode that is bound."""

    mode: str
    pointer: str
    rule: str
    message: str
    schema_name: str


class SampleJudged(BaseModel):
    """What would become of a push: it is refused where a violation is of what is enforced."""

    is_refused: bool
    violations: list[Violation]


class NewIssuer(Taken):
    """An issuer of identities to be trusted (docs/configuration.md)."""

    url: Text
    kind: Text | None = None
    algorithms: Annotated[list[Text], Field(min_length=1, max_length=16)] = ["RS256", "ES256"]
    keys_url: Text | None = None
    client_id: Text | None = None
    client_secret: SecretStr | None = None
    creates_users: bool = False


class Issuer(BaseModel):
    """An issuer of identities."""

    url: str
    kind: str
    algorithms: list[str]
    keys_url: str | None
    client_id: str | None
    creates_users: bool


class IssuerQuery(Asking):
    """The issuer that is meant."""

    url: Text


class Link(Taken):
    """A subject of an issuer, and the user that it logs in as."""

    issuer: Text
    subject: Text
    user: Text


class LinkGone(Taken):
    """A subject of an issuer that shall log in as nobody any more."""

    issuer: Text
    subject: Text


class NewTrustRule(Taken):
    """A rule by which tokens of an issuer stand for a principal."""

    name: Text
    issuer: Text
    audience: Text
    claims: dict[Text, Text]
    principal: Text
    actions: Annotated[list[Text], Field(max_length=16)]
    repositories: Annotated[list[Text], Field(max_length=100)]
    seconds: int = 900


class TrustRule(BaseModel):
    """A rule of trust."""

    name: str
    issuer: str
    audience: str
    claims: dict[str, str]
    principal: str
    actions: list[str]
    repositories: list[str]
    seconds: int


class Rotation(Taken):
    """Whether the new key signs at once and no other verifies any more, as after a leak."""

    now: bool = False


class SigningKeyMade(BaseModel):
    """The key that was made."""

    kid: str


class SigningKey(BaseModel):
    """A key that signs or verifies access tokens; it signs from `signs_from` on, until a later one does."""

    kid: str
    algorithm: str
    signs_from: datetime


class EventQuery(Asking):
    """Which events are asked for: those that fit all that is given. `target` is what theirs begin with."""

    principal: Text | None = None
    action: Text | None = None
    target: Text | None = None
    outcome: Text | None = None
    since: datetime | None = None
    until: datetime | None = None


class EventPaging(EventQuery):
    """Which page of the events: those that were numbered below `before`, or what a page's `next` says."""

    before: Annotated[int, Field(ge=-BIGGEST, le=BIGGEST)] | None = None
    limit: Annotated[int, Field(ge=1, le=LONGEST_PAGE)] = 100


class AuditEvent(BaseModel):
    """An event; `sequence` is null until it is sealed."""

    sequence: int | None
    at: str
    principal_id: int | None
    principal: str
    credential_kind: str
    credential_id: str | None
    address: str | None
    request_id: str | None
    action: str
    target: str
    outcome: str
    detail: Any


class VerificationWanted(Taken):
    """Heads that were exported and must be in the log, each as it was exported."""

    heads: Annotated[list[dict[str, Any]], Field(max_length=500)] = []


class Finding(BaseModel):
    """What is wrong with the audit log."""

    damage: str
    text: str


class Verified(BaseModel):
    """What the audit log was found to be. Of more than a thousand findings the first are told; `findings_total` counts all."""

    is_intact: bool
    events: int
    first_batch: int
    last_batch: int
    findings_total: int
    findings: list[Finding]
    heads_found: int
    heads_pruned: int
    unsealed_events: int
    unsealed_since: datetime | None


class PruneWanted(Taken):
    """Seconds since which what is deleted must have been sealed."""

    older_than: Annotated[int, Field(ge=0, le=100 * 366 * 86_400)]


class Pruned(BaseModel):
    """How much was deleted."""

    batches: int
    events: int


class ArtifactQuery(Asking):
    """What artifacts are asked for (docs/search.md)."""

    q: Annotated[str, StringConstraints(max_length=4096)] = ""


class ArtifactPaging(ArtifactQuery):
    """Which page of the artifacts that a query asks for."""

    after: Text = ""
    limit: Annotated[int, Field(ge=1, le=LONGEST_PAGE)] = 20


class HighlightFound(BaseModel):
    """A piece of a text that has what was asked for, and where: the begins and ends of matches, in characters."""

    field: str
    text: str
    matches: list[tuple[int, int]]


class ArtifactFound(BaseModel):
    """An artifact. `metadata` is what is known of it; `is_complete` says whether all its files were read."""

    repository: str
    digest: str
    tags: list[str]
    kind: str
    format: str
    artifact_type: str | None
    size: int
    pushed_at: datetime
    metadata: dict[str, Any]
    is_complete: bool
    highlights: list[HighlightFound]


class FacetCount(BaseModel):
    """How many artifacts have a value."""

    value: str
    count: int


class ArtifactCounts(BaseModel):
    """The most frequent values of each facet. Unless `is_all`, only the newest `counted` artifacts were counted."""

    counted: int
    is_all: bool
    facets: dict[str, list[FacetCount]]


class Problem(BaseModel):
    """What went wrong (RFC 9457). `code` is for programs; facts of the error stand beside these members."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    request_id: str


class JobPaging(Asking):
    """Which page of the jobs is asked for: that which begins after the job `after`, of a state and of a repository."""

    state: Literal["queued", "running", "done", "failed"] | None = None
    repository: Text | None = None
    after: Annotated[int, Field(ge=1, le=BIGGEST)] | None = None
    limit: Annotated[int, Field(ge=1, le=LONGEST_PAGE)] = 100


class JobFound(BaseModel):
    """Background work on a manifest. `total` and `progress` are bytes, null where nobody has counted them yet.

    `error` says why the last attempt failed.
    """

    id: int
    kind: str
    repository: str
    digest: str
    state: Literal["queued", "running", "done", "failed"]
    attempts: int
    total: int | None
    progress: int | None
    error: str | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


class NonconformingPaging(Asking):
    """Which page is asked for: that which begins after the item `after`, of a repository and of a manifest's digest."""

    repository: Text | None = None
    digest: Text | None = None
    after: Annotated[int, Field(ge=1, le=BIGGEST)] | None = None
    limit: Annotated[int, Field(ge=1, le=LONGEST_PAGE)] = 100


class NonconformingAt(BaseModel):
    """What does not conform: where (RFC 6901), by which keyword of the schema, and why in words."""

    pointer: str
    rule: str
    message: str


class Nonconforming(BaseModel):
    """A manifest that doesn't conform to a schema that was bound in a mode when it was judged.

    `applies_to` says of what the schema speaks, and into what pointers lead.
    """

    id: int
    repository: str
    digest: str
    applies_to: Literal["annotations", "config", "record"]
    schema_name: str
    mode: Literal["warn", "enforce"]
    violations: list[NonconformingAt]
    judged_at: datetime
