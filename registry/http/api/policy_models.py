"""Policies, trust roots and what is admitted, as the API takes them and tells of them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, Field, StringConstraints

from registry.http.api.models import Asking, Taken, Text
from signing.limits import LARGEST_POLICY, LARGEST_ROOT

Document = Annotated[str, StringConstraints(max_length=LARGEST_POLICY)]
RootDocument = Annotated[str, StringConstraints(max_length=LARGEST_ROOT)]
Version = Annotated[int, Field(ge=1, le=10_000)]
On = Literal["pull", "tag", "both"]


class NewPolicy(Taken):
    """A policy (YAML) for a target: ORG, `ORG/prefix*` or a repository.

    `tags` are patterns of those whose moves it decides on; without any it decides on all.
    """

    target: Text
    content: Document
    on: On = "both"
    tags: Annotated[list[Text], Field(max_length=20, default_factory=list)]


class PolicySet(BaseModel):
    """What was set: the policy's name and its version that counts now."""

    name: str
    version: int


class PolicyQuery(Asking):
    """The very policy that is meant."""

    target: Text
    name: Text


class PolicyVersionQuery(PolicyQuery):
    """Which version of it; without, the one that counts."""

    version: Version | None = None


class Policy(BaseModel):
    """A policy: the version that counts."""

    target: str
    name: str
    version: int
    mode: str
    on: str
    tags: list[str]
    created_at: datetime
    created_by: str


class PolicyVersion(BaseModel):
    """A version of a policy; `content` is null of the one that removed it, and in lists."""

    version: int
    mode: str
    on: str
    tags: list[str]
    created_at: datetime
    created_by: str
    content: str | None


class Trial(Taken):
    """A policy to be tried on what is stored: on up to `limit` artifacts behind `after`, tagged in the last `since` seconds."""

    target: Text
    content: Document
    since: Annotated[int, Field(ge=60, le=10 * 366 * 86_400)] | None = None
    after: Annotated[str, StringConstraints(max_length=1024)] = ""
    limit: Annotated[int, Field(ge=1, le=100)] = 50


class Tried(BaseModel):
    """An artifact, tags that name it or have named it, and whether it would have passed; `reasons` are why not."""

    repository: str
    digest: str
    tags: list[str]
    passes: bool
    reasons: list[str]


class NewTrustRoot(Taken):
    """A `trusted_root.json` of Sigstore's, by the name that policies call it."""

    organisation: Text
    name: Text
    content: RootDocument


class TrustRootSet(BaseModel):
    """The version that counts now."""

    version: int


class TrustRoot(BaseModel):
    """A trust root: the version that counts."""

    name: str
    version: int
    created_at: datetime
    created_by: str


class TrustRootVersionQuery(Asking):
    """Which version of it; without, the one that counts."""

    version: Version | None = None


class TrustRootContent(BaseModel):
    """A version of a trust root; `content` is null of the one that removed it."""

    version: int
    created_at: datetime
    created_by: str
    content: str | None


class PolicyCovering(BaseModel):
    """A policy that covers a repository."""

    target: str
    name: str
    version: int
    mode: str
    on: str
    tags: list[str]


class BranchTold(BaseModel):
    """A requirement, whether it is met and why; `notes` are what was looked at and refused on the way.

    What is not decided, since something that it needs is not known, does not pass.
    """

    requirement: str
    passes: bool
    is_decided: bool
    reason: str
    notes: list[str]
    branches: list[BranchTold]


class VerdictTold(BaseModel):
    """What a policy says. `through` is the index by which the artifact satisfies it, null where that is its own doing."""

    target: str
    policy: str
    version: int
    mode: str
    on: str
    tags: list[str]
    passes: bool
    through: str | None
    branch: BranchTold
    problems: list[str]
    valid_until: datetime | None


class AdmissionTold(BaseModel):
    """What becomes of a pull, and why. `about` is the artifact of which this only speaks, and whose verdicts these are."""

    repository: str
    digest: str
    outcome: Literal["admitted", "observed", "warned", "denied"]
    about: str | None
    verdicts: list[VerdictTold]
