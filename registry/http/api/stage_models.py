"""Rules of tags, stages and promotions, as the API takes them and tells of them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, Field

from registry.http.api.models import BIGGEST, LONGEST_PAGE, Asking, Taken, Text

Kind = Literal["immutable", "protected"]
Steps = Annotated[int, Field(ge=1, le=1000)]


class TargetQuery(Asking):
    """Of which target: ORG, `ORG/prefix*` or a repository."""

    target: Text


class NewTagRule(Taken):
    """A rule of the tags of a target that fit a pattern. Without `movers`, promotions alone move what is protected."""

    target: Text
    pattern: Text
    kind: Kind
    movers: list[Text] = Field(default_factory=list, max_length=1000)


class TagRuleQuery(Asking):
    """The very rule that is meant."""

    target: Text
    pattern: Text
    kind: Kind


class TagRule(BaseModel):
    """A rule of tags."""

    target: str
    pattern: str
    kind: Kind
    movers: list[str]
    created_at: datetime
    created_by: str


class NewStage(Taken):
    """A stage.

    `tag` is what it is called in the registry, without one its name; `*` in it is the version. `repository` is where that tag
    is, null: where the artifact is. `promoters` may promote into it, null: whoever may move the tag.
    """

    name: Text
    tag: Text | None = None
    repository: Text | None = None
    promoters: list[Text] | None = Field(default=None, max_length=1000)
    may_skip: bool = False


class NewStages(Taken):
    """All stages of a target, in their order."""

    target: Text
    stages: list[NewStage] = Field(max_length=1000)


class Stage(BaseModel):
    """A stage of a target."""

    target: str
    name: str
    tag: str
    repository: str | None
    promoters: list[str] | None
    may_skip: bool
    created_at: datetime
    created_by: str


class StageFound(BaseModel):
    """A stage of a repository: where its tag is, and what that names.

    `digest` is null where it names nothing, where its tag has a version in it, and where one may not pull.
    """

    name: str
    repository: str
    tag: str
    digest: str | None
    promoters: list[str] | None
    may_skip: bool


class NewPromotion(Taken):
    """What is promoted into a stage: a tag or a digest, null: what the stage before it names.

    `expected` is what the stage must name now, a digest or `nothing`; without it, that may be anything.
    """

    stage: Text
    reference: Text | None = None
    expected: Text | None = None
    reason: Text = ""


class NewRollback(Taken):
    """How many steps a stage goes back, or forward again to what rollbacks have left.

    `version` is that of a stage whose tag has one. Administrators may have it `forced`, whatever policies say.
    """

    stage: Text
    steps: Steps = 1
    forward: bool = False
    version: Text | None = None
    expected: Text | None = None
    reason: Text = ""
    forced: bool = False


class Promotion(BaseModel):
    """What a stage's tag came to name, and what it named before."""

    kind: Literal["promotion", "rollback", "roll-forward", "found"]
    stage: str
    repository: str
    tag: str
    digest: str
    before: str | None


class PromotionDone(Promotion):
    """What a stage's tag names now: the same as before where nothing had to be done. `warnings` are those of policies."""

    warnings: list[str]


class PromotionFound(Promotion):
    """What became of a stage. `found` is what something else had put there, as was seen at the next promotion."""

    id: int
    reason: str
    forced: bool
    promoted_by: str
    promoted_at: datetime


class PromotionPaging(Asking):
    """Which page is asked for: that which begins after the item `after`; of one stage, where that is given."""

    stage: Text | None = None
    after: Annotated[int, Field(ge=1, le=BIGGEST)] | None = None
    limit: Annotated[int, Field(ge=1, le=LONGEST_PAGE)] = 100
