"""Policies and trust roots in files, for the commands that judge by them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from blacklake.files import content_of
from blacklake.settings import USAGE, Refused

if TYPE_CHECKING:
    from signing.policy.policy import Policy
    from signing.roots import TrustRoot


def policy_in(path: Path) -> Policy:
    """Return the policy in a file. Raise Refused with all that is wrong with it."""
    from signing.policy.document import read_policy
    from signing.policy.problems import InvalidPolicy

    try:
        return read_policy(content_of(path))
    except InvalidPolicy as error:
        raise Refused(f"{path} is no policy:\n{error}", USAGE) from None


def root_in(path: Path) -> TrustRoot:
    """Return the trust root in a file. Raise Refused."""
    from signing.roots import InvalidTrustRoot, TrustRoot

    try:
        return TrustRoot.parse(content_of(path))
    except InvalidTrustRoot as error:
        raise Refused(f"{path} is no trust root that can be used: {error}", USAGE) from None


def roots_of(policy: Policy, files: Mapping[str, Path]) -> dict[str, TrustRoot]:
    """Return the trust roots that a policy names, from files by their names. Raise Refused where one is not given."""
    from signing.policy.policy import roots_needed
    from signing.policy.signers import PUBLIC_GOOD
    from signing.roots import TrustRoot

    wanted = roots_needed(policy)
    unknown(files.keys() - wanted - {PUBLIC_GOOD}, "the policy names no trust root")
    unknown(wanted - files.keys() - {PUBLIC_GOOD}, "say --trusted-root NAME=FILE for what the policy calls")
    return {name: root_in(files[name]) if name in files else TrustRoot.public_good() for name in wanted}


def unknown(names: Iterable[str], message: str) -> None:
    """Raise Refused where there are names."""
    if listed := ", ".join(sorted(names)):
        raise Refused(f"{message} {listed}", USAGE)
