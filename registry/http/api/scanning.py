"""What is scanned, what is put into quarantine, and what is released: for the registry's administrators."""

from __future__ import annotations

from registry.core.audit import Action
from registry.core.subjects import parse_target
from registry.core.target_pages import Counted as CountedPage
from registry.http.api.asked import Asked
from registry.http.api.credential_models import Rotation, SigningKeyMade
from registry.http.api.models import Page
from registry.http.api.route import Route
from registry.http.api.scan_models import Counted, QuarantineLevel, Release, RuleFound, ScanRequest, ScanRule
from registry.http.api.services import AdminServices
from registry.http.parse import digest_of, name_of


async def rules(services: AdminServices, _asked: Asked) -> Page[RuleFound]:
    """List what was decided of scans, of their publication, and of quarantine."""
    found = [RuleFound.model_validate(one._asdict()) for one in await services.scan_rules.listed()]
    return Page(items=found, next=None)


async def decide(services: AdminServices, asked: Asked, data: ScanRule) -> Counted:
    """Switch scans, or their publication, on or off. Where scans are on then, they are asked for of a page of what is there."""
    return _counted(
        await services.scan_rules.decide(data.rule, data.target, is_on=data.is_on, actor=asked.actor, after=data.after)
    )


async def decide_level(services: AdminServices, asked: Asked, data: QuarantineLevel) -> Counted:
    """Decide from which severity on artifacts are put into quarantine; a page of those that were scanned, too."""
    return _counted(
        await services.scan_rules.decide_level(data.target, data.level, actor=asked.actor, after=data.after)
    )


async def ask(services: AdminServices, asked: Asked, data: ScanRequest) -> Counted:
    """Have a page of artifacts scanned again."""
    del asked
    digest = digest_of(data.digest) if data.digest is not None else None
    return _counted(await services.scan_requests.ask(parse_target(data.target), digest, after=data.after))


def _counted(found: CountedPage) -> Counted:
    """Return with how many artifacts something was done as it is told."""
    return Counted(artifacts=found.artifacts, next=found.next_after)


async def release(services: AdminServices, asked: Asked, data: Release) -> Counted:
    """Release an artifact from quarantine, with all that is found in it now."""
    await services.quarantine.release(name_of(data.repository), digest_of(data.digest), data.reason, actor=asked.actor)
    return Counted(artifacts=1, next=None)


async def rotate(services: AdminServices, asked: Asked, data: Rotation) -> SigningKeyMade:
    """Make a key that signs what scanners say from now on; with `now` the others are revoked, as after a leak."""
    return SigningKeyMade(kid=await services.scan_keys.rotate(now=data.now, actor=asked.actor))


_RULES = "/admin/scan-rules"
ROUTES = (
    Route(method="GET", path=_RULES, handler=rules, gives=Page[RuleFound]),
    Route(method="POST", path=_RULES, handler=decide, body=ScanRule, gives=Counted, action=Action.SCANS_DECIDE),
    Route(
        method="POST",
        path="/admin/quarantine-levels",
        handler=decide_level,
        body=QuarantineLevel,
        gives=Counted,
        action=Action.QUARANTINE_DECIDE,
    ),
    Route(
        method="POST",
        path="/admin/scan-requests",
        handler=ask,
        body=ScanRequest,
        gives=Counted,
        action=Action.SCANS_ASK,
    ),
    Route(
        method="POST",
        path="/admin/quarantine-releases",
        handler=release,
        body=Release,
        gives=Counted,
        action=Action.QUARANTINE_RELEASE,
    ),
    Route(
        method="POST",
        path="/admin/scan-keys",
        handler=rotate,
        body=Rotation,
        gives=SigningKeyMade,
        status=201,
        action=Action.SCAN_KEY_ADD,
    ),
)
