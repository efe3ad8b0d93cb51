"""The question whether an artifact may run, as the API takes it and answers."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, Field, StringConstraints

from registry.http.api.models import Taken, Text
from registry.http.api.policy_models import BranchTold, Document

Pem = Annotated[str, StringConstraints(max_length=8 << 10)]


class Question(Taken):
    """Which artifact (a tag or a digest of a repository), and what is asked of it.

    Either a `policy` (YAML); or a signature by one of the public `keys` (PEM), or by a `certificate_identity` that a
    `certificate_oidc_issuer` vouches for, both exactly; with an `attestation`, one of this type instead. `trusted_root` names
    one of the organisation's. Without all of these the repository's own policies on pulls are asked.
    """

    repository: Text
    reference: Text
    policy: Document | None = None
    keys: Annotated[list[Pem], Field(min_length=1, max_length=5)] | None = None
    certificate_identity: Text | None = None
    certificate_oidc_issuer: Text | None = None
    trusted_root: Text | None = None
    attestation: Text | None = None


class VerdictGiven(BaseModel):
    """What a policy says, the reason of every branch, and until when that holds though nothing changes; null: for ever."""

    policy: str
    version: int | None
    mode: Literal["observe", "warn", "enforce"]
    passes: bool
    branch: BranchTold
    problems: list[str]
    valid_until: datetime | None


class Answered(BaseModel):
    """The answer, for one digest: deploy that, not the tag.

    `verified`: all that is asked is there, or what isn't is only warned of. `refused`: it isn't. `undecided`: nobody can say,
    or nothing was asked. Only `verified` lets something run.
    """

    repository: str
    digest: str
    outcome: Literal["verified", "refused", "undecided"]
    reasons: list[str]
    verdicts: list[VerdictGiven]
