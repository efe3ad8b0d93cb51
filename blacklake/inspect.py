"""`blacklake inspect|diff|files`: what is in an artifact, and what is different in another (docs/artifacts.md)."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Annotated, Any

from cyclopts import Parameter

from blacklake.admin.tables import printable, show
from blacklake.admin.words import Json
from blacklake.references import ConnectionOptions, Ref, asking, named


def inspect(ref: Ref, *, options: ConnectionOptions | None = None) -> None:
    """Print what is known of an artifact as JSON: its metadata, whence each field is, and what was found in its files.

    And what scanners say of it, where its repository asks them, and whether it is in quarantine.
    """
    one = named(ref)
    with asking(options, one) as connection:
        found = connection.get(one.path)
        scanned = connection.get(f"{one.path}/scans")
        print(json.dumps(found | {name: scanned[name] for name in ("scans", "quarantine")}, indent=2))


def diff(before: Ref, after: Ref, *, as_json: Json = False, options: ConnectionOptions | None = None) -> None:
    """Tell what is different in a second artifact: files, metadata, metrics and tensors."""
    old, new = named(before), named(after)
    with asking(options, old, new) as connection:
        found = connection.get(f"{old.path}/comparison", other=new.reference, repository=new.repository)
    if as_json:
        print(json.dumps(found))
        return
    for line in _lines(found):
        print(printable(line))


def files(
    ref: Ref,
    path: Annotated[str | None, Parameter(help="A file to write to the standard output, instead of the list.")] = None,
    /,
    *,
    as_json: Json = False,
    options: ConnectionOptions | None = None,
) -> None:
    """List an artifact's files, or print one: its bytes, and not its layer's."""
    one = named(ref)
    with asking(options, one) as connection:
        if path is None:
            columns = ("path", "size", "role", "format", "packing", "tensors")
            show(connection.pages(f"{one.path}/files"), columns, as_json=as_json)
            return
        for piece in connection.content(f"{one.path}/files/content", path=path):
            sys.stdout.buffer.write(piece)
        sys.stdout.buffer.flush()


def _lines(found: dict[str, Any]) -> Iterator[str]:
    """Yield what is different, a line each: + is new, - is gone, ~ is another."""
    for one in found["metadata"]:
        yield f"~ {one['field']}: {json.dumps(one['before'])} -> {json.dumps(one['after'])}"
    for one in found["metrics"]:
        where = "/".join(part for part in (one["name"], one["dataset"], one["split"]) if part)
        delta = f" ({one['delta']:+g})" if one["delta"] is not None else ""
        yield f"~ metric {where}: {one['before']} -> {one['after']}{delta}"
    for kind, name in (("file", "path"), ("tensor", "name")):
        part = found[f"{kind}s"]
        yield from (f"+ {kind} {one[name]} {_about(one)}" for one in part["added"])
        yield from (f"- {kind} {one[name]} {_about(one)}" for one in part["removed"])
        yield from (f"~ {kind} {one[name]} {_change(one['before'], one['after'])}" for one in part["changed"])
        for how in ("added", "removed", "changed"):
            left = part[f"{how}_total"] - len(part[how])
            if left:
                yield f"  {left} more {kind}s {how}"
        yield f"  {part['unchanged_total']} {kind}s unchanged"
    if found["tensors"]["unchanged_total"]:
        yield f"  {found['tensors']['note']}"


def _change(before: dict[str, Any], after: dict[str, Any]) -> str:
    old, new = _about(before), _about(after)
    if old == new and before.get("digest") and after.get("digest"):  # a tensor that holds other numbers
        return f"{old} {before['digest'][:19]} -> {after['digest'][:19]}"
    return f"{old} -> {new}"


def _about(one: dict[str, Any]) -> str:
    return f"({one['size']} bytes)" if "size" in one else f"{one['dtype']}{one['shape']}"
