"""What there is, told in process as the API tells it (registry.administration)."""

from __future__ import annotations

from typing import Any

from registry.auth.trusted import Trusted
from registry.config import Settings
from registry.in_process import run


def issuers(settings: Settings) -> list[dict[str, Any]]:
    """Return all issuers, by URL. Raise UpkeepFailed."""
    return [
        {
            "url": row.url,
            "kind": row.kind,
            "algorithms": list(row.algorithms),
            "keys_url": row.keys_url,
            "client_id": row.client_id,
            "creates_users": row.creates_users,
        }
        for row in run(settings, lambda db: Trusted(db).issuers())
    ]


def trust_rules(settings: Settings) -> list[dict[str, Any]]:
    """Return all rules of trust, by name. Raise UpkeepFailed."""
    return [
        {
            "name": row.name,
            "issuer": row.issuer,
            "audience": row.audience,
            "claims": dict(row.claims),
            "principal": row.principal,
            "actions": sorted(row.actions),
            "repositories": list(row.repositories),
            "seconds": row.seconds,
        }
        for row in run(settings, lambda db: Trusted(db).rules())
    ]
