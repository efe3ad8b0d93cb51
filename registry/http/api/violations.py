"""Violations: which manifests that the caller may pull do not conform to the schemas of their repositories."""

from __future__ import annotations

from mediatypes.digest import Digest
from registry.db.violations import NonconformingRow
from registry.http.api.asked import Asked
from registry.http.api.models import Page
from registry.http.api.reader_services import ReaderServices
from registry.http.api.route import Route
from registry.http.api.schema_models import Nonconforming, NonconformingPaging
from registry.http.parse import digest_of, name_of


async def found(services: ReaderServices, asked: Asked, query_args: NonconformingPaging) -> Page[Nonconforming]:
    """List manifests that don't conform, once for each schema, the newest first: of all that one may pull, or of some of it."""
    page = await services.violations.page(
        before=query_args.after,
        limit=query_args.limit,
        repository=name_of(query_args.repository) if query_args.repository is not None else None,
        digest=digest_of(query_args.digest) if query_args.digest is not None else None,
        caller=asked.caller,
    )
    return Page(items=[_told(row) for row in page.items], next=page.next_after)


def _told(row: NonconformingRow) -> Nonconforming:
    told = row._asdict()
    return Nonconforming(**told | {"digest": str(Digest.from_bytes(row.digest)), "schema_name": told.pop("schema")})


ROUTES = (
    Route(
        method="GET",
        path="/violations",
        handler=found,
        query=NonconformingPaging,
        gives=Page[Nonconforming],
        is_for_readers=True,
    ),
)
