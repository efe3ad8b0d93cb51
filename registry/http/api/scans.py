"""Scans of an artifact."""

from __future__ import annotations

from registry.http.api.artifact import ARTIFACT
from registry.http.api.asked import Asked
from registry.http.api.reader_services import ReaderServices
from registry.http.api.route import Route
from registry.http.api.scan_models import ScanFound, ScansFound
from registry.http.parse import name_of, reference_of


async def of_artifact(services: ReaderServices, asked: Asked, name: str, reference: str) -> ScansFound:
    """Show what scanners say of an artifact."""
    found = await services.scans.of(name_of(name), reference_of(reference), asked.caller)
    scans = [ScanFound.model_validate(row._asdict()) for row in found.scans] if found.scans is not None else None
    return ScansFound(digest=str(found.digest), scans=scans)


ROUTES = (Route(method="GET", path=f"{ARTIFACT}/scans", handler=of_artifact, gives=ScansFound, is_for_readers=True),)
