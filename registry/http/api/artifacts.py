"""Artifacts: found by queries, and counted by facet (docs/search.md). Whoever is let in sees what he may pull."""

from __future__ import annotations

import dataclasses
import math

from pydantic import BaseModel

from registry.http.api.asked import Asked
from registry.http.api.models import Page
from registry.http.api.reader_services import ReaderServices
from registry.http.api.route import Route
from registry.http.api.search_models import (
    ArtifactCounts,
    ArtifactFound,
    ArtifactPaging,
    ArtifactQuery,
    FacetCount,
    HighlightFound,
)
from registry.http.parse import max_stale_of
from registry.http.reply import Reply


async def found(services: ReaderServices, asked: Asked, query_args: ArtifactPaging) -> Reply:
    """List the artifacts that a query asks for: the newest first, or the best where it has words."""
    page = await services.search.page(
        query_args.q,
        caller=asked.caller,
        after=query_args.after,
        limit=query_args.limit,
        max_stale=max_stale_of(asked.call),
    )
    items = [
        ArtifactFound(
            **{field.name: getattr(one, field.name) for field in dataclasses.fields(one) if field.name != "highlights"},
            highlights=[HighlightFound(**dataclasses.asdict(highlight)) for highlight in one.highlights],
        )
        for one in page.items
    ]
    return _aged(Page[ArtifactFound](items=items, next=page.next_after), page.age)


async def facets(services: ReaderServices, asked: Asked, query_args: ArtifactQuery) -> Reply:
    """Count the most frequent values of each facet among the artifacts that a query asks for."""
    counts = await services.search.facets(query_args.q, caller=asked.caller, max_stale=max_stale_of(asked.call))
    told = ArtifactCounts(
        counted=counts.counted,
        is_all=counts.is_all,
        facets={
            name: [FacetCount(value=row.value, count=row.artifacts) for row in rows]
            for name, rows in counts.facets.items()
        },
    )
    return _aged(told, counts.age)


def _aged(document: BaseModel, age: float) -> Reply:
    """Return a reply that says how old it may be (RFC 9111 §5.1)."""
    headers = [("Content-Type", "application/json"), ("Cache-Control", "no-store")]
    if age:
        headers.append(("Age", str(math.ceil(age))))
    return Reply(200, headers, document.model_dump_json().encode())


_ARTIFACTS = "/artifacts"
ROUTES = (
    Route(
        method="GET",
        path=_ARTIFACTS,
        handler=found,
        query=ArtifactPaging,
        gives=Page[ArtifactFound],
        is_for_readers=True,
    ),
    Route(
        method="GET",
        path=f"{_ARTIFACTS}/facets",
        handler=facets,
        query=ArtifactQuery,
        gives=ArtifactCounts,
        is_for_readers=True,
    ),
)
