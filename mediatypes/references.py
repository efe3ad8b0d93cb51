"""References of images as container runtimes read them (github.com/distribution/reference, `ParseNormalizedNamed`)."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from mediatypes.digest import Digest, InvalidDigest
from mediatypes.names import InvalidName, InvalidTag, RepositoryName, Tag, parse_repository_name, parse_tag

DEFAULT_HOST: Final = "docker.io"
"""The host of references that name none."""
DEFAULT_TAG: Final = Tag("latest")

_LONGEST: Final = 512  # characters
_LABEL: Final = "[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_HOST: Final = re.compile(rf"(?:{_LABEL}(?:\.{_LABEL})*\.?|\[[0-9a-fA-F:]+\])(?::[0-9]{{1,5}})?")


class InvalidReference(ValueError):
    """Text that no runtime takes for a reference of an image; the message completes “the image …”."""


class ImageReference(NamedTuple):
    """What a reference names. With a digest the tag is for people only; without both it is `latest`."""

    host: str
    """In lower case, with the port where one is named."""
    name: RepositoryName
    tag: Tag | None
    digest: Digest | None

    @property
    def reference(self) -> Tag | Digest:
        """Return what a runtime asks the registry for."""
        return self.digest or self.tag or DEFAULT_TAG


def parse_reference(text: str) -> ImageReference:
    """Return what a reference names; raise InvalidReference.

    The first component is a host where it has a dot or a colon, or is `localhost`, or has an upper-case letter.
    """
    if len(text) > _LONGEST:
        raise InvalidReference(f"has a reference of more than {_LONGEST} characters")
    rest, at, hexed = text.partition("@")
    try:
        digest = Digest.parse(hexed) if at else None
        head, slash, path = rest.partition("/")
        if not slash or not _is_host(head):
            head, path = DEFAULT_HOST, rest
        if _HOST.fullmatch(head) is None:
            raise InvalidReference("has a reference whose host is none")
        path, colon, tag = path.partition(":")
        if head == DEFAULT_HOST and "/" not in path:
            path = f"library/{path}"
        return ImageReference(head.lower(), parse_repository_name(path), parse_tag(tag) if colon else None, digest)
    except InvalidDigest as error:
        raise InvalidReference(f"has a digest that {error}") from None
    except InvalidName as error:
        raise InvalidReference(f"has a name that {error}") from None
    except InvalidTag as error:
        raise InvalidReference(f"has a tag that {error}") from None


def _is_host(text: str) -> bool:
    return "." in text or ":" in text or text == "localhost" or text != text.lower()
