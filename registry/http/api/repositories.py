"""Repositories: how much each holds, its tags and their history, its manifests.

A repository's name has slashes, so that what is in it stands behind `/-/`, which no name has.
"""

from __future__ import annotations

from typing import Final

from mediatypes.digest import Digest
from registry.http.api.artifact_models import ManifestFound, RepositoryFound, TagFound, VersionFound, VersionPaging
from registry.http.api.asked import Asked
from registry.http.api.models import Page, Paging
from registry.http.api.reader_services import ReaderServices
from registry.http.api.route import Route
from registry.http.parse import name_of, tag_of

REPOSITORY: Final = "/repositories/<repository:name>"


async def listed(services: ReaderServices, asked: Asked, query_args: Paging) -> Page[RepositoryFound]:
    """List the repositories that hold something and that one may pull from, by name."""
    page = await services.repositories.summaries(after=query_args.after, limit=query_args.limit, caller=asked.caller)
    return Page(items=[RepositoryFound(**row._asdict()) for row in page.items], next=page.next_after)


async def show(services: ReaderServices, asked: Asked, name: str) -> RepositoryFound:
    """Show a repository."""
    return RepositoryFound(**(await services.repositories.summary(name_of(name), asked.caller))._asdict())


async def tags(services: ReaderServices, asked: Asked, name: str, query_args: Paging) -> Page[TagFound]:
    """List a repository's tags, by name."""
    page = await services.history.tags(
        name_of(name), after=query_args.after, limit=query_args.limit, caller=asked.caller
    )
    items = [TagFound(**row._asdict() | {"digest": str(Digest.from_bytes(row.digest))}) for row in page.items]
    return Page(items=items, next=page.next_after)


async def versions(services: ReaderServices, asked: Asked, name: str, query_args: VersionPaging) -> Page[VersionFound]:
    """List which manifests a repository's tags have named: by tag, of each the last move first."""
    page = await services.history.moves(
        name_of(name),
        tag=tag_of(query_args.tag) if query_args.tag is not None else None,
        after=query_args.after,
        limit=query_args.limit,
        caller=asked.caller,
    )
    items = [
        VersionFound(
            tag=row.tag,
            moved_from=_shown(row.before),
            moved_to=_shown(row.after),
            moved_by=row.moved_by,
            moved_at=row.moved_at,
        )
        for row in page.items
    ]
    return Page(items=items, next=page.next_after)


async def artifacts(services: ReaderServices, asked: Asked, name: str, query_args: Paging) -> Page[ManifestFound]:
    """List a repository's manifests, by digest. Queries (`/artifacts?q=repo:NAME`) find the newest first."""
    page = await services.artifacts.page(
        name_of(name), after=query_args.after, limit=query_args.limit, caller=asked.caller
    )
    items = [ManifestFound(**row._asdict() | {"digest": str(Digest.from_bytes(row.digest))}) for row in page.items]
    return Page(items=items, next=page.next_after)


def _shown(digest: bytes | None) -> str | None:
    return str(Digest.from_bytes(digest)) if digest is not None else None


ROUTES = (
    Route(
        method="GET",
        path="/repositories",
        handler=listed,
        query=Paging,
        gives=Page[RepositoryFound],
        is_for_readers=True,
    ),
    Route(method="GET", path=REPOSITORY, handler=show, gives=RepositoryFound, is_for_readers=True),
    Route(
        method="GET",
        path=f"{REPOSITORY}/-/tags",
        handler=tags,
        query=Paging,
        gives=Page[TagFound],
        is_for_readers=True,
    ),
    Route(
        method="GET",
        path=f"{REPOSITORY}/-/versions",
        handler=versions,
        query=VersionPaging,
        gives=Page[VersionFound],
        is_for_readers=True,
    ),
    Route(
        method="GET",
        path=f"{REPOSITORY}/-/artifacts",
        handler=artifacts,
        query=Paging,
        gives=Page[ManifestFound],
        is_for_readers=True,
    ),
)
