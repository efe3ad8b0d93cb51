"""Keys that sign access tokens."""

from __future__ import annotations

from datetime import UTC, datetime

from registry.core.audit import Action
from registry.http.api.asked import Asked
from registry.http.api.credential_models import Rotation, SigningKey, SigningKeyMade
from registry.http.api.models import Page
from registry.http.api.route import Route
from registry.http.api.services import AdminServices


async def listed(services: AdminServices, _asked: Asked) -> Page[SigningKey]:
    """List the keys that sign or verify, in the order in which they begin to sign."""
    found = [
        SigningKey(kid=key.kid, algorithm=key.algorithm, signs_from=datetime.fromtimestamp(key.signs_from, UTC))
        for key in await services.keyring.listed()
    ]
    return Page(items=found, next=None)


async def rotate(services: AdminServices, asked: Asked, data: Rotation) -> SigningKeyMade:
    """Make a key, which signs from five minutes on, or at once."""
    return SigningKeyMade(kid=await services.keyring.rotate(now=data.now, actor=asked.actor))


_KEYS = "/admin/signing-keys"
ROUTES = (
    Route(method="GET", path=_KEYS, handler=listed, gives=Page[SigningKey]),
    Route(
        method="POST",
        path=_KEYS,
        handler=rotate,
        body=Rotation,
        gives=SigningKeyMade,
        status=201,
        action=Action.SIGNING_KEY_ADD,
    ),
)
