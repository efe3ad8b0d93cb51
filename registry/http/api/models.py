"""What bodies and parameters of the API have in common. Unknown fields are refused: nobody gets what he wasn't meant to set."""

from __future__ import annotations

from typing import Annotated, Final, Generic, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

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


class Problem(BaseModel):
    """What went wrong (RFC 9457). `code` is for programs; facts of the error stand beside these members."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    request_id: str
