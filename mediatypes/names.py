"""The grammars of repository names and tags.

    name        ::= component ("/" component)*
    component   ::= [a-z0-9]+ (("." | "_" | "__" | "-"+) [a-z0-9]+)*        (spec: Pulling manifests)
    tag         ::= [a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}

A name is at most 255 characters long: many clients limit host name and repository name together to that.
"""

from __future__ import annotations

import re
from typing import Final, NewType

RepositoryName = NewType("RepositoryName", str)
Tag = NewType("Tag", str)

MAX_NAME_LENGTH: Final = 255

_COMPONENT: Final = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
NAME_PATTERN: Final = rf"{_COMPONENT}(?:/{_COMPONENT})*"
"""A regular expression of names, whatever their length."""
TAG_PATTERN: Final = "[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}"
"""A regular expression of tags."""

_NAME: Final = re.compile(NAME_PATTERN)
_TAG: Final = re.compile(TAG_PATTERN)


class InvalidName(ValueError):
    """Text outside the grammar of repository names."""


class InvalidTag(ValueError):
    """Text outside the grammar of tags."""


def parse_repository_name(text: str) -> RepositoryName:
    """Return `text` as a repository name; raise InvalidName where it is none."""
    if len(text) > MAX_NAME_LENGTH:
        raise InvalidName(f"is longer than {MAX_NAME_LENGTH} characters")
    if _NAME.fullmatch(text) is None:
        raise InvalidName(
            "is not lower-case letters and digits in components separated by '/',"
            " with single '.', '_', '__' or dashes inside a component"
        )
    return RepositoryName(text)


def parse_tag(text: str) -> Tag:
    """Return `text` as a tag; raise InvalidTag where it is none."""
    if _TAG.fullmatch(text) is None:
        raise InvalidTag("is not 1 to 128 letters, digits, '_', '.' or '-', the first of them no '.' or '-'")
    return Tag(text)
