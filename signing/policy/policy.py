"""A policy as a value, and which facts it needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from signing.policy.requirements import (
    Aged,
    Attested,
    Conforming,
    Inventoried,
    Licensed,
    Recorded,
    Requirement,
    Scanned,
    Signed,
    leaves,
    named,
)
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


@dataclass(frozen=True, slots=True)
class Needs:
    """Which facts a policy asks about, so that no others are gathered. The artifact's own manifest always is."""

    attached: bool
    """Manifests that are attached to it, with their layers (`Evidence.attached`)."""
    record: bool
    violations: bool
    pushed_at: bool
    scanners: frozenset[str]
    """By name, those whose results are asked for (`Known.scans`)."""
    roots: frozenset[str]
    """The trust roots, by name."""


def needs(policy: Policy) -> Needs:
    """Return which facts a policy asks about."""
    found = list(leaves(policy.requirement))
    conditions = [leaf.condition for leaf in found if isinstance(leaf, Recorded)]
    conditions += [leaf.where for leaf in found if isinstance(leaf, Attested) and leaf.where]
    signers = {
        name
        for leaf in found
        if isinstance(leaf, Signed | Attested | Inventoried | Aged) and leaf.by
        for name in named(leaf.by)
    }
    roots = {policy.signers[name].root for name in signers}
    return Needs(
        attached=bool(signers) or any(isinstance(leaf, Inventoried) for leaf in found),
        record=any(isinstance(leaf, Licensed) for leaf in found) or any("record" in one.names for one in conditions),
        violations=any(isinstance(leaf, Conforming) for leaf in found),
        pushed_at=any(isinstance(leaf, Aged) and leaf.by is None for leaf in found),
        scanners=frozenset(name for leaf in found if isinstance(leaf, Scanned) for name in leaf.scanners),
        roots=frozenset(root for root in roots if root is not None),
    )
