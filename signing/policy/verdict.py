"""What a policy says of an artifact, with the reason of every branch."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

import msgspec


class Mode(StrEnum):
    """What becomes of an artifact that does not pass."""

    OBSERVE = "observe"
    """It is recorded, and nothing else."""
    WARN = "warn"
    """Whoever asks is warned."""
    ENFORCE = "enforce"
    """It is refused."""


class Branch(msgspec.Struct, frozen=True):
    """A requirement and whether it is met. Every branch is evaluated, also where one has decided already."""

    requirement: str
    """What is asked for, in words: `a signature by key release`, `all of`, `any of`."""
    passes: bool
    reason: str
    """A sentence: by what it is met, or what is missing."""
    branches: tuple[Branch, ...] = ()
    notes: tuple[str, ...] = ()
    """What was looked at and refused on the way: `sha256:…, layer 1: step 5 (signature): …`."""
    decided: bool = True
    """Whether it could be found out. What could not does not pass, and neither does `not` of it."""


class Verdict(msgspec.Struct, frozen=True):
    """A policy's answer."""

    policy: str
    version: int | None
    mode: Mode
    digest: str
    passes: bool
    branch: Branch
    valid_until: datetime | None = None
    """From when on it has to be judged again though nothing has changed (ages, certificates); None: never."""
    problems: tuple[str, ...] = ()
    """What of the evidence could not be gathered."""

    @property
    def is_denied(self) -> bool:
        """Whether the artifact is refused."""
        return not self.passes and self.mode is Mode.ENFORCE
