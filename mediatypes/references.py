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


class Reference(NamedTuple):
    """What a reference says: the host in lower case, with the port where one is named, None where there is none."""

    host: str | None
    name: RepositoryName
    tag: Tag | None
    digest: Digest | None


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
    """Return what a reference names, as runtimes complete it. Raise InvalidReference."""
    found = read_reference(text)
    host, name = found.host or DEFAULT_HOST, found.name
    if host == DEFAULT_HOST and "/" not in name:
        name = RepositoryName(f"library/{name}")
    return ImageReference(host, name, found.tag, found.digest)


def read_reference(text: str) -> Reference:
    """Return what a reference says. Raise InvalidReference.

    The first component is a host where it has a dot or a colon, or is `localhost`, or has an upper-case letter.
    """
    if len(text) > _LONGEST:
        raise InvalidReference(f"has a reference of more than {_LONGEST} characters")
    rest, at, hexed = text.partition("@")
    try:
        digest = Digest.parse(hexed) if at else None
        head, slash, path = rest.partition("/")
        host = head.lower() if slash and _is_host(head) else None
        if host is None:
            path = rest
        elif _HOST.fullmatch(host) is None:
            raise InvalidReference("has a reference whose host is none")
        path, colon, tag = path.partition(":")
        return Reference(host, parse_repository_name(path), parse_tag(tag) if colon else None, digest)
    except InvalidDigest as error:
        raise InvalidReference(f"has a digest that {error}") from None
    except InvalidName as error:
        raise InvalidReference(f"has a name that {error}") from None
    except InvalidTag as error:
        raise InvalidReference(f"has a tag that {error}") from None


def _is_host(text: str) -> bool:
    return "." in text or ":" in text or text == "localhost" or text != text.lower()
