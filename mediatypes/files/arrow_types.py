"""What Parquet and Arrow files have in common: a schema of Arrow, with metadata that pandas and datasets leave in it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from mediatypes.files.dataset_infos import named_features
from mediatypes.files.documents import json_value
from mediatypes.files.plain import plain_text
from mediatypes.files.reading import Limits, Malformed, TooMuch, Unreadable, Unsupported
from mediatypes.files.seekable import SeekableFile
from mediatypes.files.telling import mapping

if TYPE_CHECKING:
    import pyarrow as pa

_RAISED: Final = (OSError, ValueError, LookupError, TypeError, ArithmeticError, RecursionError, MemoryError)
_LONGEST: Final = 1 << 20  # bytes of one value of the metadata


@contextlib.contextmanager
def refusing(file: SeekableFile) -> Iterator[None]:
    """Raise Unreadable, or what the file's source raised, for what pyarrow raises of a file."""
    import pyarrow as pa

    try:
        yield
    except Unreadable:
        raise
    except pa.ArrowNotImplementedError as error:
        raise file.failure or Unsupported(f"is of a kind that pyarrow can't read: {error!s:.200}") from None
    # Names that aren't UTF-8 show when they are asked for, as errors of Python.
    except (pa.ArrowException, *_RAISED) as error:
        raise file.failure or Malformed(f"can't be read by pyarrow: {error!s:.200}") from None


def features_of(schema: pa.Schema, limits: Limits) -> list[dict[str, Any]]:
    """Return the fields as Hugging Face's features where datasets says them, else by Arrow's types. Raise TooMuch."""
    if len(schema) > limits.entries:
        raise TooMuch(f"has {len(schema)} fields, of which {limits.entries} are read at most")
    said = mapping(mapping(metadata_of(schema.metadata, limits).get("huggingface")).get("info")).get("features")
    known = {item["name"]: item["type"] for item in named_features(said)}
    return [{"name": field.name, "type": known.get(field.name, str(field.type)[:200])} for field in schema]


def metadata_of(pairs: dict[bytes, bytes] | None, limits: Limits) -> dict[str, Any]:
    """Return a schema's or a footer's metadata: what is JSON as such, what isn't text as its length."""
    found: dict[str, Any] = {}
    for name, value in list((pairs or {}).items())[:100]:
        key = plain_text(name.decode("utf-8", "replace"))
        if key == "ARROW:schema":  # The schema once more.
            continue
        try:
            text = value.decode()
        except UnicodeDecodeError:
            found[key] = {"bytes": len(value)}
            continue
        found[key] = text
        if text.startswith(("{", "[")) and len(value) <= _LONGEST:
            try:
                found[key] = json_value(value, limits)
            except Unreadable:
                continue
    return found
