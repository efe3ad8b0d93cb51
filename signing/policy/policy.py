"""A policy as a value, and which trust roots it needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from signing.policy.requirements import Aged, Attested, Inventoried, Requirement, Signed, leaves, named
from signing.policy.signers import Signer
from signing.policy.verdict import Mode


@dataclass(frozen=True, slots=True)
class Policy:
    """What is asked of an artifact, and what becomes of one that it isn't true of."""

    name: str
    description: str
    mode: Mode
    signers: Mapping[str, Signer]
    """Those that the policy names, by name."""
    requirement: Requirement


def roots_needed(policy: Policy) -> frozenset[str]:
    """Return the trust roots that a policy asks of, by name."""
    signers = {
        name
        for leaf in leaves(policy.requirement)
        if isinstance(leaf, Signed | Attested | Inventoried | Aged) and leaf.by
        for name in named(leaf.by)
    }
    roots = {policy.signers[name].root for name in signers}
    return frozenset(root for root in roots if root is not None)
