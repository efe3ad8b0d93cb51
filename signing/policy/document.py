"""Policies as they are written: small YAML documents (docs/policies.md, policy.schema.json)."""

from __future__ import annotations

from signing.policy.building import Building
from signing.policy.checking import check
from signing.policy.policy import Policy
from signing.policy.problems import InvalidPolicy
from signing.policy.text import read_yaml


def read_policy(text: bytes) -> Policy:
    """Read a policy. Raise InvalidPolicy with all that is wrong, each with its place.

    Refused are texts that two readers could read differently (`signing.policy.text`), what the schema doesn't know, signers
    that are not there, keys, certificates and patterns that can't be had, conditions that don't compile, and requirements that
    everything meets, or nothing can.
    """
    read = read_yaml(text)
    if problems := check(read, "policy"):
        raise InvalidPolicy(problems)
    building = Building(read)
    policy = building.policy()
    if building.problems:
        raise InvalidPolicy(building.problems)
    return policy
