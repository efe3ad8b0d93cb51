"""Scans of an artifact, what is in quarantine, and the keys that sign what scanners say."""

from __future__ import annotations

import dataclasses
from typing import Literal

from mediatypes.digest import Digest
from registry.db.quarantines import ListedRow, QuarantineRow
from registry.http.api.artifact import ARTIFACT
from registry.http.api.asked import Asked
from registry.http.api.models import Page
from registry.http.api.reader_services import ReaderServices
from registry.http.api.route import Route
from registry.http.api.scan_models import (
    AnchorFound,
    Quarantined,
    QuarantinePaging,
    QuarantineTold,
    ScanFound,
    ScansFound,
)
from registry.http.parse import name_of, reference_of


async def of_artifact(services: ReaderServices, asked: Asked, name: str, reference: str) -> ScansFound:
    """Show what scanners say of an artifact."""
    found = await services.scans.of(name_of(name), reference_of(reference), asked.caller)
    scans = [ScanFound.model_validate(row._asdict()) for row in found.scans] if found.scans is not None else None
    return ScansFound(
        digest=str(found.digest),
        scans=scans,
        quarantine=_held(found.quarantine) if found.quarantine is not None else None,
    )


async def quarantined(services: ReaderServices, asked: Asked, query_args: QuarantinePaging) -> Page[Quarantined]:
    """List artifacts in quarantine, and those released from it, that one may pull, the newest first."""
    page = await services.quarantine.page(
        before=query_args.after,
        limit=query_args.limit,
        repository=name_of(query_args.repository) if query_args.repository is not None else None,
        caller=asked.caller,
    )
    return Page(items=[told(row) for row in page.items], next=page.next_after)


async def keys(services: ReaderServices, _asked: Asked) -> Page[AnchorFound]:
    """List the keys that sign what scanners say, in the order in which they began to sign."""
    found = [AnchorFound(**dataclasses.asdict(one)) for one in await services.anchors.listed()]
    return Page(items=found, next=None)


def told(row: ListedRow) -> Quarantined:
    """Return an artifact of the list as it is told."""
    said = {name: value for name, value in row._asdict().items() if name not in ("id", "digest")}
    return Quarantined(**said, digest=str(Digest.from_bytes(row.digest)), state=_state(row))


def _held(row: QuarantineRow) -> QuarantineTold:
    said = {name: value for name, value in row._asdict().items() if name != "known"}
    return QuarantineTold(**said, state=_state(row))


def _state(row: QuarantineRow | ListedRow) -> Literal["quarantined", "released"]:
    return "quarantined" if row.released_at is None else "released"


ROUTES = (
    Route(method="GET", path=f"{ARTIFACT}/scans", handler=of_artifact, gives=ScansFound, is_for_readers=True),
    Route(
        method="GET",
        path="/quarantine",
        handler=quarantined,
        query=QuarantinePaging,
        gives=Page[Quarantined],
        is_for_readers=True,
    ),
    Route(method="GET", path="/keys", handler=keys, gives=Page[AnchorFound], is_for_readers=True),
)
