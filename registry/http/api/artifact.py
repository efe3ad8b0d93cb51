"""One artifact: what it is and whence that is known, its files and tensors, what it has to do with others."""

from __future__ import annotations

import json
from typing import Any, Final

from mediatypes.digest import Digest
from registry.core.audit import target_of
from registry.core.comparison import BytesCompared, TensorAt
from registry.core.comparisons import Referenced
from registry.core.tensors import Wanted
from registry.db.described import FoundFileRow
from registry.http.api.artifact_models import (
    Artifact,
    ComparisonFound,
    ComparisonQuery,
    EdgeFound,
    FieldChanged,
    FileChanged,
    FileCompared,
    FileFound,
    FilesCompared,
    FindingTold,
    GraphFound,
    GraphQuery,
    MetricChanged,
    NodeFound,
    RawMetadata,
    TensorChanged,
    TensorCompared,
    TensorFound,
    TensorPaging,
    TensorsCompared,
)
from registry.http.api.asked import Asked
from registry.http.api.models import Page, Paging
from registry.http.api.reader_services import ReaderServices
from registry.http.api.repositories import REPOSITORY
from registry.http.api.route import Route
from registry.http.parse import name_of, reference_of
from registry.http.reply import Reply

ARTIFACT: Final = f"{REPOSITORY}/-/artifacts/<reference>"


async def show(services: ReaderServices, asked: Asked, name: str, reference: str) -> Artifact:
    """Show an artifact by a tag or a digest."""
    found = await services.artifacts.find(name_of(name), reference_of(reference), asked.caller)
    row = found.described
    return Artifact(
        repository=name,
        digest=str(found.digest),
        tags=found.tags,
        media_type=found.media_type,
        artifact_type=found.artifact_type,
        subject=str(found.subject) if found.subject is not None else None,
        size=found.size,
        pushed_at=found.pushed_at,
        kind=row.kind if row is not None else None,
        format=row.format if row is not None else None,
        metadata=row.record["values"] if row is not None else None,
        sources=row.record["sources"] if row is not None else None,
        is_complete=row.is_complete if row is not None else None,
        problem=row.problem if row is not None else None,
        finding=row.finding if row is not None else None,
        findings=[FindingTold(**one._asdict()) for one in found.findings],
        described_at=row.described_at if row is not None else None,
    )


async def metadata(services: ReaderServices, asked: Asked, name: str, reference: str, query_args: Paging) -> Reply:
    """Show what was pushed and read, as it stands: the manifest, the config, and what files say of themselves."""
    found = await services.artifacts.raw(
        name_of(name), reference_of(reference), after=query_args.after, limit=query_args.limit, caller=asked.caller
    )
    asked.call.pulled = target_of(name, found.digest)  # a config is what a pull would give
    files = [
        {"path": path, **{part: (read or {}).get(part) for part in ("format", "raw", "problem")}}
        for path, read in found.files.items
    ]
    document = {
        "digest": str(found.digest),
        "manifest": found.manifest,
        "config": found.config,
        "files": {"items": files, "next": found.files.next_after},
    }
    headers = [("Content-Type", "application/json"), ("Cache-Control", "no-store")]
    # In ASCII: what others have written may hold halves of surrogate pairs, which UTF-8 can't.
    return Reply(200, headers, json.dumps(document, separators=(",", ":")).encode())


async def files(
    services: ReaderServices, asked: Asked, name: str, reference: str, query_args: Paging
) -> Page[FileFound]:
    """List an artifact's files, by path."""
    page = await services.files.page(
        name_of(name), reference_of(reference), after=query_args.after, limit=query_args.limit, caller=asked.caller
    )
    items = [
        FileFound(
            path=row.path,
            size=row.size,
            role=row.role,
            format=row.format,
            blob=str(Digest.from_bytes(row.blob)),
            packing=row.packing,
            tensors=row.tensors,
            is_downloadable=row.start is not None,
        )
        for row in page.items
    ]
    return Page(items=items, next=page.next_after)


async def tensors(
    services: ReaderServices, asked: Asked, name: str, reference: str, query_args: TensorPaging
) -> Page[TensorFound]:
    """List an artifact's tensors: by file, as they stand there."""
    page = await services.tensors.page(
        name_of(name),
        reference_of(reference),
        Wanted(query_args.path, query_args.prefix, query_args.dtype),
        after=query_args.after,
        limit=query_args.limit,
        caller=asked.caller,
    )
    items = [
        TensorFound(
            path=path,
            name=one.name,
            dtype=one.dtype,
            shape=list(one.shape),
            offset=one.offset,
            size=one.size,
            digest=_digest(sha256),
        )
        for path, (one, sha256) in page.items
    ]
    return Page(items=items, next=page.next_after)


async def graph(
    services: ReaderServices, asked: Asked, name: str, reference: str, query_args: GraphQuery
) -> GraphFound:
    """Show what an artifact has to do with others: referrers, children, base models and datasets, whichever way."""
    found = await services.graphs.around(
        name_of(name), reference_of(reference), depth=query_args.depth, most=query_args.limit, caller=asked.caller
    )
    places = {row.node: place for place, row in enumerate(found.nodes)}
    return GraphFound(
        nodes=[
            NodeFound(
                repository=row.repository,
                digest=str(Digest.from_bytes(row.node.digest)),
                artifact_type=row.artifact_type,
                kind=row.kind,
                format=row.format,
                tags=row.tags,
            )
            for row in found.nodes
        ],
        edges=[
            EdgeFound.model_validate(
                {"relation": edge.relation, "source": places[edge.source], "target": places[edge.target]}
            )
            for edge in found.edges
        ],
        is_all=found.is_all,
    )


async def comparison(
    services: ReaderServices, asked: Asked, name: str, reference: str, query_args: ComparisonQuery
) -> ComparisonFound:
    """Show what is different in another artifact: files, metadata, metrics and tensors."""
    before = Referenced(name_of(name), reference_of(reference))
    after = Referenced(name_of(query_args.repository or name), reference_of(query_args.other))
    old, new, found = await services.comparisons.compare(before, after, most=query_args.limit, caller=asked.caller)
    return ComparisonFound(
        before=str(old),
        after=str(new),
        files=FilesCompared(
            added=[_file(one) for one in found.files.added],
            removed=[_file(one) for one in found.files.removed],
            changed=[FileChanged(path=a.path, before=_file(a), after=_file(b)) for a, b in found.files.changed],
            **_totals(found.files),
        ),
        metadata=[FieldChanged(field=one.field, before=one.before, after=one.after) for one in found.metadata],
        metrics=[
            MetricChanged(
                name=one.name,
                dataset=one.dataset,
                split=one.split,
                before=one.before,
                after=one.after,
                delta=one.delta,
            )
            for one in found.metrics
        ],
        tensors=TensorsCompared(
            added=[_tensor(one) for one in found.tensors.added],
            removed=[_tensor(one) for one in found.tensors.removed],
            changed=[
                TensorChanged(name=a.tensor.name, before=_tensor(a), after=_tensor(b)) for a, b in found.tensors.changed
            ],
            bytes_compared=found.tensor_bytes.not_compared == 0,
            note=_note(found.tensor_bytes),
            **_totals(found.tensors),
        ),
    )


def _totals(found: Any) -> dict[str, int]:
    return {f"{kind}_total": getattr(found, f"{kind}_total") for kind in ("added", "removed", "changed", "unchanged")}


def _file(row: FoundFileRow) -> FileCompared:
    return FileCompared(path=row.path, size=row.size, blob=str(Digest.from_bytes(row.blob)))


def _tensor(at: TensorAt) -> TensorCompared:
    return TensorCompared(
        path=at.path,
        name=at.tensor.name,
        dtype=at.tensor.dtype,
        shape=list(at.tensor.shape),
        digest=_digest(at.sha256),
    )


def _digest(sha256: bytes | None) -> str | None:
    return f"sha256:{sha256.hex()}" if sha256 is not None else None


def _note(found: BytesCompared) -> str:
    """Say of what the bytes were compared, and of what not and why not."""
    alike = found.compared + found.not_compared
    if found.not_compared == 0:
        return f"of {alike} tensors with the same name, dtype and shape in both, the bytes are compared, too"
    note = (
        f"of {alike} tensors with the same name, dtype and shape in both, the bytes of {found.not_compared} are not compared,"
        " and unchanged ones may hold other numbers:"
        f" {found.without_before} have no digest in `before`, {found.without_after} in `after`"
    )
    if found.impossible:
        note += f"; {found.impossible} lie in compressed or other places where they are not digested"
    return note


ROUTES = (
    Route(method="GET", path=ARTIFACT, handler=show, gives=Artifact, is_for_readers=True),
    Route(
        method="GET",
        path=f"{ARTIFACT}/metadata",
        handler=metadata,
        query=Paging,
        gives=RawMetadata,
        is_for_readers=True,
    ),
    Route(
        method="GET", path=f"{ARTIFACT}/files", handler=files, query=Paging, gives=Page[FileFound], is_for_readers=True
    ),
    Route(
        method="GET",
        path=f"{ARTIFACT}/tensors",
        handler=tensors,
        query=TensorPaging,
        gives=Page[TensorFound],
        is_for_readers=True,
    ),
    Route(
        method="GET",
        path=f"{ARTIFACT}/graph",
        handler=graph,
        query=GraphQuery,
        gives=GraphFound,
        is_for_readers=True,
    ),
    Route(
        method="GET",
        path=f"{ARTIFACT}/comparison",
        handler=comparison,
        query=ComparisonQuery,
        gives=ComparisonFound,
        is_for_readers=True,
    ),
)
