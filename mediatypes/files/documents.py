"""Documents of which any part may matter: JSON, YAML and a Markdown page's front matter, each bounded.

Of keys that come twice the last one counts, as in the libraries that write and read such files. A YAML document may share
values (its aliases, which PyYAML writes itself), but not unfold to more than a document of its size could hold.
"""

from __future__ import annotations

import datetime
import json
import re
from typing import Any, Final

import msgspec
import yaml

from mediatypes.documents import depth_of
from mediatypes.files.reading import Limits, Malformed, Source, TooMuch, Unreadable, Unsupported

JSON_LONGEST: Final = 4 << 20  # bytes
YAML_LONGEST: Final = 1 << 20  # bytes; YAML takes long to read
_YAML_VALUES: Final = 100_000  # of a YAML document, each alias counted as what it stands for
_FRONT_MATTER: Final = re.compile(r"\A\ufeff?---[ \t]*\r?\n(.*?)^---[ \t]*(?:\r?\n|\Z)", re.DOTALL | re.MULTILINE)
_NUMBER: Final = re.compile(r"[-+0-9_:.]+")
_LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def whole(source: Source, limits: Limits, longest: int) -> bytes:
    """Return all bytes of a document. Raise TooMuch where they are more than `longest` or the limits allow."""
    longest = min(longest, limits.header)
    if source.size > longest:
        raise TooMuch(f"has {source.size} bytes, of which {longest} are read at most")
    return source.read(0, source.size)


def text_of(content: bytes) -> str:
    """Return a document's text, without a byte order mark. Raise Malformed where it isn't UTF-8."""
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Malformed(f"is not UTF-8 at byte {error.start}") from None


def json_value(content: bytes, limits: Limits) -> Any:
    """Return what a JSON document holds. Raise Malformed, or TooMuch where it is nested too deep."""
    try:
        document = json.loads(text_of(content))
    except RecursionError:
        raise TooMuch(f"is nested deeper than {limits.depth} levels") from None
    except Malformed:
        raise
    except ValueError as error:
        raise Malformed(f"is not JSON: {error!s:.200}") from None
    if depth_of(document) > limits.depth:
        raise TooMuch(f"is nested deeper than {limits.depth} levels")
    return document


def json_object(source: Source, limits: Limits) -> dict[str, Any]:
    """Return the object that a JSON file holds. Raise Unreadable."""
    document = json_value(whole(source, limits, JSON_LONGEST), limits)
    if not isinstance(document, dict):
        raise Malformed("is not a JSON object")
    return document


def decoded(content: bytes, wanted: type[Any]) -> Any:
    """Return what a JSON document has of the fields of a struct; all else is passed over and takes no memory.

    Raise Malformed.
    """
    try:
        return msgspec.json.decode(content.removeprefix(b"\xef\xbb\xbf"), type=wanted)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise Malformed(f"is not the JSON that it should be: {error!s:.200}") from None
    except RecursionError:
        raise Malformed("is nested deeper than any of its kind") from None


def yaml_value(text: str, limits: Limits) -> Any:
    """Return what a YAML document holds, nothing of it shared. Raise Unreadable."""
    if len(text) > YAML_LONGEST:
        raise TooMuch(f"has more than {YAML_LONGEST} characters of YAML")
    try:
        _require_plain_yaml(text, limits.depth)
        document = yaml.load(text, Loader=_LOADER)  # noqa: S506 - one of the two safe loaders
        return _unfolded(document, limits.depth)
    except yaml.YAMLError as error:
        problem = getattr(error, "problem", None) or error
        mark = getattr(error, "problem_mark", None)
        where = f" in line {mark.line + 1}" if mark is not None else ""
        raise Malformed(f"is not plain YAML{where}: {problem!s:.200}") from None
    except Unreadable:
        raise
    # The loader's own constructors of numbers and dates let Python's errors pass.
    except (ValueError, TypeError, AttributeError, LookupError, ArithmeticError) as error:
        raise Malformed(f"holds a YAML value that is none: {error!s:.200}") from None
    except RecursionError:
        raise TooMuch(f"is nested deeper than {limits.depth} levels") from None


def yaml_object(text: str, limits: Limits) -> dict[str, Any]:
    """Return the mapping that a YAML document is; an empty document is an empty one. Raise Unreadable."""
    document = yaml_value(text, limits)
    if document is None:
        return {}
    if not isinstance(document, dict):
        raise Malformed("is not a YAML mapping")
    return document


def front_matter(text: str) -> tuple[str | None, str]:
    """Return the YAML between `---` lines at a page's beginning, None without, and the page without it."""
    found = _FRONT_MATTER.match(text)
    return (found[1], text[found.end() :]) if found else (None, text)


def _require_plain_yaml(text: str, deepest: int) -> None:
    """Refuse, before anything is built, what nests too deep, and what makes work beyond its length.

    That is to merge mappings, which multiplies their keys, and long numbers of base 60, which take the square of it.
    """
    depth = 0
    for count, event in enumerate(yaml.parse(text, Loader=_LOADER)):
        if count > _YAML_VALUES:
            raise TooMuch(f"has more than {_YAML_VALUES} values")
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > deepest:
                raise TooMuch(f"is nested deeper than {deepest} levels")
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        elif isinstance(event, yaml.ScalarEvent):
            if event.value == "<<" and event.implicit[0]:
                raise Unsupported("merges YAML mappings by `<<`")
            if len(event.value) > 200 and ":" in event.value and _NUMBER.fullmatch(event.value):
                raise Malformed(f"holds a number of {len(event.value)} digits")


def _unfolded(document: Any, deepest: int) -> Any:
    """Return a document as a tree of JSON's values. Raise TooMuch where aliases make it large or endless."""
    left = _YAML_VALUES

    def copied(value: Any, depth: int) -> Any:
        nonlocal left
        left -= 1
        if left < 0 or depth > deepest:
            raise TooMuch("unfolds by its YAML aliases to more than is read")
        match value:
            case dict():
                return {str(name): copied(item, depth + 1) for name, item in value.items()}
            case list() | tuple() | set():
                return [copied(item, depth + 1) for item in value]
            case datetime.date():
                return value.isoformat()
            case None | bool() | int() | float() | str():
                return value
            case _:
                return None

    return copied(document, 1)
